"""What of a request changes on the way to its fallback: the model, the host and its key, and not a byte more.

Must not know how it is rewritten: only what reaches which gateway.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anyint_resilience import report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.fallback_kit import (
    BUSY,
    LOST,
    SPARE,
    falling,
    fell,
    model_of,
    models,
    row,
    stood,
)
from tests.conformance.guards_kit import called
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT, GEMINI, KLING, MESSAGES, STREAM, Ask
from tests.conformance.surfaces import Surface, every_surface

SECOND = "second-key"


@pytest.fixture(scope="module")
def second() -> Iterator[Emulator]:
    """A second gateway, which knows one key that is not the first one's."""
    with Emulator(keys=(SECOND,)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def other(second: Emulator) -> Emulator:
    """The second gateway, which has forgotten all tests before."""
    second.reset()
    return second


CHATTY = Ask(
    path=CHAT.path,
    content=b'{ "temperature":0.10,"messages" : [{"role":"user","content":"\xc3\xa9\\u00e9 model gpt-5"}],\n'
    b'"model":  "gpt-5" ,"metadata":{"model":"gpt-5"}, "big": 12345678901234567890 }',
    headers={"Content-Type": "application/json", "X-Mine": "kept", "User-Agent": "sdk/1.0"},
)


@every_surface
def test_nothing_but_the_model_changes(surface: Surface, emu: Emulator) -> None:
    """Not a byte of the body, not a header but its length."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, CHATTY), "transient")
    one, _, three = emu.seen
    assert one.body == CHATTY.content
    assert three.body == CHATTY.content.replace(b'"model":  "gpt-5" ,', f'"model":  "{SPARE}" ,'.encode())
    assert int(three.headers["content-length"]) == len(three.body)
    assert (three.method, three.path, three.query) == (one.method, one.path, one.query)
    names = (set(one.headers) | set(three.headers)) - {"content-length"}
    assert [name for name in sorted(names) if one.headers.get(name) != three.headers.get(name)] == []


@every_surface
def test_geminis_model_stands_in_the_url(surface: Surface, emu: Emulator) -> None:
    """Its body goes as it is."""
    ask = GEMINI.but(path=GEMINI.path + "?alt=json")
    with client(surface, emu, falling(emu, row(GEMINI)), pool=1) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, ask), "transient", origin="gemini-2.5-flash")
    one, _, three = emu.seen
    assert three.path == one.path.replace("gemini-2.5-flash", SPARE)
    assert (three.body, three.query) == (one.body, "alt=json")


@every_surface
def test_klings_model_has_another_name(surface: Surface, emu: Emulator) -> None:
    """``model_name``; a paid create that was refused falls back as any other call does."""
    with client(surface, emu, falling(emu, row(KLING)), pool=1) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, KLING), "transient", origin="kling-v3")
    assert [it.json() for it in emu.seen] == [KLING.json, KLING.json, {**KLING.json, "model_name": SPARE}]


AUTH: dict[str, tuple[Ask, str, str]] = {
    "openai": (CHAT, "authorization", f"Bearer {SECOND}"),
    "anthropic": (MESSAGES, "x-api-key", SECOND),
    "gemini": (GEMINI, "authorization", f"Bearer {SECOND}"),
}


@every_surface
@pytest.mark.parametrize(("ask", "header", "value"), AUTH.values(), ids=AUTH)
@pytest.mark.parametrize("to", [None, SPARE], ids=["same model", "another model"])
def test_another_host_has_its_own_key(
    surface: Surface, ask: Ask, header: str, value: str, to: str | None, emu: Emulator, other: Emulator
) -> None:
    """In the family's own header, with the right ``Host``; the first gateway's key never goes there."""
    rows = [row(ask, to=to, base_url=other.url, api_key=SECOND)]
    host = other.url.removeprefix("http://")
    anyint = falling(emu, *rows, hosts=[other.url])
    with client(surface, emu, anyint, pool=1, headers={"Authorization": f"Bearer {KEY}"}) as caller:
        emu.script(BUSY, BUSY)
        end = called(caller, ask)
        fell(end, "transient", origin=model_of(ask), target=f"{to or model_of(ask)}@{host}")
    assert [it.answered for it in emu.seen] == [503, 503]
    (seen,) = other.seen
    assert (seen.headers[header], seen.headers["host"]) == (value, host)
    assert [name for name, held in seen.raw_headers if KEY.encode() in held] == []
    assert seen.body == emu.seen[0].body or to is not None
    assert SECOND not in repr([it.raw_headers for it in emu.seen])
    assert SECOND not in f"{end.headers}{report(end)}{anyint!r}"


@every_surface
def test_what_stands_before_the_path_stays_with_its_host(surface: Surface, emu: Emulator, other: Emulator) -> None:
    """A mount of the first host is none of the second's."""
    rows = [row(base_url=other.url, api_key=SECOND)]
    anyint = falling(emu, *rows, base_url=f"{emu.url}/relay", hosts=[other.url])
    with client(surface, emu, anyint, pool=1) as caller:
        mounted = CHAT.but(path="/relay" + CHAT.path)
        emu.script(BUSY, BUSY)
        fell(called(caller, mounted), "transient", target=f"{SPARE}@{other.url.removeprefix('http://')}")
    assert [it.path for it in emu.seen] == ["/relay" + CHAT.path] * 2
    assert [it.path for it in other.seen] == [CHAT.path]


@every_surface
def test_streams_fall_back_before_they_begin(surface: Surface, emu: Emulator) -> None:
    """The fallback's stream, whole."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(BUSY, LOST)
        answer, body, broken = caller.stream("POST", STREAM.path, json=STREAM.json)
        assert broken is None
        assert body.endswith(b"data: [DONE]\n\n")
        fell(answer, "transient")
        assert caller.in_use() == 0


@every_surface
def test_a_stream_that_has_begun_is_never_replaced(surface: Surface, emu: Emulator) -> None:
    """What came of it was the primary's: it breaks off, and no other model goes on with it."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(Fault(cut_stream_after=3))
        _, body, broken = caller.stream("POST", STREAM.path, json=STREAM.json)
        assert isinstance(broken, surface.body_error)
        assert body != b""
        assert models(emu.seen) == ["gpt-5"]


@every_surface
def test_a_body_that_can_be_read_once_stays_with_the_primary(surface: Surface, emu: Emulator) -> None:
    """There is nothing to send a second time."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(BUSY)
        content = CHATTY.content
        end = called(caller, CHAT.but(json=None, content=iter([content]), headers=CHATTY.headers))
        stood(end, 503)
        assert [it.body for it in emu.seen] == [content]
