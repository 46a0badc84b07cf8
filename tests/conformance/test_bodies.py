"""Bodies, on every client: sent again whole or not at all, handed over as they came."""

from __future__ import annotations

import io
import json

import pytest

from anyint_resilience import Policy
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from tests.conformance.kit import ASK, CHAT, client, configured
from tests.conformance.surfaces import Surface, every_surface

FILES = "/openai/v1/files"


@every_surface
def test_a_form_with_a_file_that_rewinds_is_sent_again_whole(surface: Surface, emu: Emulator) -> None:
    """A multipart body whose parts can be read again is the same both times."""
    emu.script(Fault(status=503))
    with client(surface, emu) as caller:
        answer = caller.request(
            "POST", FILES, files={"file": ("a.txt", io.BytesIO(b"x" * 5000))}, data={"purpose": "batch"}
        )
    assert answer.status == 200
    first, second = emu.seen
    assert first.body == second.body
    assert len(first.body) > 5000
    assert b"purpose" in first.body


@every_surface
def test_a_good_answer_that_breaks_beyond_what_was_looked_at_is_an_error(surface: Surface, emu: Emulator) -> None:
    """It is never handed over as if it were whole."""
    emu.script(Fault(status=200, body=json.dumps({"id": "file_1", "blob": "x" * 200_000}), truncate=150_000))
    with client(surface, emu, pool=1) as caller:
        error = caller.error("POST", FILES, files={"file": ("a", b"x")})
        assert caller.in_use() == 0
    assert isinstance(error, surface.body_error)


@every_surface
@pytest.mark.parametrize("length", [10, 80_000], ids=["within what is looked at", "beyond it"])
def test_an_error_whose_body_breaks_is_handed_over_with_what_came(surface: Surface, length: int, emu: Emulator) -> None:
    """The status says more than the break."""
    emu.script(Fault(status=400, body="x" * 100_000, truncate=length))
    with client(surface, emu) as caller:
        answer = caller.request("POST", CHAT, json=ASK)
        assert answer.status == 400
        assert answer.content == b"x" * length
        assert caller.request("POST", CHAT, json=ASK).status == 200


@every_surface
@pytest.mark.parametrize(
    ("read", "deadline"), [(0.4, None), (9, 0.4)], ids=["until the time-out", "until the deadline"]
)
def test_an_error_whose_body_stalls_is_handed_over_with_what_came(
    surface: Surface, read: float, deadline: float | None, emu: Emulator
) -> None:
    """So is one that never comes to its end."""
    emu.script(Fault(status=400, body="x" * 100, stall="mid_body"))
    anyint = configured(emu, policy=Policy(deadline=deadline), runtime=Runtime())
    with client(surface, emu, anyint, timeout=(9, read), pool=1) as caller:
        answer = caller.request("POST", CHAT, json=ASK)
        assert (answer.status, answer.content) == (400, b"x" * 50)
        assert caller.in_use() == 0


@every_surface
@pytest.mark.parametrize("size", [None, 7, 70_000])
def test_an_answer_that_was_looked_at_can_be_read_in_any_way(surface: Surface, size: int | None, emu: Emulator) -> None:
    """Read as it comes, it is whole, and ends."""
    emu.script(Fault(status=400, body="x" * 100_000))
    with client(surface, emu) as caller:
        answer, body, broken = caller.stream("POST", CHAT, json=ASK, size=size)
    assert (answer.status, body, broken) == (400, b"x" * 100_000, None)


@every_surface
@pytest.mark.parametrize(
    "path", ["/openai/v1/responses", "/dashscope/v1/services/aigc/multimodal-generation/generation"]
)
def test_an_event_stream_is_not_held_up_nor_taken_for_lost(surface: Surface, path: str, emu: Emulator) -> None:
    """A good answer that streams is handed over unread, also on routes whose plain answers are looked at."""
    events = b'data: {"type":"response.created"}\n\n' * 2
    emu.script(Fault(status=200, headers={"content-type": "text/event-stream"}, body=events, stall="mid_body"))
    anyint = configured(emu)
    body = {"model": "m", "input": "x", "background": True, "stream": True}
    with client(surface, emu, anyint, timeout=1.5) as caller:
        answer, read, broken = caller.stream("POST", path, json=body, chunks=0)
    assert (answer.status, read, broken) == (200, b"", None)
    assert "x-should-retry" not in answer.headers
    assert anyint.ledger.unknown() == ()


@every_surface
def test_a_deadline_holds_no_event_up(surface: Surface, emu: Emulator) -> None:
    """Each is handed over as it comes, so that those before a break all are; then the client's own error."""
    emu.script(Fault(cut_stream_after=3))
    with client(surface, emu, configured(emu, policy=Policy(deadline=60))) as caller:
        _, body, broken = caller.stream("POST", CHAT, json={**ASK, "stream": True})
    assert body.count(b"data: ") == 3
    assert body.endswith(b"\n\n")
    assert isinstance(broken, surface.body_error)
    assert len(emu.seen) == 1
