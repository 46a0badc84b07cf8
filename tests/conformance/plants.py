"""What the canary plants: marked secrets and prompts in requests and answers, and the calls that carry them. Data only.

Not planted, since nobody can tell it from the real thing: a single word of a prompt as an error code, and a key that
was never sent as a request id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anyint_resilience import Policy
from anyint_resilience.emulator import Fault
from tests.conformance.canary import mark
from tests.conformance.scenario import Ask

__all__ = [
    "CARRIED",
    "CASES",
    "CHAT",
    "ECHO",
    "HOSTILE",
    "KEY",
    "LOST",
    "PROMPT",
    "QUERY",
    "SENTENCE",
    "SIGNED",
    "VIDEO",
    "Case",
    "Leaky",
    "refuses",
    "says",
]

KEY = mark("key")
PROMPT = f"{mark('prompt')} painted in oils"
SIGNED = f"https://files.example/{mark('path')}?X-Goog-Signature={mark('signature')}&sig={mark('sig')}"
HOOK = f"https://app.example/{mark('hook')}?token={mark('hooktoken')}"
SENTENCE = f"{PROMPT}, see {SIGNED}"
ECHO = f"{mark('echo')}: {SENTENCE} was refused for key {KEY}"
QUERY = (
    f"?key={mark('querykey')}&X-Goog-Signature={mark('querysig')}&token={mark('querytoken')}&callback={HOOK}"
    f"&{mark('bare')}&alt=sse;{mark('behind')}&after={PROMPT.replace(' ', '%20')}&alt=sse"
)
OWN = {"Authorization": f"Bearer {KEY}", "x-api-key": mark("xapikey"), "x-goog-api-key": mark("googkey")}
CARRIED = {
    "Cookie": f"session={mark('cookie')}",
    "X-Custom": mark("custom"),
    "Idempotency-Key": mark("idempotency"),
    "Referer": HOOK,
    "baggage": f"user={mark('baggage')}",
}
HOSTILE = [
    ("x-request-id", KEY),
    ("request-id", ECHO),
    ("x-dashscope-request-id", SIGNED),
    ("x-litellm-call-id", f"req-{KEY}"),
    ("x-goog-request-id", PROMPT),
    ("cf-ray", f"{KEY}-FRA"),
    ("retry-after", ECHO),
    ("retry-after-ms", KEY),
    ("x-litellm-attempted-retries", mark("attempts")),
    ("x-litellm-attempted-fallbacks", KEY),
    ("ratelimit", f'"{KEY}";r=0;t=0.01'),
    ("ratelimit-policy", f'"{KEY}";w=1'),
    ("x-ratelimit-reset-tokens", ECHO),
    ("x-should-retry", mark("should")),
    ("set-cookie", f"s={mark('setcookie')}"),
    ("server", mark("server")),
    ("link", f"<{SIGNED}>"),
]
TOOL = {"name": mark("tool"), "arguments": json.dumps({"city": mark("argument"), "model": mark("argumentmodel")})}
TALK = [
    {"role": "system", "content": f"{mark('system')} be kind"},
    {
        "role": "user",
        "content": [{"type": "text", "text": PROMPT}, {"type": "image_url", "image_url": {"url": SIGNED}}],
    },
    {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": TOOL}]},
    {"role": "tool", "tool_call_id": "1", "content": mark("toolresult")},
]

# --- requests

CHAT = Ask(path=f"/openai/v1/chat/completions{QUERY}", json={"messages": TALK, "model": "gpt-5"}, headers=CARRIED)
STREAM = CHAT.but(json={**CHAT.json, "stream": True, "user": mark("user")}, streamed=True)
MESSAGES = CHAT.but(path="/anthropic/v1/messages", json={"model": "claude-x", "max_tokens": 9, "messages": TALK})
GEMINI = CHAT.but(
    path=f"/gemini/v1beta/models/gemini-2.5-flash:generateContent{QUERY}",
    json={"contents": [{"parts": [{"text": PROMPT}]}]},
)
VIDEO = CHAT.but(path=f"/openai/v1/videos{QUERY}", json={"model": "kling-3.0", "prompt": PROMPT, "image": SIGNED})
SONG = CHAT.but(path="/suno/generate", json={"model": "V5", "prompt": PROMPT, "callBackUrl": HOOK, "title": PROMPT})
KLING = CHAT.but(
    path="/transtreams/kling/v1/videos/text2video",
    json={"model_name": "kling-v3", "prompt": PROMPT, "callback_url": HOOK, "external_task_id": mark("external")},
)
WAN = CHAT.but(
    path="/dashscope/v1/services/aigc/video-generation/video-synthesis",
    json={"model": "wan2.5-t2v-preview", "input": {"prompt": PROMPT, "img_url": SIGNED}},
)
LINE = json.dumps({"custom_id": mark("line"), "body": {"model": mark("linemodel"), "messages": TALK}}).encode()
UPLOAD = CHAT.but(
    path="/openai/v1/files",
    json=None,
    files={"file": (f"{mark('filename')}.jsonl", LINE)},
    data={"purpose": mark("purpose")},
)


def _reading(path: str) -> Ask:
    return CHAT.but(method="GET", path=path + QUERY, json=None)


VIDEO_QUERY = _reading("/openai/v1/videos/video_1")
RESPONSE_QUERY = _reading("/openai/v1/responses/resp_1")
BATCH_QUERY = _reading("/openai/v1/batches/batch_1")
WAN_QUERY = _reading("/dashscope/v1/tasks/task_1")
SONG_QUERY = _reading("/suno/generate/record-info")
DOWNLOAD = _reading("/openai/v1/files/f/content").but(redirects=True)

# --- answers


def says(status: int, body: Any, **more: Any) -> Fault:
    """Make an answer under headers that say back what they were sent."""
    return Fault(status=status, body=body, headers=HOSTILE, **more)


def refuses(status: int, family: str | None = None, code: Any = None, **more: Any) -> Fault:
    """Make a family's error whose message, and whose code if one is given, say back what they were sent."""
    return Fault.error(status, family=family, code=code, message=ECHO, headers=HOSTILE, **more)


def in_openai(**error: Any) -> dict[str, Any]:
    """Put an error into AnyInt's own envelope."""
    return {"error": {"message": ECHO, **error}}


def moved(status: int, url: str) -> Fault:
    """Make an answer that sends the client elsewhere."""
    return Fault(status=status, headers=[("location", url), *HOSTILE])


GOOD = {"id": mark("id"), "choices": [{"message": {"content": mark("answer"), "refusal": None}}], "url": SIGNED}
EVENTS = "".join(f"data: {json.dumps({'choices': [{'delta': {'content': mark('piece')}}]})}\n\n" for _ in range(400))
DONE = "data: [DONE]\n\n"
STOP = f"data: {json.dumps({'choices': [{'delta': {}, 'finish_reason': KEY}]})}\n\n"
FAILS = f"data: {json.dumps({'error': {'message': ECHO, 'type': 'server_error', 'code': KEY, 'param': ECHO}})}\n\n"
STREAMED = {"content-type": "text/event-stream"}
LOST = Fault(reset="before_headers", process=True)
RESET = Fault(reset="before_headers")


class Leaky:
    """A store, a listener, anything: it fails, and says secrets in whatever it says."""

    def __repr__(self) -> str:
        return f"Leaky({mark('repr')})"

    def __call__(self, *args: object) -> Any:
        raise RuntimeError(mark("raised"))

    update = scan = close = gone = __call__

    @property
    def owner(self) -> str:
        return str(self())


def _rotating(*keys: str) -> Callable[[], Callable[[], str]]:
    """Make sources that give one key after the other, and then fail and say a secret."""

    def make() -> Callable[[], str]:
        left = list(keys)

        def source() -> str:
            if not left:
                raise RuntimeError(f"the vault says no to {KEY}")
            return left.pop(0)

        return source

    return make


# --- calls


@dataclass(frozen=True, kw_only=True)
class Case:
    """Calls on one configuration, and how each ends, as its span says; a ``|`` between ends that differ by client.

    In a path ``{login}`` stands for the gateway's address with a login in it. ``anyint`` makes settings, anew for each
    client. ``chunks``: so many pieces of a stream are read.
    """

    asks: tuple[Ask, ...]
    faults: tuple[Fault, ...] = ()
    ends: tuple[str, ...]
    anyint: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    chunks: int | None = None


def _case(ask: Ask, *faults: Fault, end: str = "failed", times: int = 1, **more: Any) -> Case:
    return Case(**{"asks": (ask,) * times, "faults": faults, "ends": (end,) * times, **more})


def _query(ask: Ask, body: Any, end: str = "success") -> Case:
    return _case(ask, says(200, body), end=end)


_SECOND = mark("second")

CASES: dict[str, Case] = {
    # good answers
    "good": _case(CHAT, says(200, GOOD), end="success"),
    "good, the caller's own keys": _case(
        CHAT.but(headers={**CARRIED, **OWN}), *[says(200, GOOD)] * 3, end="success", times=3, anyint={"api_key": str}
    ),
    "good, a key in the wrong header": _case(
        MESSAGES.but(headers={**CARRIED, "x-goog-api-key": KEY}),
        says(200, GOOD),
        end="success",
        anyint={"api_key": str},
    ),
    "good, a login in the URL": _case(CHAT.but(path="{login}" + CHAT.path), says(200, GOOD), end="success"),
    "good, a refusal inside": _query(CHAT, {"choices": [{"message": {"refusal": ECHO}, "finish_reason": KEY}]}),
    "switched off": _case(CHAT, refuses(503), end="failed|success", anyint={"policy": lambda: Policy(enabled=False)}),
    # streams
    "stream": _case(STREAM, Fault(body=EVENTS + DONE, headers=STREAMED), end="success"),
    "stream that ends early": _case(STREAM, Fault(body=EVENTS, headers=STREAMED), end="interrupted"),
    "stream without its last event": _case(STREAM, Fault(body=EVENTS + STOP, headers=STREAMED), end="success"),
    "stream that fails": _case(STREAM, Fault(body=EVENTS + FAILS, headers=STREAMED), end="failed"),
    "stream that fails at first": _case(STREAM, *[Fault(body=FAILS, headers=STREAMED)] * 3),
    "stream cut": _case(STREAM, Fault(body=EVENTS, headers=STREAMED, truncate=3000), end="interrupted"),
    "stream reset": _case(STREAM, Fault(body=EVENTS, headers=STREAMED, reset="mid_body"), end="interrupted"),
    "stream abandoned": _case(
        STREAM, Fault(body=EVENTS * 20, headers=STREAMED), end="abandoned|success|interrupted", chunks=1
    ),
    "stream healed": _case(
        STREAM,
        refuses(503),
        Fault(body=FAILS, headers=STREAMED),
        Fault(body=EVENTS + DONE, headers=STREAMED),
        end="success",
    ),
    # refusals
    **{
        f"{status}, code {name}": _case(CHAT, *[refuses(status, code=code)] * 3)
        for status in (400, 401, 402, 403, 404, 429, 500, 503)
        for name, code in (("key", KEY), ("sentence", SENTENCE))
    },
    "400, type sentence": _case(CHAT, says(400, in_openai(type=SENTENCE))),
    "400, type key": _case(CHAT, says(400, in_openai(type=KEY, param=KEY, code=None))),
    "400, a prompt like an exception": _case(CHAT, says(400, {"error": f"you said {mark('X').title()}Exception"})),
    "400, a problem": _case(CHAT, says(400, {"type": f"https://x.example/{KEY}", "title": ECHO, "detail": ECHO})),
    "400, no JSON": _case(CHAT, says(400, ECHO)),
    "429, healed": _case(CHAT, refuses(429), end="success"),
    "anthropic 529": _case(MESSAGES, *[refuses(529, "anthropic", KEY)] * 3),
    "anthropic 400": _case(MESSAGES, refuses(400, "anthropic", SENTENCE, details={"error_code": KEY})),
    "gemini 429": _case(
        GEMINI, *[refuses(429, "gemini", details=[{"@type": ECHO, "reason": KEY, "quotaId": ECHO}])] * 3
    ),
    "gemini 400": _case(GEMINI, refuses(400, "gemini", KEY)),
    # keys
    "key rotated": _case(
        CHAT, refuses(401, code=KEY), says(200, GOOD), end="success", anyint={"api_key": _rotating(KEY, _SECOND)}
    ),
    "key rotated in vain": _case(CHAT, *[refuses(401, code=KEY)] * 2, anyint={"api_key": _rotating(KEY, _SECOND)}),
    "key source, failing when asked again": _case(CHAT, refuses(401), anyint={"api_key": _rotating(KEY)}),
    "key source, failing": _case(CHAT, end="error", anyint={"api_key": _rotating()}),
    "key source, no key": _case(CHAT, end="error", anyint={"api_key": _rotating(PROMPT)}),
    # lost
    "reset": _case(CHAT, *[RESET] * 3, end="error"),
    "query whose answer breaks": _case(SONG_QUERY, *[says(200, GOOD, reset="mid_body")] * 3, end="error"),
    "create lost and held back": _case(VIDEO, LOST, asks=(VIDEO, VIDEO), ends=("unknown", "held_back")),
    "create whose answer breaks": _case(VIDEO, says(200, {"id": "v", "x": ECHO}, truncate=9), end="unknown"),
    "create answered in garbage": _case(VIDEO, says(200, ECHO), end="unknown"),
    "upload lost and held back": _case(UPLOAD, LOST, asks=(UPLOAD, UPLOAD), ends=("unknown", "held_back")),
    "stores and listeners that fail": _case(
        VIDEO,
        LOST,
        asks=(VIDEO, VIDEO),
        ends=("unknown", "held_back"),
        anyint={"store": Leaky, "listeners": lambda: [Leaky()]},
    ),
    # codes under a good status
    "suno 430": _case(SONG, *[refuses(200, "suno", 430)] * 3),
    "suno, its own code": _case(
        SONG, says(200, {"code": 987, "msg": ECHO, "data": {"taskId": KEY}}), end="failed|task_failed"
    ),
    "kling 1302": _case(KLING, *[says(200, {"code": 1302, "message": ECHO, "request_id": KEY})] * 3),
    "kling 5000": _case(KLING, says(500, {"code": 5000, "message": ECHO, "request_id": SENTENCE}), end="unknown"),
    "dashscope, code key": _case(WAN, says(400, {"code": KEY, "message": ECHO, "request_id": SIGNED})),
    "dashscope, code sentence": _case(WAN, says(400, {"code": SENTENCE, "message": ECHO, "request_id": SIGNED})),
    # tasks
    "task made": _case(VIDEO, says(200, {"id": "video_1", "status": "queued", "prompt": PROMPT}), end="success"),
    "task made, its id a key": _case(VIDEO, says(200, {"id": KEY, "status": "queued"}), end="success"),
    "task, state sentence": _query(VIDEO_QUERY, {"id": "video_1", "status": SENTENCE}),
    "task, state key": _query(VIDEO_QUERY, {"id": "video_1", "status": KEY}),
    "task failed": _query(
        VIDEO_QUERY,
        {"id": "video_1", "status": "failed", "error": {"code": KEY, "message": ECHO}},
        "failed|task_failed",
    ),
    "task with a result": _query(VIDEO_QUERY, {"id": "video_1", "status": "completed", "url": SIGNED}),
    "suno task": _query(
        SONG_QUERY, {"code": 200, "data": {"taskId": "t", "status": KEY, "errorCode": SENTENCE, "errorMessage": ECHO}}
    ),
    "dashscope task failed": _query(
        WAN_QUERY,
        {"output": {"task_id": "t", "task_status": "FAILED", "code": KEY, "message": ECHO}},
        "failed|task_failed",
    ),
    "answer cut short, sentence": _query(
        RESPONSE_QUERY, {"id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": SENTENCE}}
    ),
    "answer cut short, key": _query(
        RESPONSE_QUERY, {"id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": KEY}}
    ),
    "batch, counts of words": _query(
        BATCH_QUERY,
        {"id": "batch_1", "status": "completed", "request_counts": {"failed": SENTENCE}, "output_file_id": "f"},
    ),
    # layers above, redirects, models
    "layer above that says so": _case(
        CHAT.but(headers={**CARRIED, "x-stainless-retry-count": "1"}), *[refuses(503)] * 2
    ),
    "layer above that says nothing": _case(CHAT, *[refuses(400)] * 3, times=3),
    "redirect to a signed URL": _case(
        DOWNLOAD,
        moved(302, f"/openai/v1/models?{SIGNED.partition('?')[2]}"),
        says(200, GOOD),
        ends=("success", "success"),
    ),
    "redirect not followed": _case(CHAT, moved(307, SIGNED), end="success"),
    "model like a prompt": _case(CHAT.but(json={"model": PROMPT, "messages": TALK}), refuses(404)),
    "model inside alone": _case(
        CHAT.but(json={"input": {"model": mark("inside")}, "messages": TALK[:2]}), refuses(404)
    ),
    "file as the body": _case(CHAT.but(json=None, content=LINE), refuses(400)),
}
"""By what happens."""
