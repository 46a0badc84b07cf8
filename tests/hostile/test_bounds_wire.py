"""What a server pours over a client is read as far as it takes, and no further: on every client, over a socket.

Must not measure time: what is counted is what the server got rid of, and the memory at its worst.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anyint_resilience import Guards, Policy, QueryRefused, Resilience, StreamInterrupted, TaskHandle, report
from anyint_resilience.contract.words import Cause, Family
from anyint_resilience.judging import PEEK_BYTES
from anyint_resilience.tasks.updates import MAX_DOCUMENT
from tests.conformance.kit import ASK, CHAT, KEY, MODELS
from tests.conformance.surfaces import Caller, Surface, Waits, calling, every_surface
from tests.hostile.bounds_kit import KIB, MIB, Pouring, bomb, chunked, costing, endless, head

BUFFERS = 6 * MIB
"""What the kernel takes of a connection before anybody reads, on loopback, at most."""
QUOTA = b'{"error":{"code":"insufficient_quota","message":"'
JSON = ("content-type", "application/json")


@contextlib.contextmanager
def opened(surface: Surface, answer: Callable[[bytes], Any], **options: Any) -> Iterator[tuple[Pouring, Caller]]:
    """Open a client of ours on a server that pours."""
    attempts = options.pop("attempts", 1)
    with Pouring(answer) as server:
        anyint = Resilience(
            api_key=KEY,
            base_url=server.url,
            runtime=Waits().runtime(),
            guards=Guards.off(),
            policy=Policy(attempts=attempts, stream_hold=5),
        )
        with calling(surface, anyint, base_url=server.url, **options) as caller:
            yield server, caller


def told(answer: Any) -> Any:
    found = report(answer.response)
    assert found is not None
    assert found.decision is not None
    return found.decision


# --- the body of an error


@every_surface
def test_an_endless_error_body_is_read_as_far_as_it_takes(surface: Surface) -> None:
    """Of three attempts no more is read than is looked at, and what the kernel has taken by then."""
    with opened(surface, lambda asked: poured(503, b'{"error":{"code":"x","message":"'), attempts=3) as (
        server,
        caller,
    ):
        with costing() as cost:
            answer, _, broken = caller.stream("GET", MODELS, chunks=0)
    assert (answer.status, broken, len(server.asked)) == (503, None, 3)
    assert all(it <= PEEK_BYTES + BUFFERS for it in server.poured)
    assert cost.peak < 4 * MIB


def poured(status: int, start: bytes, *headers: tuple[str, str]) -> Iterator[bytes]:
    yield head(status, JSON, *headers) + start
    yield from endless(b"x" * 16 * KIB)


@every_surface
@pytest.mark.parametrize(("beyond", "cause"), [(0, Cause.QUOTA), (256 * KIB, Cause.RATE)], ids=["at", "beyond"])
def test_a_code_is_read_up_to_the_bound_and_the_caller_gets_all(surface: Surface, beyond: int, cause: Cause) -> None:
    """One that stands within the first 64 KiB counts; behind them the status decides."""
    code = b'"error":{"code":"insufficient_quota"}'
    fill = PEEK_BYTES - len(b'{"a":"",') - len(code) - 1 + beyond
    body = b'{"a":"' + b"y" * fill + b'",' + code + b"}"
    assert len(body) == PEEK_BYTES + beyond
    with opened(surface, lambda asked: [head(429, JSON, length=len(body)), body]) as (_, caller):
        answer = caller.request("GET", MODELS)
    assert (answer.content == body, told(answer).cause) == (True, cause)


@every_surface
def test_a_bomb_as_an_error_is_read_for_its_beginning(surface: Surface) -> None:
    """Compressed once or twice, with garbage behind it, or cut: what it says first is understood."""
    if surface.library == "aiohttp" and tuple(map(int, surface.module.__version__.split(".")[:2])) < (3, 14):
        pytest.skip("aiohttp before 3.14 opens a piece whole before anybody sees it")
    bodies = [(1, b""), (2, b""), (1, b"trailing \x1f\x8b garbage"), (1, None)]
    made = {
        f"/openai/v1/models/m{at}": (
            times,
            bomb(QUOTA, 16 * MIB, times=times)[: -40 if tail is None else None] + (tail or b""),
        )
        for at, (times, tail) in enumerate(bodies)
    }

    def answer(asked: bytes) -> list[bytes]:
        times, body = made[asked.split()[1].decode()]
        return [head(429, JSON, ("content-encoding", ", ".join(["gzip"] * times)), length=len(body)), body]

    with opened(surface, answer) as (server, caller), costing() as cost:
        for path, (times, _) in made.items():
            with contextlib.suppress(*errors_of(surface.error)):  # a client that decodes by itself may not like it
                found, _, _ = caller.stream("GET", path, chunks=0)
                assert times == 2 or told(found).cause is Cause.QUOTA
    assert len(server.asked) == len(made)
    assert cost.peak < 8 * MIB


# --- headers and trailers


@every_surface
@pytest.mark.parametrize("many", [80, 20_000])
def test_headers_by_the_ten_thousand(surface: Surface, many: int) -> None:
    """As many as every client takes are read; of more there is the client's own error, or an answer."""
    rows = [(f"x-filler-{it}", "1") for it in range(many)]
    pieces = [head(429, *rows, ("retry-after", "7"), length=0)]
    with opened(surface, lambda asked: pieces) as (server, caller):
        with costing() as cost:
            answer, error = tried(caller)
    assert len(server.asked) == 1
    assert cost.peak < 64 * MIB
    if many == 80:
        assert answer is not None
        assert told(answer).delay is None or told(answer).delay >= 7
        assert answer.headers["retry-after"] == "7"
    else:
        assert error is not None or answer is not None
        assert error is None or report(error) is not None


@every_surface
def test_trailers_by_the_hundred_thousand(surface: Surface) -> None:
    """Behind a chunked body: an answer, or the client's own error; and nothing of them is kept."""
    rows = [b"x-trailer-%d: 1" % it for it in range(100_000)]
    made = list(chunked([b'{"data":[]}'], *rows))
    pieces = [head(503, JSON, ("transfer-encoding", "chunked")), *made]
    with opened(surface, lambda asked: pieces) as (server, caller):
        with costing() as cost:
            answer, error = tried(caller)
    assert report(error if answer is None else answer.response) is not None
    assert answer is None or (answer.status, answer.content) == (503, b'{"data":[]}')
    assert len(server.asked) == 1
    assert cost.peak < 64 * MIB


def tried(caller: Caller) -> tuple[Any, Exception | None]:
    """Ask, and return the answer or the client's own error."""
    try:
        return caller.request("GET", MODELS), None
    except (*errors_of(caller.surface.error), *errors_of(caller.surface.body_error)) as error:
        return None, error


def errors_of(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


# --- streams


@every_surface
def test_a_line_that_never_ends(surface: Surface) -> None:
    """The caller gets each byte of it as it comes; what is held to follow it is bounded."""
    size = 2 * MIB
    pieces = [head(200, ("content-type", "text/event-stream")), b"data: ", *[b"x" * 64 * KIB] * (size // (64 * KIB))]
    with opened(surface, lambda asked: pieces) as (_, caller):
        answer, got, broken = caller.stream("POST", CHAT, json={**ASK, "stream": True})
    assert (answer.status, len(got)) == (200, size + 6)
    assert isinstance(broken, StreamInterrupted)


# --- a task's document


DONE = b'{"id":"video_1","object":"video","status":"completed"}'


@every_surface
def test_a_tasks_document_is_read_to_its_bound(surface: Surface, monkeypatch: Any) -> None:
    """Plain, or opened: one byte less than the bound is the answer, at it there is none, and the wait says so."""
    most = MIB // 4
    monkeypatch.setattr("anyint_resilience.waits.MAX_DOCUMENT", most)
    assert MAX_DOCUMENT == 16 * MIB
    bodies: list[tuple[str, bytes]] = []
    with opened(surface, lambda asked: answered(*bodies[-1])) as (server, caller):
        wait = surface.adapter.wait_for_task
        for coding in ("", "gzip", "gzip, gzip"):
            for over in (-1, 0):
                size, times = most + over - len(DONE), coding.count("gzip")
                bodies.append((coding, bomb(DONE, size, times=times) if times else DONE + b" " * size))
                if over < 0:
                    update = caller.call(wait, caller.client, handle_at(server), deadline=30.0)
                    assert (update.phase, update.document["id"]) == ("success", "video_1")
                else:
                    with pytest.raises(QueryRefused, match="too long"):
                        caller.call(wait, caller.client, handle_at(server), deadline=30.0)
    assert len(server.asked) == len(bodies)


def answered(coding: str, body: bytes) -> list[bytes]:
    return [head(200, JSON, *([("content-encoding", coding)] if coding else []), length=len(body)), body]


@every_surface
def test_a_bomb_as_a_tasks_document_is_not_opened_whole(surface: Surface, monkeypatch: Any) -> None:
    """Sixteen times what is read of any: the memory at its worst is a few times the bound, and nowhere near that."""
    monkeypatch.setattr("anyint_resilience.waits.MAX_DOCUMENT", MIB)
    body = bomb(DONE, 16 * MIB, times=2)
    with opened(surface, lambda asked: answered("gzip, gzip", body)) as (server, caller):
        with costing() as cost, pytest.raises(QueryRefused, match="too long"):
            caller.call(surface.adapter.wait_for_task, caller.client, handle_at(server), deadline=30.0)
    assert len(server.asked) == 1
    assert cost.peak < 10 * MIB


def handle_at(server: Pouring) -> TaskHandle:
    return TaskHandle(
        task_id="video_1", family=Family.OPENAI, route="POST /openai/v1/videos", gateway=server.url, created_at=0.0
    )


# --- redirects


@every_surface
def test_redirects_without_end_end_with_the_client_s_own_bound(surface: Surface) -> None:
    """Ours are none: as many requests as without us, and the client's own exception."""
    seen = []
    for anyint in (True, False):
        with Pouring(lambda asked: [head(307, ("location", MODELS), length=0)]) as server:
            ours = Resilience(api_key=KEY, base_url=server.url, runtime=Waits().runtime(), guards=Guards.off())
            with calling(surface, ours if anyint else None, base_url=server.url, follow_redirects=True) as caller:
                with pytest.raises(surface.error) as raised:
                    caller.request("GET", MODELS)
            seen.append((len(server.asked), type(raised.value).__name__))
    assert seen[0] == seen[1]
    assert 5 < seen[0][0] <= 40
