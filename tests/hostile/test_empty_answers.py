"""Good answers that are empty and end with their connection, on every client. Must not know how a head is read.

http.client can't tell one of HTTP/1.1 with neither length nor ``Connection: close`` from a head that broke off: that is
a broken one, as in test_chaos_found.py. With either it is what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from anyint_resilience import Policy, Resilience, report
from tests.alone import ALONE
from tests.conformance.kit import ASK, CHAT, FILM, MODELS, VIDEOS
from tests.conformance.surfaces import Caller, Surface, Waits, calling, every_surface, surfaces
from tests.hostile.bounds_kit import Pouring

of_requests = surfaces(lambda surface: surface.library == "requests")
foreign = pytest.mark.filterwarnings("ignore:a request to")
BARE = b"HTTP/1.1 200 OK\r\nx-request-id: r1\r\n\r\n"
EMPTY = {
    "HTTP/1.0": BARE.replace(b"1.1", b"1.0"),
    "Connection: close": BARE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    "among others": BARE.replace(b"\r\n\r\n", b"\r\nconnection: x-hop, Close\r\n\r\n"),
    "after an early one": b"HTTP/1.1 103 Early\r\n\r\n" + BARE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
}


@contextmanager
def answering(surface: Surface, sent: bytes) -> Iterator[tuple[Pouring, Caller]]:
    """Open a client of a gateway that answers each request with these bytes, and closes."""
    with Pouring(lambda head: [sent]) as server:
        anyint = Resilience(
            api_key="ak-1",
            base_url=server.url,
            guards=ALONE,
            policy=Policy(attempts=3),
            runtime=Waits().runtime(),
        )
        with calling(surface, anyint, base_url=server.url) as caller:
            yield server, caller


@every_surface
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("sent", EMPTY.values(), ids=EMPTY)
def test_an_empty_answer_that_ends_with_its_connection_was_taken_for_a_lost_one(
    surface: Surface, method: str, sent: bytes
) -> None:
    """A question was asked three times, and a chat that was answered was asked again."""
    with answering(surface, sent) as (server, caller):
        for _ in range(2):  # the second time by the fast lane
            path = CHAT if method == "POST" else f"{MODELS}/m"
            answer = caller.request(method, path, **({"json": ASK} if method == "POST" else {}))
            assert (answer.status, answer.content) == (200, b"")
            del answer  # its pool, and with it the connection, lives as long as it does
    assert len(server.asked) == 2


@every_surface
@pytest.mark.parametrize("sent", EMPTY.values(), ids=EMPTY)
def test_an_empty_answer_to_a_paid_create_was_an_unknown_outcome(surface: Surface, sent: bytes) -> None:
    """It was answered: the answer is the caller's."""
    with answering(surface, sent) as (server, caller):
        assert caller.request("POST", VIDEOS, json=FILM).status == 200
    assert len(server.asked) == 1


@every_surface
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [204, 205, 200])
def test_an_answer_that_has_no_body_by_its_method_or_status_is_whole(
    surface: Surface, method: str, status: int
) -> None:
    """Whatever its head says of lengths."""
    sent = BARE.replace(b"200", b"%d" % status)
    if method == "GET" and status != 204:
        sent = sent.replace(b"\r\n\r\n", b"\r\ncontent-length: 0\r\n\r\n")
    with answering(surface, sent) as (server, caller):
        assert caller.request(method, MODELS).status == status
    assert len(server.asked) == 1


@of_requests
def test_what_can_be_either_is_a_lost_connection(surface: Surface) -> None:
    """Of HTTP/1.1, which keeps connections, without a length and empty: so it looks where a head broke off."""
    with answering(surface, BARE) as (server, caller):
        error = caller.error("GET", MODELS)
    assert isinstance(error, surface.module.ConnectionError)
    assert report(error) is not None
    assert len(server.asked) == 3


@of_requests
@foreign
@pytest.mark.parametrize("by", ["URL", "Host"])
def test_a_foreign_host_s_is_as_it_is_without_us(surface: Surface, by: str) -> None:
    """By its URL, or by a ``Host`` header at the gateway's address: what looks like a lost one is not ours to judge."""
    with Pouring(lambda head: [BARE]) as other, answering(surface, BARE) as (server, caller):
        if by == "URL":
            assert caller.request("GET", f"{other.url}{MODELS}").status == 200
        else:
            assert caller.request("GET", MODELS, headers={"Host": "evil.test"}).status == 200
    assert len(other.asked) + len(server.asked) == 1
