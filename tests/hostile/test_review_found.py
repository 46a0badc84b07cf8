"""What a reviewer found in the hardening itself, each by the name of what was wrong. Must not know how it is mended."""

from __future__ import annotations

import pickle
from itertools import cycle, islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from anyint_resilience import Policy, Resilience, TaskHandle
from anyint_resilience.contract.words import AuthStyle, Family
from anyint_resilience.credentials import Credentials
from anyint_resilience.emulator import Emulator
from anyint_resilience.keys import MAX_SEEN, Seen
from anyint_resilience.router import is_loopback
from anyint_resilience.stores.protocol import Spell, kept_for
from tests.alone import ALONE
from tests.conformance.lives import FILM, World, made, task_of, waited
from tests.conformance.surfaces import Surface, Waits, calling, every_httpx, every_surface, surfaces
from tests.hostile.bounds_kit import Pouring
from tests.hostile.keys_kit import CHAT, GATEWAY, KEY, Net, configured, opened
from tests.processes.kit import forked

ASK = {"model": "gpt-5", "messages": []}
DONE = {"id": "v1", "object": "video", "status": "completed"}
aiohttps = surfaces(lambda surface: surface.library == "aiohttp")
blocking_httpx = surfaces(lambda surface: surface.is_httpx and not surface.is_async)
of_requests = surfaces(lambda surface: surface.library == "requests")


def anyint() -> Resilience:
    return Resilience(api_key=KEY, guards=ALONE, runtime=Waits().runtime())


# --- waits


@every_httpx
def test_a_wait_by_a_mock_transport_failed(surface: Surface) -> None:
    """What it answers is in memory already, and can't be read raw."""
    mock = surface.module.MockTransport(lambda request: surface.module.Response(200, json=DONE))
    more: Any = {"task_id": "v1", "gateway": GATEWAY, "created_at": 1.0}
    task = TaskHandle(family=Family.OPENAI, route=FILM, **more)
    with calling(surface, anyint(), inner=mock) as caller:
        assert waited(caller, task, deadline=60).phase == "success"


@every_httpx
def test_a_wait_failed_where_a_hook_of_the_client_reads_answers(surface: Surface, emu: Emulator) -> None:
    """As hooks that write a log do, and those that raise for a status."""

    def read(response: Any) -> Any:
        return response.aread() if surface.is_async else response.read()

    async def aread(response: Any) -> None:
        await read(response)

    with World(emu).client(surface) as caller:
        task = task_of(made(caller, FILM))
        caller.client.event_hooks = {"response": [aread if surface.is_async else read]}
        assert waited(caller, task).phase == "success"


# --- who gets a key


@blocking_httpx
@pytest.mark.filterwarnings("ignore:a request to")
@pytest.mark.parametrize("more", [{"sni_hostname": "evil.test"}, {"target": b"https://evil.test/x"}])
def test_a_request_without_time_outs_went_by_the_fast_lane_whoever_it_was_for(
    surface: Surface, more: dict[str, Any]
) -> None:
    """One by hand to a transport has no other extension beside the one that counts."""
    came: list[Any] = []

    def handle(request: Any) -> Any:
        came.append("authorization" in request.headers)
        return surface.module.Response(200, json={})

    module, headers = surface.module, {"authorization": f"Bearer {KEY}"}
    with calling(surface, anyint(), inner=module.MockTransport(handle)) as caller:
        for extensions in ({}, {}, more):
            url = f"{GATEWAY}/openai/v1/embeddings"
            request = module.Request("POST", url, json=ASK, headers=headers, extensions=extensions)
            caller.client._transport.handle_request(request)
    assert came == [True, True, False]


@aiohttps
def test_a_request_that_checks_no_certificate_was_not_spoken_of_when_its_url_was_known(
    surface: Surface, net: Net, tmp_path: Path
) -> None:
    """``ssl=False`` stands on the request with aiohttp, and the first one may have been without."""
    with opened(surface, configured(), tmp_path) as caller:
        for _ in range(2):
            caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers={"Authorization": f"Bearer {KEY}"})
        with pytest.warns(UserWarning, match="does not check that a certificate"):
            caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers={"Authorization": f"Bearer {KEY}"}, ssl=False)


def test_a_key_in_use_was_forgotten_with_those_met_long_ago() -> None:
    """One that is moved to its right header at each call was not met again, and a redirect could take it along."""
    keys = Credentials(None)
    used = [(b"authorization", b"Bearer sk-in-use-all-the-time")]

    def call(headers: list[tuple[bytes, bytes]]) -> None:
        keys.edit(headers, Family.ANTHROPIC, AuthStyle.X_API_KEY, secure=True)

    call(used)
    for number in range(3 * MAX_SEEN):
        call([(b"x-api-key", b"sk-other-%d" % number)])
        if number % 500 == 0:
            call(used)
        assert number % 500 > 400 or keys.strip(used) is not None


def test_two_threads_that_found_the_set_of_keys_full_forgot_all_of_it() -> None:
    """The second one put the set that the first had just begun in the place of the thousand."""

    class Between(set[bytes]):
        """Another thread comes in when it is asked how long it is."""

        def __len__(self) -> int:
            long = super().__len__()
            if long >= MAX_SEEN and threads:
                threads.pop().start()
                done.wait(0.2)  # where it must not come in, it waits for this one
            return long

    def other() -> None:
        seen.add(b"sk-of-the-other")
        done.set()

    seen, done = Seen(), Event()
    threads = [Thread(target=other)]
    seen._now = Between(b"sk-%d" % number for number in range(MAX_SEEN))  # pyright: ignore[reportPrivateUsage]
    seen.add(b"sk-of-this-one")
    assert done.wait(20)
    assert [key in seen for key in (b"sk-7", b"sk-of-this-one", b"sk-of-the-other")] == [True] * 3


# --- what breaks a call


def test_a_name_of_digits_without_end_is_no_loopback_address() -> None:
    """Python makes no number of more than 4300 of them: a Host header of such ended a call with a ValueError."""
    assert not is_loopback(f"127.{'1' * 5000}.0.0")
    assert is_loopback("127.001.0.0")


@of_requests
@pytest.mark.parametrize("url", ["https://stranger.test/x", f"{GATEWAY}{CHAT}"])
def test_a_length_that_an_adapter_put_down_as_a_number_broke_the_call(surface: Surface, url: str) -> None:
    """Adapters that make answers do so, and foreign hosts' answers are not ours to look at."""
    base: Any = surface.module.adapters.BaseAdapter

    class Maker(base):  # type: ignore[misc]
        def send(self, request: Any, **options: Any) -> Any:
            made = surface.module.Response()
            made.status_code, made.url, made.request, made._content = 200, request.url, request, b"{}"
            made.headers["content-length"] = 2
            return made

        def close(self) -> None:
            pass

    with calling(surface, anyint(), inner=Maker()) as caller:
        assert caller.client.get(url).status_code == 200


@of_requests
@pytest.mark.parametrize(
    ("proxies", "reads"),
    [
        ({"no": "internal.test"}, False),
        ({"https": "http://proxy.test:3128", "no_proxy": "internal.test"}, False),
        ({"http": "http://proxy.test:3128"}, True),
        ({"all": "http://proxy.test:3128"}, True),
        ({"http://127.0.0.1": "http://proxy.test:3128"}, True),
        ({"http": "http://127.0.0.1:3128"}, False),
    ],
)
def test_what_goes_by_no_proxy_was_taken_for_a_proxy(
    surface: Surface, proxies: dict[str, str], reads: bool, request: pytest.FixtureRequest
) -> None:
    """``NO_PROXY`` in the environment is among what requests hands on; a fallback on this machine was not taken."""
    from anyint_resilience_requests._surface import Parcel
    from anyint_resilience_requests._surface import Surface as Ours

    module = surface.module
    asked = module.Request("POST", f"{GATEWAY}{CHAT}", json=ASK).prepare()
    parcel = Parcel(module.adapters.HTTPAdapter(), asked, {"proxies": proxies})
    with calling(surface, anyint()) as caller:
        ours: Ours = caller.client.get_adapter(GATEWAY).surface
        assert ours.proxied(parcel) is reads


def test_the_seconds_of_an_entry_can_go_to_another_process() -> None:
    """A store of the user's own may send what it is given to where its states are."""
    sent = pickle.loads(pickle.dumps(Spell(9, idle=2)))
    assert (float(sent), kept_for(sent, {}), kept_for(sent, {"busy": ["x"]})) == (9, 2, 9)


@every_surface
def test_a_client_of_before_a_fork_counted_with_its_parent(surface: Surface, emu: Emulator) -> None:
    """It held the plans that it had looked up, with the numbers of what the parent had out."""
    with World(emu).client(surface) as caller:
        made(caller, FILM)
        ours = layer_of(caller.client, emu.url)
        assert ours.plans

        def child() -> None:
            assert not ours.plans

        assert forked(child) == ""
        assert ours.plans


def layer_of(client: Any, url: str) -> Any:
    """Return our layer in a client."""
    if hasattr(client, "get_adapter"):
        return client.get_adapter(url).surface
    return client._middlewares[0].surface if hasattr(client, "_middlewares") else client._transport


@of_requests
def test_early_answers_without_end_were_followed_to_the_end_of_the_stack(surface: Surface) -> None:
    """A RecursionError came of it, which nobody expects of a client."""
    early = [b"HTTP/1.1 %d Early\r\n\r\n" % (102 + number % 3) for number in range(3)]
    with Pouring(lambda head: islice(cycle(early), 30_000)) as server:
        mine = Resilience(api_key=KEY, base_url=server.url, guards=ALONE, policy=Policy(attempts=1))
        with calling(surface, mine, base_url=server.url) as caller:
            assert isinstance(caller.error("POST", CHAT, json=ASK), surface.module.ConnectionError)
