"""What others wrote under our keys on a Redis, or said on our channels: nobody crashes, hangs or stays away by it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from anyint_resilience import NotRecorded, OutcomeUnknown, Resilience
from anyint_resilience.emulator import Emulator
from anyint_resilience.guards import breaker, gate
from anyint_resilience.stores.protocol import StoreError
from tests.redis_kit import Server, needs_redis
from tests.redis_kit import redis_server as redis_server  # a fixture
from tests.unit.store_kit import WAIT, get, put, shut
from tests.waiting import until

pytest.importorskip("redis", reason="redis-py is not here: pip install redis")

from anyint_resilience.stores.redis import RedisStore

pytestmark = needs_redis

PLACE = "anyint:1:{acct0001}:"
GATE, CIRCUIT, CREATE = "gate:acct0001:host:m", "breaker:acct0001:host:POST /x:m", "create:acct0001:x"
STEPS: dict[str, Any] = {GATE: partial(gate.settle), CIRCUIT: partial(breaker.settle)}

TEXTS: dict[str, Any] = {
    "nothing": "",
    "a word": "garbage",
    "a list": "[]",
    "a number": "7",
    "null": "null",
    "a text": '"x"',
    "cut off": '{"cause":"rate","until":17',
    "no UTF-8": b"\xff\xfe{}",
    "deep": "[" * 100_000,
    "deep in an object": '{"open":' + "[" * 100_000,
    "infinite": '{"open":1e999,"probes":[],"until":1e999,"shut":1e999,"probe":1e999,"cause":"rate"}',
    "not a number": '{"open":NaN,"probes":[]}',
    "many digits": '{"open":' + "9" * 6000 + ',"probes":[]}',
    "empty": "{}",
    "other types": '{"open":"x","probes":7,"cause":{},"until":[],"shut":null,"probe":true,"named":1,"limit":{}}',
    "half of it": '{"cause":"rate","until":1.0}',
}
KINDS = {"list": ("RPUSH", "x"), "hash": ("HSET", "a", "b"), "set": ("SADD", "x")}
UNREADABLE = ["a word", "cut off", "a list", "timed many digits", "timed deep", "list"]
WRITTEN = [f"{head}{name}" for head in ("", "timed ") for name in TEXTS] + list(KINDS)


@pytest.fixture
def store(redis_server: Server) -> Iterator[RedisStore]:
    made = RedisStore(redis_server.url, wait=WAIT)
    yield made
    made.close()


def written(server: Server, key: str, what: str) -> None:
    """Write under a key behind the store's back."""
    name = what.removeprefix("timed ")
    server.cli("DEL", key)
    if name in KINDS:
        command, *words = KINDS[name]
        server.cli(command, key, *words)
    else:
        text = TEXTS[name] if isinstance(TEXTS[name], bytes) else TEXTS[name].encode()
        server.cli("SET", key, (b"1e300\n" if what != name else b"") + text)


def write(server: Server, key: str, what: str, index: str) -> None:
    """Do so under a key that it has in its index."""
    written(server, PLACE + key, what)
    server.cli("ZADD", PLACE + index, 1, key)
    server.cli("ZADD", "anyint:1:{tags}", 1e12, "acct0001")


@pytest.mark.parametrize("key", [GATE, CIRCUIT], ids=["gate", "breaker"])
@pytest.mark.parametrize("what", WRITTEN)
def test_a_guard_reads_what_is_not_its_own_as_nothing(
    store: RedisStore, redis_server: Server, what: str, key: str
) -> None:
    """A process joins that has such a state before it, settles it, and shuts the gate over it."""
    write(redis_server, key, what, "guards")
    store.member.start()
    until(lambda: store.member.up)
    store.updating(key, STEPS[key], 60, 5.0).wait()
    if key == GATE:
        write(redis_server, key, what, "guards")
        assert shut(store, GATE).shut == "rate"
        assert get(store, GATE)["cause"] == "rate"
    assert store.member.up


LIKE_A_STATE = {"empty", "other types", "half of it", "infinite"}


def is_like(what: str) -> bool:
    return what.removeprefix("timed ") in LIKE_A_STATE


def standing(server: Server) -> Any:
    """What stands under the create's key, of any kind."""
    key = PLACE + CREATE
    return server.cli("TYPE", key), server.cli("OBJECT", "ENCODING", key), server.cli("MEMORY", "USAGE", key)


@pytest.mark.parametrize("what", [what for what in WRITTEN if not is_like(what)])
def test_what_is_no_state_is_a_store_error(store: RedisStore, redis_server: Server, what: str) -> None:
    """Unreadable is not the same as absent: a create might be written over. What stands there is left as it is."""
    put(store, "create:acct0001:other", {"n": 1})
    write(redis_server, CREATE, what, "passing")
    before = standing(redis_server)
    for state in ({"n": 2}, None):
        with pytest.raises(StoreError, match="nothing was changed"):
            put(store, CREATE, state)
    assert dict(store.scan("create:")) == {CREATE: None, "create:acct0001:other": {"n": 1}}
    assert standing(redis_server) == before
    assert store.member.up
    assert get(store, "create:acct0001:other") == {"n": 1}


@pytest.mark.parametrize("what", [what for what in WRITTEN if is_like(what)])
def test_what_could_be_a_state_is_for_its_step_to_judge(store: RedisStore, redis_server: Server, what: str) -> None:
    """A store does not know what it holds."""
    write(redis_server, CREATE, what, "passing")
    seen = dict(store.scan("create:"))[CREATE]
    assert put(store, CREATE, {"n": 1}) == seen
    assert get(store, CREATE) == {"n": 1}


SAID: dict[str, Any] = {
    **{name: text for name, text in TEXTS.items() if name != "nothing"},
    "a brief of nothing": '["gate:acct0001:host:m",1e12,null]',
    "too little": '["gate:acct0001:host:m"]',
    "no time": '["gate:acct0001:host:m","x",{}]',
    "a far time": '["gate:acct0001:host:m",1e999,{"open":{}}]',
    "no key": '[{},1,{"open":1e999}]',
    "an odd brief": '["gate:acct0001:host:m",1,{"until":{},"open":[]}]',
}


@pytest.mark.parametrize("said", list(SAID))
def test_what_others_say_on_our_channels_does_no_harm(store: RedisStore, redis_server: Server, said: str) -> None:
    """It is read as news if it can be, and else as nothing; what comes after it is heard."""
    heard = []

    class Ears(type(store.member.ears)):  # type: ignore[misc]
        def told(self, key: str, brief: Any, at: float) -> None:
            heard.append(key)

        def rung(self, key: str, ticket: str) -> None:
            heard.append(ticket)

        def turned(self, *, up: bool) -> None:
            assert up

    store.member.ears = Ears()
    store.member.start()
    until(lambda: store.member.up)
    for channel in ("anyint:1:news", f"anyint:1:ring:{store.owner}"):
        redis_server.cli("PUBLISH", channel, SAID[said])
    redis_server.cli("PUBLISH", "anyint:1:news", '["gate:last",1,null]')
    redis_server.cli("PUBLISH", f"anyint:1:ring:{store.owner}", '["gate:last","its ticket"]')
    until(lambda: {"gate:last", "its ticket"} <= set(heard))
    assert store.member.up


CREATES: list[tuple[str, bool, type[Exception] | None]] = [
    *[(what, strict, NotRecorded if strict else None) for what in UNREADABLE for strict in (False, True)],
    *[(what, strict, OutcomeUnknown) for what in ("empty", "other types", "infinite") for strict in (False, True)],
]


@pytest.mark.parametrize(("what", "strict", "error"), CREATES)
def test_a_create_over_garbage_is_not_made_twice(
    redis_server: Server, what: str, strict: bool, error: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it can't be read, this process's memory serves, unless the ledger is strict; else its fate is unknown."""
    monkeypatch.setattr("anyint_resilience.stores.redis.store._YOUNG", 0.0)  # or a strict create would wait
    wrapped = pytest.importorskip("anyint_resilience_httpx")
    settings: dict[str, Any] = {"store": redis_server.url, "store_wait": 3.0, "dedupe": "fingerprint"}
    with Emulator(keys=("a-key",)) as emu:
        anyint = Resilience(api_key="a-key", base_url=emu.url, strict_ledger=strict, **settings)
        with wrapped.wrap(httpx.Client(base_url=emu.url), anyint) as client:
            create = partial(client.post, "/openai/v1/videos", json={"model": "m", "prompt": "x"})
            first = create()
            creates = redis_server.cli("KEYS", "*:create:*")  # those of a test before may be entered again
            (key,) = [key for key in creates if emu.url in redis_server.cli("GET", key)]
            written(redis_server, key, what)
            if error is None or error is NotRecorded:  # this process knows it, whatever stands there
                assert create().json()["id"] == first.json()["id"]
            other = Resilience(api_key="a-key", base_url=emu.url, strict_ledger=strict, **settings)
            if error is not None:
                with wrapped.wrap(httpx.Client(base_url=emu.url), other) as stranger, pytest.raises(error):
                    stranger.post("/openai/v1/videos", json={"model": "m", "prompt": "x"})
        assert len(emu.requests("POST")) == 1
        assert isinstance(anyint.ledger.store, RedisStore)
        anyint.ledger.store.close()
