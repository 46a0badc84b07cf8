"""The three clients as an application has them, with the one line that makes them resilient.

Must not know scenarios, nor what should come of a call.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import anthropic
import httpx2
import openai

from anyint_resilience_httpx2 import ResilientTransport, wrap

from ... import Resilience, report
from ...callreport import CallReport

__all__ = ["CALLS", "KEY_HEADERS", "Answer", "Call", "Recorder", "Sent", "Setup"]

KEY_HEADERS: Final = ("authorization", "x-api-key")
_TIMEOUT: Final = 10.0
_MESSAGES: Final[Any] = [{"role": "user", "content": "Say hello."}]


class Answer(NamedTuple):
    """What the application got: how it ended, and the text of it."""

    outcome: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request of a client as it came to our transport, and the report of what we made of it."""

    began: float  # monotonic seconds
    key_in: str
    report: CallReport | None
    error: str  # the class of what was raised, or nothing


class Recorder(httpx2.BaseTransport):
    """Notes each request of a client and its report: an SDK may send a call more than once."""

    def __init__(self, inner: httpx2.BaseTransport, sent: list[Sent]) -> None:
        self._inner = inner
        self._sent = sent

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass the request on and note what came of it."""
        return _noted(self._sent, request.headers, lambda: self._inner.handle_request(request))

    def close(self) -> None:
        """Close what is below."""
        self._inner.close()


def _noted(sent: list[Sent], headers: Mapping[str, str], send: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Send, and note the report: ``report`` reads it off a response and off an exception alike."""
    began = time.monotonic()
    key_in = next((name for name in KEY_HEADERS if name in headers), "no header")
    try:
        response = send()
    except Exception as error:
        sent.append(Sent(began=began, key_in=key_in, report=report(error), error=type(error).__name__))
        raise
    sent.append(Sent(began=began, key_in=key_in, report=report(response), error=""))
    return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a call is made with."""

    anyint: Resilience
    url: str
    key: str
    model: str
    sent: list[Sent]

    def client(self) -> httpx2.Client:
        """Return a client whose transport is ours: for an SDK's ``http_client``."""
        ours = ResilientTransport(self.anyint, trust_env=False)  # plain http on this machine: no certificates
        return httpx2.Client(transport=Recorder(ours, self.sent), timeout=_TIMEOUT, trust_env=False)


def _openai(setup: Setup) -> openai.OpenAI:
    return openai.OpenAI(api_key=setup.key, base_url=f"{setup.url}/openai/v1", http_client=setup.client())


def _openai_chat(setup: Setup) -> Answer:
    with _openai(setup) as client:
        answer = client.chat.completions.create(model=setup.model, messages=_MESSAGES)
    return Answer("answer", answer.choices[0].message.content or "")


def _openai_stream(setup: Setup) -> Answer:
    with _openai(setup) as client:
        stream = client.chat.completions.create(model=setup.model, messages=_MESSAGES, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    return Answer("answer", "".join(pieces))


def _openai_video(setup: Setup) -> Answer:
    with _openai(setup) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # OpenAI ends its own video API; AnyInt's route is AnyInt's
        video = client.videos.create(model=setup.model, prompt="A cat walks by.")  # pyright: ignore[reportDeprecated]
    return Answer("answer", video.id)


def _anthropic_message(setup: Setup) -> Answer:
    base = f"{setup.url}/anthropic"
    with anthropic.Anthropic(api_key=setup.key, base_url=base, http_client=setup.client()) as client:
        answer = client.messages.create(model=setup.model, max_tokens=64, messages=_MESSAGES)
    return Answer("answer", "".join(block.text for block in answer.content if block.type == "text"))


def _httpx2(setup: Setup, path: str, body: dict[str, Any], headers: dict[str, str]) -> Answer:
    with wrap(httpx2.Client(base_url=setup.url, timeout=_TIMEOUT, trust_env=False), setup.anyint) as client:
        lowered = {name.lower(): value for name, value in headers.items()}
        response = _noted(setup.sent, lowered, lambda: client.post(path, json=body, headers=headers))
    document = response.json()
    text = document["choices"][0]["message"]["content"] if "choices" in document else response.text
    return Answer(f"HTTP {response.status_code}", text)


def _httpx2_chat(setup: Setup) -> Answer:
    body = {"model": setup.model, "messages": _MESSAGES}
    return _httpx2(setup, "/openai/v1/chat/completions", body, {"Authorization": f"Bearer {setup.key}"})


def _httpx2_wrong_header(setup: Setup) -> Answer:
    body = {"model": setup.model, "messages": _MESSAGES}
    return _httpx2(setup, "/openai/v1/chat/completions", body, {"x-api-key": setup.key})


def _httpx2_song(setup: Setup) -> Answer:
    body = {"model": setup.model, "prompt": "A song about rain.", "callBackUrl": "https://example.com/hook"}
    return _httpx2(setup, "/suno/generate", body, {"Authorization": f"Bearer {setup.key}"})


class Call(NamedTuple):
    """A call an application makes: with which client, how it is written, and the function that makes it."""

    client: str
    written: str
    make: Callable[[Setup], Answer]


CALLS: Final[dict[str, Call]] = {
    "openai chat": Call("openai SDK", "chat.completions.create", _openai_chat),
    "openai stream": Call("openai SDK", "chat.completions.create(stream=True)", _openai_stream),
    "openai video": Call("openai SDK", "videos.create", _openai_video),
    "anthropic message": Call("anthropic SDK", "messages.create", _anthropic_message),
    "httpx2 chat": Call("httpx2", "post /openai/v1/chat/completions", _httpx2_chat),
    "httpx2 chat with x-api-key": Call("httpx2", "post /openai/v1/chat/completions", _httpx2_wrong_header),
    "httpx2 song": Call("httpx2", "post /suno/generate", _httpx2_song),
}
"""Every call of the demonstration, by the name scenarios use."""
