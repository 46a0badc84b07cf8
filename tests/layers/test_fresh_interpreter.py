"""What an import really loads, seen in a fresh interpreter. The static side is in pyproject.toml (import-linter)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.brief import once

pytestmark = once

CLIENTS = {"aiohttp", "httpcore", "httpcore2", "httpx", "httpx2", "redis", "requests", "urllib3"}
EXTRAS = {"h11", "rich"}
OTHER_LOOPS = {"anyio", "trio"}
LATE = {"opentelemetry"}  # loaded by a configuration, not by the import
UNWANTED = CLIENTS | EXTRAS | OTHER_LOOPS


def loaded_by(statement: str) -> set[str]:
    """Names in ``sys.modules`` of a fresh interpreter after the statement."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def core() -> set[str]:
    return loaded_by("import anyint_resilience")


@pytest.mark.parametrize("name", sorted(UNWANTED | LATE))
def test_core_loads_no_client_and_no_extra(core: set[str], name: str) -> None:
    """Importing anyint_resilience loads no HTTP client, no extra's package and no third-party event loop."""
    assert name not in core


def test_core_loads_neither_emulator_nor_command_line(core: set[str]) -> None:
    """Importing anyint_resilience loads neither its emulator nor its command line nor an adapter."""
    unwanted = ("anyint_resilience.emulator", "anyint_resilience.cli", "anyint_resilience_")
    assert not [name for name in core if name.startswith(unwanted)]


def test_every_public_name_is_real() -> None:
    """Each name in __all__ can be had, and having all of them still loads no HTTP client."""
    names = loaded_by("import anyint_resilience as a\nfor name in a.__all__: getattr(a, name)\nassert a.__all__")
    assert not names & CLIENTS


@pytest.mark.parametrize(("adapter", "client"), [(name, name) for name in ("aiohttp", "httpx", "httpx2", "requests")])
def test_an_adapter_loads_only_its_own_client(adapter: str, client: str) -> None:
    """An adapter loads the client it is for and none of the others."""
    if find_spec(client) is None:
        pytest.skip(f"{client} is not installed on this Python")
    bare = loaded_by(f"import {client}")
    with_adapter = loaded_by(f"import anyint_resilience_{adapter}")
    assert client in with_adapter
    assert not (with_adapter & UNWANTED) - bare
