"""Ids, models and URLs that a hostile answer or a careless caller puts into a path, on every client and on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from anyint_resilience import Fallback, TaskHandle, report
from anyint_resilience.exceptions import QueryRefused, TaskTimeout
from anyint_resilience.tasks.handle import CREATES
from tests.conformance.surfaces import Surface, every_surface
from tests.hostile.keys_kit import GATEWAY, KEY, Net, configured, opened
from tests.hostile.keys_servers import Answer, Seen

IDS = [
    "../../v1/files",
    "../../../evil",
    "..%2f..%2ffiles",
    "%2e%2e/%2e%2e/files",
    "x/../../files",
    "x?key=1&api_key=2",
    "x#fragment",
    "//evil.test/x",
    "https://evil.test/x",
    "@evil.test/x",
    ":443@evil.test",
    "\\\\evil.test\\x",
    "x;y=z",
    "x&taskId=other",
    "x%0d%0aX-Injected:%201",
    "x%00",
    "é／evil．test",
    "‥/‥/files",
    "x" * 256,
]
"""What can be an id, as far as it is printable and has no space in it."""

NOT_IDS: list[Any] = [
    "..",
    ".",
    "...",
    "x\r\nX-Injected: 1",
    "x\nGET /evil HTTP/1.1",
    "x y",
    "x\0",
    "\ud800",
    "x" * 257,
    {"id": "x"},
    ["x"],
    -1,
    True,
    "",
]
ROUTES = {
    "/openai/v1/videos": {"id": None, "object": "video", "status": "queued"},
    "/transtreams/kling/v1/videos/text2video": {"code": 0, "data": {"task_id": None, "task_status": "submitted"}},
    "/suno/generate": {"code": 200, "data": {"taskId": None}},
    "/dashscope/v1/services/aigc/video-generation/video-synthesis": {
        "output": {"task_id": None, "task_status": "PENDING"}
    },
}


def filled(body: Any, ident: Any) -> Any:
    """Return an answer with this id in it."""
    if isinstance(body, dict):
        return {name: filled(it, ident) for name, it in body.items()}
    return ident if body is None else body


def making(net: Net, ident: Any) -> None:
    """Let the gateway make tasks of this id, and tell nobody about them."""

    def answer(seen: Seen) -> Answer:
        if seen.method != "POST":
            return 403, {"Content-Type": "application/json"}, b'{"error": {"message": "no", "code": "forbidden"}}'
        body = json.dumps(filled(ROUTES[seen.target.decode()], ident)).encode("utf-8", "surrogatepass")
        return 200, {"Content-Type": "application/json"}, body

    net.gateway.answer = answer


@every_surface
@pytest.mark.parametrize("route", ROUTES)
def test_an_id_of_a_hostile_answer_stays_in_its_place(surface: Surface, net: Net, tmp_path: Path, route: str) -> None:
    """One GET to the same host, the path the contract's with the id quoted in it, and the key in its own header."""
    template = str(CREATES[f"POST {route}"].query)
    with opened(surface, configured(), tmp_path) as caller:
        for number, ident in enumerate(IDS):
            net.gateway.seen.clear()
            making(net, ident)
            answer = caller.request("POST", f"{GATEWAY}{route}", json={"model": "m", "prompt": f"a fox {number}"})
            with pytest.raises(QueryRefused):
                caller.call(surface.adapter.wait_for_task, caller.client, answer.response)
            _, asked = net.gateway.seen
            assert (asked.method, asked.target.decode()) == ("GET", template.replace("{id}", quote(ident, safe="")))
            assert asked.all("authorization") == [f"Bearer {KEY}"]
            assert asked.all("host") == ["gateway.api.anyint.ai"]
            assert not asked.all("x-injected")
    assert not net.other.lines
    assert net.gateway.broken == []


@every_surface
def test_what_cannot_be_an_id_is_never_asked_for(surface: Surface, net: Net, tmp_path: Path) -> None:
    """There is no task to wait for then; the create's answer is the caller's as it came."""
    route = "/openai/v1/videos"
    with opened(surface, configured(), tmp_path) as caller:
        for number, ident in enumerate(NOT_IDS):
            making(net, ident)
            answer = caller.request("POST", f"{GATEWAY}{route}", json={"model": "m", "prompt": f"an owl {number}"})
            assert answer.status == 200
            with pytest.raises(ValueError, match="names no task"):
                caller.call(surface.adapter.wait_for_task, caller.client, answer.response)
    assert [seen.method for seen in net.gateway.seen] == ["POST"] * len(NOT_IDS)


@every_surface
def test_a_create_asked_for_twice_is_polled_in_its_place(surface: Surface, net: Net, tmp_path: Path) -> None:
    """With ``dedupe`` it is our layer that asks, by the request's own way; the id stays quoted there too."""
    with opened(surface, configured(dedupe="fingerprint"), tmp_path) as caller:
        for number, ident in enumerate(IDS[:12]):
            net.gateway.seen.clear()
            making(net, ident)
            for _ in range(2):
                ask = {"model": "m", "prompt": f"a hare {number}"}
                caller.request("POST", f"{GATEWAY}/openai/v1/videos", json=ask)
            assert [(seen.method, seen.target.decode()) for seen in net.gateway.seen[:2]] == [
                ("POST", "/openai/v1/videos"),
                ("GET", f"/openai/v1/videos/{quote(ident, safe='')}"),
            ]
    assert not net.other.lines


@every_surface
def test_a_query_that_is_redirected_goes_nowhere(surface: Surface, net: Net, tmp_path: Path) -> None:
    """A wait follows no redirect, whatever its client does: it would ask another about the task, with the key."""
    making(net, "v-1")
    with opened(surface, configured(), tmp_path) as caller:
        answer = caller.request("POST", f"{GATEWAY}/openai/v1/videos", json={"model": "m", "prompt": "a fox"})
        places = (f"{GATEWAY}/openai/v1/files", "https://evil.test/x", "http://gateway.api.anyint.ai/x", "//evil.test/")
        for place in places:
            net.gateway.seen.clear()
            net.moves({"/openai/v1/videos/v-1": (302, place)})
            with pytest.raises(TaskTimeout):  # a redirect says nothing of the task
                caller.call(surface.adapter.wait_for_task, caller.client, answer.response, deadline=60)
            assert {seen.target for seen in net.gateway.seen} == {b"/openai/v1/videos/v-1"}
    assert not net.other.lines
    assert not net.plain.lines


GATEWAYS = [
    "https://gateway.api.anyint.ai@evil.test",
    "https://gateway.api.anyint.ai:443@evil.test",
    "https://gateway.api.anyint.ai\\@evil.test",
    "https://gateway.api.anyint.ai.evil.test",
    "https://gateway.api.anyint.ai:8443",
    "https://gateway.api.anyint.ai%2fevil.test",
    "https://gateway。api.anyint.ai",
    "https://gateway.api.anyint.аi",
    "https://evil.test#",
    "https://evil.test?",
    "https://evil.test",
    "http://gateway.api.anyint.ai",
    "https://gateway.api.anyint.ai\r\nHost: evil.test",
    "https://gateway.api.anyint.ai\t.evil.test",
    "https://gateway.api.anyint.ai/x/..",
    "https://gateway.api.anyint.ai/%2e%2e",
    "https://gateway.api.anyint.ai/openai/v1/files",
    "//evil.test",
    "https:evil.test",
    "https:\\\\evil.test",
]


@every_surface
def test_a_handle_that_somebody_has_changed_leads_nowhere(surface: Surface, net: Net, tmp_path: Path) -> None:
    """It is read from a store or a queue: only the configuration's gateways are asked."""
    good = TaskHandle(family="openai", route="POST /openai/v1/videos", task_id="v", gateway=GATEWAY, created_at=0.0)
    with opened(surface, configured(), tmp_path) as caller:
        for gateway in GATEWAYS:
            text = json.dumps({**good.as_dict(), "gateway": gateway})
            with pytest.raises(ValueError, match="gateway"):
                caller.call(surface.adapter.wait_for_task, caller.client, text)
    assert not [it.name for it in net.all if it.lines]


MODELS = [
    "../../v1/files",
    "..",
    "x?key=1",
    "x#y",
    "//evil.test/x",
    "x:generateContent/../y",
    "x%0d%0ay",
    "模型",
    "a b",
]


@every_surface
def test_a_fallbacks_model_stays_in_its_place(surface: Surface, net: Net, tmp_path: Path) -> None:
    """Gemini has it in the path: quoted there, whatever stands in the configuration."""
    route = "/gemini/v1beta/models/{model}:generateContent"
    for model in MODELS:
        net.reset()
        net.gateway.answer = lambda seen: (503 if b"/primary:" in seen.target else 200, {}, b"{}")
        row = Fallback(workload="w", route=route, model="primary", to=model)
        with opened(surface, configured(fallbacks=[row]), tmp_path) as caller:
            url = f"{GATEWAY}{route.replace('{model}', 'primary')}"
            answer = caller.request("POST", url, json={"contents": []})
        assert answer.status == 200
        told = report(answer)
        assert told is not None
        assert told.fallback is not None
        came = net.gateway.seen[-1]
        assert came.target.decode() == route.replace("{model}", quote(model, safe=""))
        assert came.all("authorization") == [f"Bearer {KEY}"]
        assert not net.other.lines


@every_surface
def test_a_callback_url_changes_nothing_but_its_own_member(surface: Surface, net: Net, tmp_path: Path) -> None:
    """The mark of ``reconcile`` goes into a URL that is one, and the body stays JSON with the same members."""
    making(net, "s-1")
    hooks = ["https://app.test/cb\r\nX-Injected: 1", 'https://app.test/"},"a":{"', "https://app.test/cb?a=1#b", "\0"]
    with opened(surface, configured(reconcile=True), tmp_path) as caller:
        for number, hook in enumerate(hooks):
            ask = {"prompt": f"a song {number}", "callBackUrl": hook}
            caller.request("POST", f"{GATEWAY}/suno/generate", json=ask)
            body = json.loads(net.gateway.seen[-1].body)
            assert body.keys() == ask.keys()
            assert body["callBackUrl"].partition("?")[0].partition("#")[0] == hook.partition("?")[0]
            assert not net.gateway.seen[-1].all("x-injected")
    assert len(net.gateway.seen) == len(hooks)
