"""The pytest plugin: fixtures, marks, and what calls did in the report of a failed test.

Must not import anything of the package, nor any client, before one of its fixtures is used: every run of pytest in this
environment loads this module, whichever pytest it is.
"""

from __future__ import annotations

from inspect import signature

import pytest

if hasattr(pytest, "StashKey") and "wrapper" in signature(type(pytest.hookimpl).__call__).parameters:
    from .fixtures import *  # noqa: F403 - pytest looks for them here
    from .hooks import *  # noqa: F403
    from .hooks import FaultsNotMet
else:
    from .outdated import *  # noqa: F403

__all__ = ["FaultsNotMet"]
