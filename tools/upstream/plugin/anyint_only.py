"""A pytest plugin that leaves only the tests named in the JSON file ``ANYINT_UPSTREAM_ONLY`` says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ONLY = frozenset(json.loads(Path(os.environ["ANYINT_UPSTREAM_ONLY"]).read_text(encoding="utf-8")))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop the others."""
    kept = [item for item in items if item.nodeid in ONLY]
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in ONLY])
    items[:] = kept
