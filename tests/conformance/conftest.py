"""What the conformance tests share with pytest: failed assertions explained in helpers too."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"tests.conformance.{name}"
        for name in (
            "emitted",
            "expected",
            "expected_calls",
            "expected_guards",
            "expected_waits",
            "fallback_kit",
            "guards_kit",
            "playing",
            "telemetry",
        )
    )
)
