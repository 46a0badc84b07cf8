"""One target under atheris, in a process of its own: ``python -m hostile.fuzz.worker TARGET [libFuzzer's arguments]``.

Must not know how the runner reads what libFuzzer prints.
"""

from __future__ import annotations

import logging
import sys
import warnings

import atheris

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Instrument the library, load the target, and fuzz until libFuzzer ends the process."""
    name, *options = arguments
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # of Python versions; ours are errors in pytest, which replays the corpus
    with atheris.instrument_imports(include=["anyint_resilience"], enable_loader_override=False):
        from hostile.fuzz.targets import target

        check = target(name).check
    again = f"{sys.executable} -m hostile.fuzz.worker {name}"  # which libFuzzer hands to a shell where it merges
    atheris.Setup([again, *options], check, enable_python_coverage=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
