"""What chaos on the wire has found, one test for each defect, on every client.

Must not know the proxy of ``hostile.chaos``: each defect stands here by itself.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from anyint_resilience import DeadlineExceeded, OutcomeUnknown, Policy
from anyint_resilience.emulator import Emulator
from anyint_resilience.runtime import Runtime
from tests.conformance.kit import FILM, VIDEOS, client, configured
from tests.conformance.surfaces import Surface, every_surface

KLING, SONG = "/transtreams/kling/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "a fox"}


@every_surface
@pytest.mark.parametrize("path, body", [(VIDEOS, FILM), (KLING, SONG)], ids=["openai", "kling"])
def test_an_answer_of_a_create_that_came_at_the_deadline_is_not_lost_and_the_task_not_made_anew(
    surface: Surface, emu: Emulator, path: str, body: dict[str, Any]
) -> None:
    """The deadline passes while the answer is read. Asked again, the application gets no second task."""

    def monotonic() -> float:
        return time.monotonic() + (3600.0 if emu.requests("POST", path) else 0.0)

    anyint = configured(emu, policy=Policy(deadline=60.0), runtime=Runtime(monotonic=monotonic))
    with client(surface, emu, anyint) as caller:
        try:
            answer = caller.request("POST", path, json=body)
        except (DeadlineExceeded, OutcomeUnknown):
            with pytest.raises((DeadlineExceeded, OutcomeUnknown)):
                caller.request("POST", path, json=body)
        else:
            assert emu.tasks[0].id in answer.text
    assert len(emu.tasks) == 1
