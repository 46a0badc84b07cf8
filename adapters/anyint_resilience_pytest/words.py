"""The names of fixtures and marks, and what pytest says of the marks.

Must not know a version of pytest.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FAULTS", "FIXTURES", "MARKS", "OPTIONS"]

FIXTURES: Final = ("anyint_gateway", "anyint_clock", "anyint_no_sleep", "anyint")
FAULTS: Final = "anyint_faults"
OPTIONS: Final = "anyint_gateway"
MARKS: Final = (
    (
        f"{FAULTS}(*faults, match=None, strict=None): let the next requests meet these faults, each a Fault or a "
        "mapping of its fields; match: requests whose 'METHOD path', or '/path', starts with this; strict=True: the "
        "test fails if nobody met one, strict=False: that does not matter."
    ),
    (
        f"{OPTIONS}(**options): make this test's gateway with arguments of Emulator: keys, seed, chaos, query_limit, "
        "callbacks, callback_form."
    ),
)
