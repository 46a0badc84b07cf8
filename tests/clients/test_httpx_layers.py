"""A layer below ours, on httpx and httpx2, that would send or connect again by itself."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest

from anyint_resilience import Guards, Resilience, report
from anyint_resilience.emulator import Emulator, Fault

every_client = pytest.mark.parametrize("name", ["httpx", "httpx2"])
CREATE = ("/openai/v1/videos", {"model": "kling-3.0", "prompt": "a fox"})


def layered(module: Any, title: str) -> Any:
    """Return a transport of a class with this name, that sends what it is given."""
    inner = module.HTTPTransport()

    def send(self: Any, request: Any) -> Any:
        return inner.handle_request(request)

    return type(title, (module.BaseTransport,), {"handle_request": send, "close": lambda self: inner.close()})()


def opened(name: str, emu: Emulator, make: Any) -> tuple[Any, Any]:
    """Return the client's module and a client whose default transport is wrapped."""
    module = pytest.importorskip(name)
    ours = importlib.import_module(f"anyint_resilience_{name}")
    anyint = Resilience(api_key="test-key", base_url=emu.url, guards=Guards(failures=100, budget_reserve=100))
    return module, ours.wrap(module.Client(base_url=emu.url, transport=make(module)), anyint)


@every_client
def test_a_retrying_transport_below_is_warned_of_before_it_can_pay_twice(name: str, emu: Emulator) -> None:
    """It would pay for a lost create again, and the report would show one attempt; once for each transport."""
    _, client = opened(name, emu, lambda module: layered(module, "RetryTransport"))
    path, body = CREATE
    with client:
        with pytest.warns(UserWarning, match="RetryTransport below ours sends again by itself, paid creates too"):
            answer = client.post(path, json=body)
        assert "a second retry layer: RetryTransport" in str(report(answer).timeline())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert client.post(path, json={**body, "prompt": "another"}).status_code == 200


@every_client
def test_where_warnings_are_errors_nothing_is_sent(name: str, emu: Emulator) -> None:
    """A test suite finds the second layer, and no create went out."""
    _, client = opened(name, emu, lambda module: layered(module, "RetryTransport"))
    with client, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="a second retry layer"):
            client.post(CREATE[0], json=CREATE[1])
    assert emu.seen == []


@every_client
def test_any_other_transport_below_is_welcome(name: str, emu: Emulator) -> None:
    """Warnings are errors here."""
    _, client = opened(name, emu, lambda module: layered(module, "CachingTransport"))
    with client:
        assert report(client.post(CREATE[0], json=CREATE[1])).notes == ()


@every_client
def test_a_retrying_transport_for_another_host_is_none_of_ours(name: str, emu: Emulator) -> None:
    """A mount may have a layer of its own: no call to AnyInt goes through it."""
    module = pytest.importorskip(name)
    ours = importlib.import_module(f"anyint_resilience_{name}")
    anyint = Resilience(api_key="test-key", base_url=emu.url)
    mounts = {"https://other.example": layered(module, "RetryTransport")}
    with ours.wrap(module.Client(base_url=emu.url, mounts=mounts), anyint) as client:
        assert client.post(CREATE[0], json=CREATE[1]).status_code == 200


@every_client
def test_a_transport_that_connects_again_is_on_the_report(name: str, emu: Emulator) -> None:
    """Connections are tried more often than attempts are counted; nothing is paid twice by that."""
    _, client = opened(name, emu, lambda module: module.HTTPTransport(retries=2))
    emu.script(Fault(status=503))
    with client:
        answer = client.post("/openai/v1/chat/completions", json={"model": "gpt-5", "messages": []})
    assert "HTTPTransport(retries=2) below ours connects again by itself" in report(answer).timeline()
