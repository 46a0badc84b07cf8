"""``python -m hostile``: fuzz, chaos and soak in brief, as the gate makes them. Must not know what any of them does.

The soak waits most of its two minutes, so the others run beside it, one after the other. The exit code says whether
anything broke; what each said is printed whole.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import IO

BESIDE = "soak"
IN_TURN = ("fuzz", "chaos")
SECONDS = 900.0
"""After which one of them hangs. Each has bounds of its own, far below."""


def start(name: str, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Start one of them."""
    words = [sys.executable, "-m", f"hostile.{name}", "--brief"]
    return subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT if output is not None else None)


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for it; return its exit code. One that hangs is killed, and has failed."""
    try:
        return process.wait(SECONDS)
    except BaseException as error:
        process.kill()
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return 1


def main() -> int:
    """Run all, print what they said, return how the process should exit."""
    codes = {}
    with tempfile.TemporaryFile() as said:
        beside = start(BESIDE, said)
        try:
            for name in IN_TURN:
                print(f"--- {name}", flush=True)
                codes[name] = ended(start(name))
        finally:
            codes[BESIDE] = ended(beside)
            said.seek(0)
            print(f"--- {BESIDE}", said.read().decode("utf-8", "replace"), sep="\n", flush=True)
    broken = [name for name, code in codes.items() if code]
    print(f"broken: {', '.join(broken)}" if broken else f"nothing broke: {', '.join(codes)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
