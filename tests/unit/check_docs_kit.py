"""What the tests of ``tools.check_docs`` share: a page written into a folder. Must not know what is checked."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

__all__ = ["written"]

if not (Path(__file__).resolve().parents[2] / "tools" / "check_docs").is_dir():
    pytest.skip("the tools are not part of the wheel", allow_module_level=True)


def written(folder: Path, text: str, name: str = "page.md") -> Path:
    """Write a page, and return its path. In its text ~~~ stands for a fence, so that no test has one."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text).replace("~~~", "```"), encoding="utf-8")
    return path
