"""Each fault of the chaos's other end really happens on the wire, as a plain socket sees it.

Must not know any client.
"""

from __future__ import annotations

import socket

import pytest

from hostile.chaos.plan import Fault
from hostile.chaos.wire import JUNK
from tests.brief import once
from tests.hostile.chaos_kit import Raw, fault, plan, world

pytestmark = once

CHAT = b'{"model":"m","messages":[{"role":"user","content":"chaos call 1."}],"stream":true}'
END = b"0\r\n\r\n"
MODELS_END = b"}"
HOW = {"rst": "rst", "fin": "fin", "half": "fin", "stall": "open"}


@pytest.fixture(autouse=True)
def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """An RST takes with it what was not read yet: here there is time to, on a busy machine too."""
    monkeypatch.setattr("hostile.chaos.wire._SETTLE", 0.3)


def ended(
    first: Fault | None, how: str = "fin", *, stream: bool = True, until: bytes | None = None
) -> tuple[Raw, dict[str, object]]:
    """Ask once, and read to these bytes and to the end; return how that went, and what the proxy wrote down of it."""
    with world(plan("chat", first)) as (there, control):
        raw = Raw(there.port)
        if stream:
            raw.ask("POST", "/openai/v1/chat/completions", CHAT)
        else:
            raw.ask()
        if until is not None:
            raw.read(until)
        if raw.ended == "open":
            raw.read(ends=how != "open")
        raw.close()
        log = control.ask("log")
    (record,) = log["records"]
    complete = any(it["complete"] for it in log["seen"])
    assert complete == record["passed"]
    return raw, record


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("phase", ["request_head", "request_body"])
def test_a_request_that_is_cut_never_reaches_the_emulator_whole(phase: str, how: str) -> None:
    raw, record = ended(fault(phase, how), HOW[how])
    assert (raw.came, raw.ended, record["passed"]) == (b"", HOW[how], False)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("phase", "at", "last"),
    [
        ("response_head", 0.5, b"\r\n"),
        ("framing", 0.0, b"\r\n\r\n"),
        ("data", 0.5, b"data: "),
        ("trailer", 0.5, b"x-chaos"),
    ],
)
def test_an_answer_is_cut_where_the_plan_says(phase: str, at: float, last: bytes, how: str) -> None:
    """All that comes is a true beginning; then an RST, an end, or silence."""
    raw, record = ended(fault(phase, how, at, settled=True), HOW[how], until=last)
    assert raw.ended == HOW[how]
    assert raw.came.startswith(b"HTTP/1.1 200")
    assert last in raw.came
    assert not raw.came.endswith(END)
    assert (record["phase"], record["kind"], record["whole"], record["passed"]) == (phase, how, False, True)


def test_garbage_and_an_early_answer_come_in_the_answers_place() -> None:
    assert ended(fault("request_head", "garbage"), stream=False)[0].came == JUNK
    raw, record = ended(fault("request_body", "early", pick=0))
    assert raw.came.startswith(b"HTTP/1.1 503 Early")
    assert (record["early"], record["passed"], raw.ended in ("fin", "rst")) == (True, False, True)


@pytest.mark.parametrize("kind", ["flip", "truncate", "duplicate"])
def test_framing_is_garbled(kind: str) -> None:
    raw, record = ended(fault("framing", kind, 0.0))
    good, _ = ended(None, "open", until=END)
    head = good.came.index(b"\r\n\r\n") + 4
    assert raw.came[head : head + 8] != good.came[head : head + 8]
    assert (raw.ended, record["whole"]) == ("fin", False)


def test_a_whole_answer_may_be_followed_by_anything() -> None:
    for kind, how in (("rst", "rst"), ("fin", "fin"), ("half", "fin"), ("garbage", "open")):
        raw, record = ended(fault("after", kind, settled=True), how, until=JUNK if kind == "garbage" else END)
        assert END in raw.came
        assert (raw.ended, record["whole"], JUNK in raw.came) == (how, True, kind == "garbage")


def test_a_connection_can_end_when_its_next_request_has_come() -> None:
    """As a server does that closes what was idle: the request is never passed on."""
    with world(plan("models", fault("after", "idle_rst"))) as (there, control):
        raw = Raw(there.port).ask().read(MODELS_END)
        raw.ask().read()
        raw.close()
        first, second = control.ask("log")["records"]
    assert (first["whole"], second["passed"], raw.ended) == (True, False, "rst")


def test_an_emulators_own_fault_is_passed_on_as_it_is() -> None:
    raw, record = ended(fault("emulator", "reset_mid_body"))
    assert (raw.ended, record["phase"], record["ended"]) == ("rst", "emulator", "rst")
    raw, _ = ended(fault("emulator", "503"), "open", until=b"upstream_unavailable")
    assert raw.came.startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("kind", ["refused", "closed", "reset", "black_hole"])
def test_a_port_of_its_own_meets_its_fault_and_then_serves(kind: str) -> None:
    one = plan("models", None, way="connect", opening=fault("connect", kind), openings=1)
    with world(one, ports=1) as (_there, control):
        port = control.ask("batch", first=1, last=2)["1"]
        if kind in ("refused", "black_hole"):
            with pytest.raises(ConnectionRefusedError if kind == "refused" else TimeoutError):
                socket.create_connection(("127.0.0.1", port), 0.3)
            control.ask("open", call=1)
        else:
            first = Raw(port).read()
            first.close()
            assert first.ended == {"closed": "fin", "reset": "rst"}[kind]
        second = Raw(port).ask().read(MODELS_END)
        second.close()
        assert b"HTTP/1.1 200" in second.came
        met = control.ask("log")["met"]["1"]
    assert met == (kind in ("closed", "reset"))


@pytest.mark.parametrize("kind", ["rst", "fin", "garbage", "flip"])
def test_a_handshake_is_garbled_and_the_next_one_is_not(kind: str) -> None:
    """By a tap before the server that ends TLS."""
    import ssl

    pytest.importorskip("trustme", reason="trustme makes the certificate")
    one = plan("models", None, way="handshake", opening=fault("handshake", kind, 0.05), openings=1)
    with world(one, ports=1, tls=True) as (_, control):
        context = ssl.create_default_context(cadata=control.ask("where")["authority"])
        port = control.ask("batch", first=1, last=2)["1"]
        with socket.create_connection(("127.0.0.1", port), 0.3) as raw, pytest.raises((OSError, ssl.SSLError)):
            context.wrap_socket(raw, server_hostname="127.0.0.1")
        with (
            socket.create_connection(("127.0.0.1", port), 10) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as held,
        ):
            held.sendall(b"GET /openai/v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n\r\n")
            assert held.recv(4096).startswith(b"HTTP/1.1 200")
