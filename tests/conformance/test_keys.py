"""Keys, on every client: which header they go in, whom they reach, and where a new one comes from."""

from __future__ import annotations

import pytest

from anyint_resilience import Policy, Resilience, ResilienceError, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import ASK, CHAT, MODELS, client, configured
from tests.conformance.surfaces import Surface, Waits, calling, every_surface

CLAUDES = "/anthropic/v1/models"
OWN = {"authorization": "Bearer test-key", "x-api-key": "test-key"}


def moved(url: str, status: int = 307) -> Fault:
    """An answer that sends the client elsewhere."""
    return Fault(status=status, headers=(("Location", url),))


@every_surface
@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_no_key_follows_a_redirect_to_a_foreign_host(surface: Surface, emu: Emulator, header: str) -> None:
    """Neither our key nor the caller's own reaches the other host, whatever header it stood in."""
    with Emulator(keys=None) as foreign:
        for key in ("test-key", None):
            emu.script(moved(f"{foreign.url}{CLAUDES}"))
            anyint = configured(emu, api_key=key)
            with client(surface, emu, anyint, follow_redirects=True, headers={header: OWN[header]}) as caller:
                caller.request("GET", CLAUDES)
        assert len(foreign.seen) == 2
        assert not any("test-key" in text for seen in foreign.seen for text in seen.headers.values())


@every_surface
@pytest.mark.parametrize("own", [None, "x-api-key", "authorization"])
def test_a_redirect_to_another_family_carries_the_key_in_that_familys_header(
    surface: Surface, emu: Emulator, own: str | None
) -> None:
    """Our key, or the one the caller gave, goes on in the header the new route wants, and in no other."""
    emu.script(moved(CLAUDES))
    anyint = configured(emu, api_key="test-key" if own is None else None)
    headers = {} if own is None else {own: OWN[own]}
    with client(surface, emu, anyint, follow_redirects=True) as caller:
        answer = caller.request("GET", MODELS, headers=headers)
    assert answer.status == 200
    assert [found.status for found in answer.history] == [307]
    assert [{name for name in OWN if name in seen.headers} for seen in emu.seen] == [{"authorization"}, {"x-api-key"}]


@every_surface
@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_between_gateways_keeps_key_and_body(surface: Surface, emu: Emulator, status: int) -> None:
    """A second gateway of the configuration gets the key, the method and the body; each hop has its own attempts."""
    with Emulator(keys=("test-key",)) as other:
        emu.script(Fault(status=503), moved(f"{other.url}{CHAT}", status))
        other.script(Fault(status=503))
        anyint = configured(emu, hosts=(other.url,))
        with client(surface, emu, anyint, follow_redirects=True) as caller:
            answer = caller.request("POST", CHAT, json=ASK)
        assert answer.status == 200
        assert [seen.method for seen in other.seen] == ["POST", "POST"]
        assert {seen.body for seen in other.seen} == {emu.seen[0].body}
        assert {seen.headers["authorization"] for seen in other.seen} == {"Bearer test-key"}
    assert len(emu.seen) == 2


@every_surface
def test_the_response_does_not_show_our_key(surface: Surface, emu: Emulator) -> None:
    """The request that a response holds is the caller's own, without what we put on it."""
    with client(surface, emu) as caller:
        for path in (MODELS, CLAUDES):
            answer = caller.request("GET", path)
            shown = answer.response.request_info if surface.library == "aiohttp" else answer.response.request
            assert not any("test-key" in str(value) for value in shown.headers.values())


@every_surface
def test_a_foreign_host_is_none_of_our_business(surface: Surface, emu: Emulator) -> None:
    """No key, no retry, no report, no header: as if we were not there."""
    emu.script(Fault(status=503))
    with calling(surface, Resilience(api_key="test-key"), base_url=emu.url) as caller:
        answer = caller.request("POST", CHAT, json=ASK, headers={"Authorization": "Bearer theirs"})
    assert answer.status == 503
    assert report(answer) is None
    assert "x-should-retry" not in answer.headers
    assert emu.seen[0].headers["authorization"] == "Bearer theirs"


@every_surface
def test_an_async_key_source_works_where_it_can(surface: Surface, emu: Emulator) -> None:
    """Async clients await it; a sync client says that it cannot."""

    async def source() -> str:
        return "test-key"

    with client(surface, emu, configured(emu, api_key=source)) as caller:
        if surface.is_async:
            assert caller.request("POST", CHAT, json=ASK).status == 200
        else:
            with pytest.raises(ResilienceError, match="async"):
                caller.request("POST", CHAT, json=ASK)


@every_surface
def test_a_callable_key_that_was_never_needed_does_not_disturb_a_retry(surface: Surface, emu: Emulator) -> None:
    """The caller's own right header takes the fast lane; its first answer is judged, and its connection given back."""
    emu.script(Fault(status=503, body=b"x" * 200_000))
    anyint = configured(emu, api_key=lambda: "never asked")
    with client(surface, emu, anyint, headers={"Authorization": "Bearer test-key"}, pool=1) as caller:
        answer = caller.request("POST", CHAT, json=ASK)
        assert caller.in_use() == 0
    found = report(answer)
    assert found is not None
    assert [attempt.status for attempt in found.attempts] == [503, 200]
    assert len(emu.seen) == 2


@every_surface
def test_a_key_that_another_call_renewed_is_used_without_asking_again(surface: Surface) -> None:
    """A call refused with the old key while another one renews it goes out once more with the new one."""
    asked: list[int] = []
    judged: list[int] = []

    def source() -> str:
        asked.append(1)
        return f"k{len(asked)}"

    def meanwhile() -> float:  # an answer has come and is being judged
        judged.append(1)
        if len(judged) == 1:
            with client(Surface("httpx"), gateway, anyint) as another:  # on the same configuration
                assert another.request("POST", CHAT, json=ASK).status == 200
        return 1.0

    with Emulator(keys=("k2",)) as gateway:
        anyint = configured(gateway, api_key=source, runtime=Waits().runtime(random=meanwhile))
        anyint.credentials.accept(source())
        with client(surface, gateway, anyint) as caller:
            assert caller.request("POST", CHAT, json=ASK).status == 200
        assert [seen.headers["authorization"][-2:] for seen in gateway.seen] == ["k1", "k1", "k2", "k2"]
    assert len(asked) == 2


@every_surface
def test_a_deadline_spent_on_the_key_sends_nothing(surface: Surface, emu: Emulator) -> None:
    """A key source that takes too long is not followed by a paid create that is too late."""
    now = [0.0]

    def slow() -> str:
        now[0] += 5
        return "test-key"

    runtime = Waits().runtime(monotonic=lambda: now[0])
    with client(surface, emu, configured(emu, api_key=slow, policy=Policy(deadline=3), runtime=runtime)) as caller:
        assert isinstance(caller.error("POST", "/openai/v1/videos", json=ASK), surface.adapter.DeadlineExceeded)
    assert not emu.seen
