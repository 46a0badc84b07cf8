"""``demo``: the command itself.

Must not know scenarios or clients: it sees to what must be installed, and loads them then.
"""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from typing import Any, Final

from ..parsing import page
from ..terminal import Problem, console, need, print_json

__all__ = ["register"]

_OLDEST: Final = (3, 11)  # httpx2, on which both SDKs stand
_INSTALL: Final = "'anyint-resilience[cli]'"
_INSTALL_CLIENTS: Final = "'anyint-resilience[cli,httpx2]' openai anthropic"
_ABOUT: Final = """\
Start the emulator, drive the openai SDK, the anthropic SDK and a plain httpx2 client through its faults, and show each
attempt, each decision and its reason. Every outcome is held against what the contract says must come of it. It takes
about five seconds: the waits are real."""
_EXAMPLES: Final = (
    ("watch it", "anyint-resilience demo"),
    ("only what came of it, for a program", "anyint-resilience demo --json"),
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "demo",
        summary="watch three clients survive a faulty gateway on this machine",
        about=_ABOUT,
        usage="[options]",
        examples=_EXAMPLES,
        exits=((0, "every outcome is what the contract says"), (1, "one is not; what was expected is shown")),
        needs=f"Python 3.11, and pip install {_INSTALL_CLIENTS}",
        touches="nothing but this machine. No key is needed and it costs nothing",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, and nothing before")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if sys.version_info < _OLDEST:
        raise Problem("this command needs Python 3.11 or newer: its clients stand on httpx2, which does")
    need("this command", ["h11"] if options.json else ["rich", "h11"], _INSTALL)
    need("this command", ["httpx2", "openai", "anthropic"], _INSTALL_CLIENTS)
    from . import document, runner, scenarios

    logging.getLogger("anyint_resilience").addHandler(logging.NullHandler())  # what it warns of is the show itself
    if options.json:
        done = runner.run_all(scenarios.SCENARIOS)
        print_json(document.document(done))
    else:
        from . import show

        screen = console()
        done = runner.run_all(
            scenarios.SCENARIOS, opening=partial(show.opening, screen), watch=partial(show.scenario, screen)
        )
        show.ending(screen, done)
    return 0 if done.good else 1
