"""``python -m anyint_resilience.cli``. Must not know anything but ``main``."""

from __future__ import annotations

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
