"""Line breaks and other control characters in what becomes a header, on every client and on the wire.

Either nothing is sent and whoever gave it is told, without the secret; or it arrives as one value of one header.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Fallback, Resilience, ResilienceError
from tests.conformance.surfaces import Caller, Surface, every_surface
from tests.hostile.keys_kit import CHAT, KEY, configured, opened, spilled
from tests.hostile.keys_servers import Listener
from tests.waiting import until

MODELS = "/openai/v1/models"
ASK = {"model": "gpt-5", "messages": []}
SMUGGLED = "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil.test\r\nX-Injected: 1\r\n\r\n"
BREAKS = {
    "CRLF": "\r\nX-Injected: 1",
    "LF": "\nX-Injected: 1",
    "CR": "\rX-Injected: 1",
    "folded": "\r\n X-Injected: 1",
    "folded by LF": "\n\tX-Injected: 1",
    "a request": SMUGGLED,
    "NUL": "\0X-Injected: 1",
    "VT": "\x0bX-Injected: 1",
    "FF": "\x0cX-Injected: 1",
    "ESC": "\x1b[31m",
    "DEL": "\x7f",
    "NEL": "\x85X-Injected: 1",
    "LS": "\u2028X-Injected: 1",
    "wide": "\u010d\u010aX-Injected: 1",  # whose low bytes are CR and LF
    "surrogates": "\ud80d\udc0a",
    "percent-encoded": "%0d%0aX-Injected:%201",
}
OWN = ("Authorization", "x-api-key", "x-goog-api-key")
OTHERS = ("Idempotency-Key", "User-Agent", "OpenAI-Organization", "X-DashScope-Async", "anthropic-version", "Host")


@pytest.fixture(scope="module")
def listening() -> Iterator[Listener]:
    """A gateway of this machine that writes down every byte."""
    made = Listener("gateway")
    yield made
    made.close()


@pytest.fixture
def gateway(listening: Listener) -> Listener:
    """The gateway, which has forgotten all tests before."""
    listening.reset()
    return listening


def injected(gateway: Listener, most: int = 1) -> list[str]:
    """Return what came beyond the requests that were meant, and forget all."""
    until(gateway.quiet)
    heard, seen = gateway.heard, gateway.seen
    wrong = [f"a header: {it.headers}" for it in seen if it.all("x-injected")]
    wrong += [f"{len(seen)} requests"] if len(seen) > most else []
    wrong += [f"another request: {it.target!r}" for it in seen if it.target.startswith(b"/smuggled")]
    wrong += ["a line"] if b"\nx-injected" in heard.lower() or b"\n/smuggled" in heard else []
    gateway.lines.clear()
    gateway.seen.clear()
    gateway.broken.clear()
    return wrong


@every_surface
def test_a_callers_header_is_one_header_or_none(surface: Surface, gateway: Listener, tmp_path: Path) -> None:
    """A value with a line break never makes a second header or a second request, whichever way it takes through us."""
    wrong, refused = [], 0
    for path, method in ((MODELS, "GET"), (CHAT, "POST"), ("/openai/v1/videos", "POST")):
        for name in OTHERS:
            with opened(surface, configured(base_url=gateway.url), tmp_path, timeout=5.0) as caller:
                for kind, text in BREAKS.items():
                    body = {"json": {**ASK, "n": kind}} if method == "POST" else {}
                    try:
                        caller.request(method, f"{gateway.url}{path}", headers={name: f"a{text}"}, **body)
                    except Exception as error:  # each client has its own
                        refused += 1
                        if KEY in f"{error!r}{error}":
                            wrong.append(f"{name} {kind}: {error!r}")
                    wrong += [f"{method} {name} {kind}: {it}" for it in injected(gateway)]
    assert wrong == []
    assert refused > 50


@every_surface
def test_a_callers_key_with_a_line_break_is_refused_and_not_shown(
    surface: Surface, gateway: Listener, tmp_path: Path
) -> None:
    """Before a byte is sent, in the header it came in and in the one it would be moved to."""
    wrong = []
    for name in OWN:
        for path in (MODELS, "/anthropic/v1/models"):
            with opened(surface, configured(api_key=None, base_url=gateway.url), tmp_path, timeout=5.0) as caller:
                for kind, text in BREAKS.items():
                    value = f"Bearer {KEY}{text}end" if name == "Authorization" else f"{KEY}{text}end"
                    try:
                        caller.request("GET", f"{gateway.url}{path}", headers={name: value})
                    except ResilienceError as error:
                        if KEY in f"{error!r}{error}{error.__cause__!r}{error.__context__!r}":
                            wrong.append(f"{name} {path} {kind}: {error!r}")
                        if gateway.lines:
                            wrong.append(f"{name} {path} {kind}: sent")
                    except Exception:  # the client's own, before it asked us
                        if surface.is_httpx and kind not in ("NEL", "LS", "wide", "surrogates"):
                            wrong.append(f"{name} {path} {kind}: not ours")
                    wrong += [f"{name} {path} {kind}: {it}" for it in injected(gateway)]
    assert wrong == []


def _refused(caller: Caller, gateway: Listener, headers: dict[str, str]) -> bool:
    """Whether the client itself refuses them; requests before 2.33 lets one line break at the end through."""
    try:
        caller.request("GET", f"{gateway.url}{MODELS}", headers=headers)
    except ValueError:
        return True
    return False


@every_surface
@pytest.mark.parametrize("name", OWN)
def test_a_key_with_the_line_break_of_its_file_is_sent_without(
    surface: Surface, gateway: Listener, tmp_path: Path, name: str
) -> None:
    """What nearly everybody means who reads a key from a file; requests alone refuses it before we see it."""
    value = f"Bearer {KEY}\n" if name == "Authorization" else f"{KEY}\r\n"
    with opened(surface, configured(api_key=None, base_url=gateway.url), tmp_path) as caller:
        if surface.library == "requests" and _refused(caller, gateway, {name: value}):
            return
        for path, header, sent in (
            (MODELS, "authorization", f"Bearer {KEY}"),
            ("/anthropic/v1/models", "x-api-key", KEY),
        ):
            for _ in range(2):
                assert caller.request("GET", f"{gateway.url}{path}", headers={name: value}).status == 200
                assert gateway.seen[-1].all(header) == [sent]


@every_surface
def test_a_key_source_cannot_inject(surface: Surface, gateway: Listener, tmp_path: Path) -> None:
    """What it returns is looked at each time."""
    given = [f"{KEY}{text}" for kind, text in BREAKS.items() if kind != "percent-encoded"]
    left = list(given)
    with opened(surface, configured(api_key=lambda: left.pop(), base_url=gateway.url), tmp_path) as caller:
        for _ in given:
            with pytest.raises(ResilienceError, match="key source") as refused:
                caller.request("POST", f"{gateway.url}{CHAT}", json=ASK)
            assert KEY not in f"{refused.value!r}{refused.value.__context__!r}"
    assert not left
    assert not gateway.lines


@every_surface
def test_a_percent_encoded_line_break_stays_encoded(surface: Surface, gateway: Listener, tmp_path: Path) -> None:
    """Nobody on the way decodes it: not in a key, not in a path, not in a query."""
    coded = "%0d%0aX-Injected:%201"
    with opened(surface, configured(base_url=gateway.url, api_key=f"{KEY}%0d%0aX:1"), tmp_path) as caller:
        caller.request("GET", f"{gateway.url}/openai/v1/videos/{coded}?after={coded}")
    (came,) = gateway.seen
    assert came.target.lower().startswith(b"/openai/v1/videos/%0d%0ax-injected:%201?after=%0d%0ax-injected:%201")
    assert came.all("authorization") == [f"Bearer {KEY}%0d%0aX:1"]
    assert injected(gateway) == []


ROW = {"workload": "w", "route": CHAT, "model": "m", "to": "n"}
CONFIGS: dict[str, Any] = {
    "api_key": lambda bad: Resilience(api_key=bad),
    "base_url": lambda bad: Resilience(base_url=f"https://gw.test/{bad}"),
    "hosts": lambda bad: Resilience(hosts=[f"https://gw.test{bad}"]),
    "store": lambda bad: Resilience(store=f"redis://:{bad}@127.0.0.1:1/0?{bad}"),
    "a fallback's key": lambda bad: Resilience(api_key="k", fallbacks=[Fallback(**{**ROW, "api_key": bad})]),
    "a fallback's model": lambda bad: Fallback(**{**ROW, "to": bad}),
    "a fallback's route": lambda bad: Fallback(**{**ROW, "route": bad}),
    "a fallback's base_url": lambda bad: Resilience(
        api_key="k", fallbacks=[Fallback(**{**ROW, "base_url": f"https://api.anyint.ai{bad}"})]
    ),
    "ANYINT_API_KEY": lambda bad: Resilience.from_env({"ANYINT_API_KEY": bad}),
    "ANYINT_BASE_URL": lambda bad: Resilience.from_env({"ANYINT_BASE_URL": f"https://gw.test{bad}"}),
}


@pytest.mark.parametrize("place", CONFIGS)
@pytest.mark.parametrize("kind", ["CRLF", "LF", "CR", "a request", "NUL", "ESC", "DEL", "LS"])
def test_a_setting_with_a_control_character_is_refused_and_not_quoted(place: str, kind: str) -> None:
    """When the configuration is made, with the name of the setting and without its value."""
    with pytest.raises(ValueError) as refused:
        CONFIGS[place](f"{KEY}{BREAKS[kind]}")
    told = f"{refused.value}"
    assert not spilled(told.encode("utf-8", "replace"))
    assert "X-Injected" not in told
    assert told.isprintable()


def test_a_file_cannot_say_a_host_in_two_lines(tmp_path: Path) -> None:
    """TOML has escapes for what a header must not hold."""
    file = tmp_path / "anyint-resilience.toml"
    for text in BREAKS.values():
        if text.isprintable() or not text.isascii():
            continue
        file.write_text(f"base_url = {json.dumps('https://gw.test' + text)}\n", "utf-8")
        with pytest.raises(ValueError, match="base_url") as refused:
            Resilience.from_toml(file, {})
        assert "X-Injected" not in str(refused.value)
