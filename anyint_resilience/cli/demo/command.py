"""``demo``: the command itself.

Must not know scenarios or clients: it sees to what must be installed, and loads them then.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from ..terminal import Problem, console, need

__all__ = ["register"]

_OLDEST: Final = (3, 11)  # httpx2, on which both SDKs stand
_INSTALL: Final = "'anyint-resilience[cli]'"
_INSTALL_CLIENTS: Final = "'anyint-resilience[cli,httpx2]' openai anthropic"


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="watch the openai SDK, the anthropic SDK and httpx2 survive a faulty gateway",
        description="Start the emulator, drive three clients through its faults, and check every outcome. Takes about "
        "ten seconds, touches nothing but this machine, and exits with 1 if an outcome is not what the contract says.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if sys.version_info < _OLDEST:
        raise Problem("this command needs Python 3.11 or newer: its clients stand on httpx2, which does")
    need("this command", ["rich", "h11"], _INSTALL)
    need("this command", ["httpx2", "openai", "anthropic"], _INSTALL_CLIENTS)
    from . import runner, scenarios

    return runner.run_all(scenarios.SCENARIOS, console())
