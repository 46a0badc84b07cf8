"""Where the attempts of a call go: its own way, and that of a fallback, with nothing of the request changed beside."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Fallback, Resilience
from anyint_resilience.credentials import Credentials
from anyint_resilience.effects import Target
from anyint_resilience.ways import Origin, Way, first_way, way_of

HOST = "gateway.api.anyint.ai"
OTHER = "other.example"
CHAT = "/openai/v1/chat/completions"
GEMINI = "/gemini/v1beta/models/a:generateContent"
BODY = b'{ "model" : "a", "messages":[] }'
OWN = "sk-own-of-the-fallback"
ANYINT = Resilience(api_key="sk-test", base_url=f"https://{HOST}", hosts=[f"https://{OTHER}:8443/mnt"])


def row(route: str = CHAT, **more: Any) -> Fallback:
    return Fallback(**{"workload": "w", "route": route, "model": "a", "to": "b", **more})


def origin(path: str = CHAT, body: bytes | None = BODY, host: str = HOST) -> Origin:
    return Origin("https", host, None, path.encode(), body)


def way(row: Fallback, at: Origin | None = None, headers: Any = (), keys: Credentials | None = None) -> Way | str:
    at = origin() if at is None else at
    plan = ANYINT.router.plan(at.scheme, at.host, at.port, "POST", at.target)
    assert plan is not None
    return way_of(row, plan, at, headers, keys)


def taken(*given: Any, **more: Any) -> Way:
    made = way(*given, **more)
    assert isinstance(made, Way), made
    return made


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        (CHAT, BODY, "a"),
        (CHAT, None, None),
        (CHAT, b"--form--", None),
        (GEMINI, None, "a"),
        (GEMINI, BODY.replace(b'"a"', b'"x"'), "a"),  # the path is what counts there
        ("/transtreams/kling/v1/videos/text2video", b'{"model_name": "kling-v2"}', "kling-v2"),
    ],
)
def test_the_way_of_a_request_itself(path: str, body: bytes | None, model: str | None) -> None:
    """Its gateway and its model; nothing is changed."""
    at = origin(path, body)
    plan = ANYINT.router.plan(at.scheme, at.host, at.port, "POST", at.target)
    assert plan is not None
    own = first_way(plan.route, at)
    assert (own.gateway, own.model, own.row, own.body, own.target, own.edit) == (HOST, model, None, None, None, None)
    assert own.name == ("the default model" if model is None else model)


def test_another_model_in_a_body() -> None:
    """The body changes in that one place; the request goes where it would have gone."""
    made = taken(row())
    assert made.body == BODY.replace(b'"a"', b'"b"')
    assert (made.target, made.edit, made.model, made.gateway, made.name) == (None, None, "b", HOST, "b")


@pytest.mark.parametrize("mount", ["", "/proxy"])
@pytest.mark.parametrize("query", ["", "?alt=sse&key=1"])
def test_another_model_in_a_path(mount: str, query: str) -> None:
    """The path changes in that one place; the body stays, whatever it says."""
    anyint = Resilience(api_key="sk-test", base_url=f"https://{HOST}{mount}")
    at = origin(mount + GEMINI + query)
    plan = anyint.router.plan(at.scheme, at.host, at.port, "POST", at.target)
    assert plan is not None
    made = way_of(row(GEMINI), plan, at, (), None)
    assert isinstance(made, Way)
    assert made.body == BODY
    assert made.target == Target("https", HOST, None, (mount + GEMINI.replace("/a:", "/b:") + query).encode(), "b")


@pytest.mark.parametrize(
    ("base_url", "url", "gateway"),
    [
        (f"https://{OTHER}:8443/mnt", f"https://{OTHER}:8443/mnt{CHAT}?x=1", f"{OTHER}:8443"),
        (f"https://{OTHER}:8443/mnt/", f"https://{OTHER}:8443/mnt{CHAT}?x=1", f"{OTHER}:8443"),
        (f"https://{OTHER}:8443/mnt/openai/v1", f"https://{OTHER}:8443/mnt{CHAT}?x=1", f"{OTHER}:8443"),
        (f"https://{HOST}", f"https://{HOST}{CHAT}?x=1", HOST),
    ],
)
@pytest.mark.parametrize("to", [None, "b"])
def test_another_host(base_url: str, url: str, gateway: str, to: str | None) -> None:
    """With the same path and query, below what stands before AnyInt's own path there."""
    made = taken(row(base_url=base_url, to=to), origin(f"{CHAT}?x=1"))
    assert made.target is not None
    assert made.target.url == url
    assert made.gateway == gateway
    assert made.body == (BODY if to is None else BODY.replace(b'"a"', b'"b"'))
    assert made.name == f"{to or 'a'}@{gateway}"


def test_another_host_and_another_model_in_the_path() -> None:
    """Both."""
    made = taken(row(GEMINI, base_url=f"https://{OTHER}:8443/mnt"), origin(GEMINI))
    assert made.target is not None
    assert made.target.url == f"https://{OTHER}:8443/mnt{GEMINI.replace('/a:', '/b:')}"


@pytest.mark.parametrize(
    ("route", "headers", "removed", "added"),
    [
        (CHAT, [(b"authorization", b"Bearer sk-test")], {b"authorization"}, (b"authorization", f"Bearer {OWN}")),
        (CHAT, [(b"X-API-Key", b"sk-test")], {b"x-api-key"}, (b"authorization", f"Bearer {OWN}")),
        (CHAT, [], set(), (b"authorization", f"Bearer {OWN}")),
        ("/anthropic/v1/messages", [(b"x-api-key", b"sk-test")], {b"x-api-key"}, (b"x-api-key", OWN)),
        ("/anthropic/v1/messages", [(b"Authorization", b"Bearer x")], {b"authorization"}, (b"x-api-key", OWN)),
        (GEMINI, [(b"x-goog-api-key", b"sk-test")], {b"x-goog-api-key"}, (b"authorization", f"Bearer {OWN}")),
    ],
)
def test_the_fallbacks_own_key_goes_there_and_the_primarys_does_not(
    route: str, headers: Any, removed: set[bytes], added: tuple[bytes, str]
) -> None:
    """In the family's header style; no other header changes."""
    kept = (b"x-request-tag", b"7")
    made = taken(row(route, api_key=OWN), origin(route), [*headers, kept], Credentials(OWN))
    assert made.edit is not None
    gone = {name.lower() for name in made.edit.remove}
    assert removed <= gone
    assert kept[0] not in gone
    adds = {name.lower(): value for name, value in made.edit.add}
    assert adds[added[0]] == added[1].encode()
    assert not any(b"sk-test" in value for value in adds.values())


def test_without_a_key_of_its_own_the_call_keeps_its_own() -> None:
    """No edit of the fallback's."""
    assert taken(row(), headers=[(b"authorization", b"Bearer sk-test")]).edit is None


@pytest.mark.parametrize(
    ("given", "at", "why"),
    [
        (row(features=["tools", "seed"]), origin(body=b'{"model":"a","seed":1}'), "the request has seed, which only"),
        (row(), origin(body=None), "its body is no JSON that can be rewritten"),
        (row(), origin(body=b'{"messages":[]}'), "its body is no JSON that can be rewritten"),
        (row(), origin(body=b"\x1f\x8b..."), "its body is no JSON that can be rewritten"),
        (row(GEMINI), origin(GEMINI, body=None), "its body can be sent only once"),
    ],
)
def test_a_request_that_can_not_take_it(given: Fallback, at: Origin, why: str) -> None:
    """It says why, and what was asked for stays."""
    assert str(way(given, at)).startswith(why)
