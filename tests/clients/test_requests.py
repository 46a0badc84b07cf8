"""What only requests has: mounted adapters, pickled sessions, files, hooks, urllib3's own retries.

Must not repeat the contract: the conformance tests run it on requests like on every other client.
"""

from __future__ import annotations

import copy
import gc
import io
import pickle
import ssl
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from opentelemetry.sdk.trace import TracerProvider
from requests.adapters import BaseAdapter, HTTPAdapter

from anyint_resilience import Action, OutcomeUnknown, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.model import FaultKind
from anyint_resilience_requests import DeadlineExceeded, ResilientAdapter, wrap
from anyint_resilience_requests._faults import fault_of
from anyint_resilience_requests._others import bounded
from tests.alone import ALONE
from tests.conformance.surfaces import Waits

CHAT, VIDEOS, MODELS = "/openai/v1/chat/completions", "/openai/v1/videos", "/openai/v1/models"
ASK: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
FILM = {"model": "kling-3.0", "prompt": "a fox"}
BUSY = Fault(status=503)


@pytest.fixture
def emu() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as emulator:
        yield emulator


def configured(emu: Emulator, **more: Any) -> Resilience:
    return Resilience(
        **{"api_key": "test-key", "base_url": emu.url, "runtime": Waits().runtime(), "guards": ALONE, **more}
    )


@pytest.fixture
def session(emu: Emulator) -> Iterator[requests.Session]:
    with wrap(requests.Session(), configured(emu)) as made:
        made.trust_env = False
        yield made


# --- wrapping


def test_wrap_keeps_every_adapter_and_the_order_of_their_prefixes(emu: Emulator) -> None:
    """Longer prefixes stay before shorter ones, each around the adapter it had, however often it is wrapped."""
    session, special = requests.Session(), HTTPAdapter(pool_maxsize=3)
    session.mount(emu.url + "/openai/", special)
    before = dict(session.adapters)
    anyint = configured(emu)
    assert wrap(wrap(session, anyint), anyint) is session
    assert list(session.adapters) == list(before)
    for prefix, adapter in session.adapters.items():
        assert isinstance(adapter, ResilientAdapter)
        assert adapter.inner is before[prefix]
    emu.script(BUSY)
    assert session.get(emu.url + MODELS).status_code == 200
    assert session.get_adapter(emu.url + MODELS).inner is special  # type: ignore[attr-defined]
    session.close()


def test_an_adapter_mounted_twice_is_wrapped_once() -> None:
    """One pool stays one pool."""
    session, shared = requests.Session(), HTTPAdapter()
    session.mount("https://", shared)
    session.mount("http://", shared)
    wrap(session, Resilience())
    assert session.adapters["https://"] is session.adapters["http://"]


def test_what_an_adapter_has_is_the_wrapped_ones() -> None:
    """Reading and setting go through to it; nothing is held twice."""
    inner = HTTPAdapter(pool_maxsize=7)
    adapter = ResilientAdapter(Resilience(), adapter=inner)
    assert adapter.poolmanager is inner.poolmanager
    adapter.max_retries = urllib3.Retry(2)
    assert inner.max_retries.total == 2
    assert "HTTPAdapter" in repr(adapter)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = adapter.no_such_thing


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ResilientAdapter(Resilience(), adapter=HTTPAdapter(), pool_maxsize=3), "pool_maxsize"),
        (lambda: ResilientAdapter(Resilience(), adapter=object()), "requests adapter"),
        (lambda: ResilientAdapter(object()), "must be a Resilience"),
        (lambda: wrap(object()), "requests.Session"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(make: Any, words: str) -> None:
    """A wrong object, or a setting that would be lost, is a TypeError that names it."""
    with pytest.raises(TypeError, match=words):
        make()


def test_a_session_can_be_pickled_and_copied(emu: Emulator) -> None:
    """As requests does it: the copy has pools of its own, the same key, and is as resilient; the original goes on."""
    anyint = Resilience(api_key="test-key", base_url=emu.url, policy=Policy(attempts=2), guards=ALONE)
    session = wrap(requests.Session(), anyint)
    session.mount(emu.url, ResilientAdapter(session.adapters["http://"].surface.anyint, pool_maxsize=5))  # type: ignore[attr-defined]
    for twin in (pickle.loads(pickle.dumps(session)), copy.deepcopy(session)):
        emu.script(BUSY)
        assert twin.get(emu.url + MODELS).status_code == 200
        adapter = twin.get_adapter(emu.url)
        assert isinstance(adapter, ResilientAdapter)
        assert adapter.poolmanager is not session.get_adapter(emu.url).poolmanager  # type: ignore[attr-defined]
        assert (adapter.surface.anyint.policy, adapter.surface.anyint.guards) == (Policy(attempts=2), ALONE)
        assert adapter._pool_maxsize == 5
        twin.close()
    assert session.get(emu.url + MODELS).status_code == 200
    session.close()


# --- how an application uses it


def test_prepared_requests_hooks_and_streams_work_as_ever(session: requests.Session, emu: Emulator) -> None:
    """The hook sees the last answer once; the response shows the request that the application prepared, not our key."""
    seen: list[requests.Response] = []
    prepared = session.prepare_request(requests.Request("POST", emu.url + CHAT, json={**ASK, "stream": True}))
    prepared.register_hook("response", lambda response, **_: seen.append(response))
    emu.script(BUSY)
    answer = session.send(prepared, stream=True)
    assert seen == [answer]
    assert answer.request is prepared
    assert "Authorization" not in answer.request.headers
    assert b"".join(answer.iter_content(64)).endswith(b"data: [DONE]\n\n")


def test_a_good_answer_is_urllib3s_own(session: requests.Session, emu: Emulator) -> None:
    """Nothing is put between the application and the wire; elapsed, cookies and the raw response are requests' own."""
    bare = requests.get(emu.url + MODELS, headers={"Authorization": "Bearer test-key"}, stream=True)
    ours = session.get(emu.url + MODELS, stream=True)
    assert type(ours.raw) is type(bare.raw)
    assert type(ours.raw._fp) is type(bare.raw._fp)
    assert set(vars(ours)) - set(vars(bare)) == {"anyint_report"}
    assert ours.raw.read() == bare.raw.read()
    bare.close()


@pytest.mark.parametrize(
    "reading",
    ["content", "iter_content", "iter_content as it comes", "iter_lines", "raw.read", "raw.read1", "raw.stream"],
)
@pytest.mark.parametrize("size", [100, 300_000])
def test_a_judged_body_can_be_read_in_every_way(
    session: requests.Session, emu: Emulator, reading: str, size: int
) -> None:
    """What we looked at is still there, whole, whichever of requests' ways is used."""
    body = b"a line\n" * (size // 7)
    emu.script(*[Fault(status=400, body=body)])
    answer = session.post(emu.url + CHAT, json=ASK, stream=True)
    ways: dict[str, Any] = {
        "content": lambda: answer.content,
        "iter_content": lambda: b"".join(answer.iter_content(1000)),
        "iter_content as it comes": lambda: b"".join(answer.iter_content(None)),
        "raw.read1": lambda: b"".join(iter(lambda: getattr(answer.raw, "read1", answer.raw.read)(1000), b"")),
        "iter_lines": lambda: b"".join(line + b"\n" for line in answer.iter_lines()),
        "raw.read": lambda: answer.raw.read(),
        "raw.stream": lambda: b"".join(answer.raw.stream(1000)),
    }
    assert ways[reading]() == body
    assert session.get(emu.url + MODELS).status_code == 200


def test_cookies_of_an_answer_that_was_judged_are_kept(session: requests.Session, emu: Emulator) -> None:
    """The session's jar takes them, as requests does it, though the body was looked at."""
    emu.script(Fault(status=400, headers={"set-cookie": "a=b"}))
    assert session.post(emu.url + CHAT, json=ASK).cookies["a"] == "b"
    assert session.cookies["a"] == "b"


def test_one_session_serves_many_threads(emu: Emulator) -> None:
    """Each call is judged by itself; a pool of two is enough for sixteen callers."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=2, pool_block=True))
    wrap(session, configured(emu, policy=Policy(attempts=100, retry_window=float("inf"))))
    emu.script(*[BUSY] * 80)
    ended: list[tuple[int, int]] = []

    def work() -> None:
        for _ in range(10):
            answer = session.post(emu.url + CHAT, json=ASK)
            found = report(answer)
            ended.append((answer.status_code, 0 if found is None else len(found.attempts)))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in ended] == [200] * 160
    assert sum(attempts for _, attempts in ended) == len(emu.seen) == 240
    session.close()


def test_an_auth_handler_sends_its_second_request_through_us(session: requests.Session, emu: Emulator) -> None:
    """``response.connection``, which auth handlers use, is our adapter."""
    answer = session.get(emu.url + MODELS)
    assert isinstance(answer.connection, ResilientAdapter)  # type: ignore[attr-defined]
    emu.script(BUSY)
    assert answer.connection.send(answer.request).status_code == 200  # type: ignore[attr-defined]


def test_no_key_reaches_a_foreign_host_through_an_auth_handler(emu: Emulator) -> None:
    """What digest authentication sends after a foreign host's 401 goes through us, and loses the key like the first."""
    emu.script(Fault(status=401, headers={"www-authenticate": 'Digest realm="r", nonce="n", qop="auth"'}))
    with wrap(requests.Session(), Resilience(api_key="test-key")) as session:
        session.headers["x-api-key"] = "test-key"
        session.get(emu.url + MODELS, auth=requests.auth.HTTPDigestAuth("user", "word"))
    assert len(emu.seen) == 2
    assert "authorization" in emu.seen[1].headers
    assert [seen.headers.get("x-api-key") for seen in emu.seen] == [None, None]


def test_a_proxy_is_gone_through(emu: Emulator) -> None:
    """A call by way of a proxy is retried like any other."""
    anyint = Resilience(api_key="test-key", base_url="http://127.0.0.1:9", runtime=Waits().runtime())
    emu.script(BUSY)
    with wrap(requests.Session(), anyint) as session:
        session.trust_env = False
        answer = session.get("http://127.0.0.1:9" + MODELS, proxies={"http": emu.url})
    assert (answer.status_code, len(emu.seen)) == (200, 2)


@pytest.mark.parametrize("fault", [Fault(half_close=True, process=True), Fault(reset="before_headers", process=True)])
def test_a_create_lost_behind_a_proxy_is_sent_once(emu: Emulator, fault: Fault) -> None:
    """urllib3 calls that a proxy's error, as if nothing had been sent; it was."""
    anyint = Resilience(api_key="test-key", base_url="http://127.0.0.1:9", runtime=Waits().runtime())
    emu.script(*[fault] * 3)
    with wrap(requests.Session(), anyint) as session:
        session.trust_env = False
        with pytest.raises(OutcomeUnknown):
            session.post("http://127.0.0.1:9" + VIDEOS, json=FILM, proxies={"http": emu.url})
    assert len(emu.seen) == len(emu.tasks) == 1


def test_a_create_is_judged_by_its_own_error_not_by_the_applications(session: requests.Session, emu: Emulator) -> None:
    """What the application is handling when it calls, a refused connection say, is no sign that nothing was sent."""
    emu.script(*[Fault(half_close=True, process=True)] * 3)
    try:
        requests.get("http://127.0.0.1:9")
    except requests.ConnectionError:
        with pytest.raises(OutcomeUnknown):
            session.post(emu.url + VIDEOS, json=FILM)
    assert len(emu.seen) == len(emu.tasks) == 1


def test_an_answer_that_cannot_be_read_leaves_a_create_unknown(session: requests.Session, emu: Emulator) -> None:
    """requests calls a response with two lengths an invalid header; the request was out all the same."""
    emu.script(*[Fault(status=200, body=b"{}", headers={"content-length": "12, 13"}, process=True)] * 3)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            session.post(emu.url + VIDEOS, json=FILM)
    assert len(emu.seen) == len(emu.tasks) == 1


@pytest.mark.parametrize("path", [VIDEOS, MODELS])
def test_our_key_is_not_shown_on_what_is_raised(session: requests.Session, emu: Emulator, path: str) -> None:
    """The request on an exception, and on what lies behind it, is the one that the application made."""
    emu.script(*[Fault(reset="before_headers")] * 3)
    with pytest.raises(requests.RequestException) as caught:
        session.request("GET" if path == MODELS else "POST", emu.url + path)
    error: BaseException | None = caught.value
    while error is not None:
        shown = getattr(error, "request", None)
        assert shown is None or "Authorization" not in shown.headers
        assert b"test-key" not in pickle.dumps(error)
        error = error.__cause__


# --- bodies


def test_a_file_is_sent_again_from_where_it_stood(session: requests.Session, emu: Emulator, tmp_path: Path) -> None:
    """A file that was read a little is not sent from its beginning, nor empty, the second time."""
    path = tmp_path / "body"
    path.write_bytes(b"skip" + b"x" * 200_000)
    emu.script(BUSY)
    with path.open("rb") as file:
        file.seek(4)
        session.post(emu.url + "/openai/v1/audio/transcriptions", data=file)
    assert [len(seen.body) for seen in emu.seen] == [200_000, 200_000]


def test_a_lost_upload_from_a_file_is_known_again(session: requests.Session, emu: Emulator) -> None:
    """The ledger tells it by its content, and reading that for the ledger does not use the file up."""
    for name in ("a", "b"):
        emu.script(Fault(reset="before_headers", process=True))
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                session.post(emu.url + "/openai/v1/files", data=io.BytesIO(name.encode() * 100))
    assert [seen.body[:1] for seen in emu.seen] == [b"a", b"b"]


def test_what_cannot_be_rewound_is_sent_once(session: requests.Session, emu: Emulator) -> None:
    """A pipe's answer is handed over, not a second, empty request (lesson M10)."""

    class Pipe(io.RawIOBase):
        left = b"x" * 10

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            taken, self.left = self.left, b""
            return taken

        def tell(self) -> int:
            raise OSError("not a file")

    emu.script(BUSY)
    answer = session.post(emu.url + "/openai/v1/audio/transcriptions", data=Pipe())
    assert (answer.status_code, len(emu.seen)) == (503, 1)
    assert "sent only once" in report(answer).decision.reason  # type: ignore[union-attr]


# --- urllib3's own retries


def test_a_retry_layer_below_is_told_of_and_left_out(emu: Emulator) -> None:
    """One layer decides: urllib3's Retry multiplies nothing, creates nothing twice, and hides no answer (M8, M20)."""
    retry = urllib3.Retry(total=4, allowed_methods=None, status_forcelist=[503])
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    wrap(session, configured(emu))
    emu.script(*[Fault(status=503, body=b"the reason")] * 20)
    answer = session.post(emu.url + CHAT, json=ASK)
    assert (answer.status_code, answer.text, len(emu.seen)) == (503, "the reason", 3)
    found = report(answer)
    assert found is not None
    assert any("second retry layer" in note and "total=4" in note for note in found.notes)
    emu.reset()
    emu.script(*[Fault(reset="before_headers", process=True)] * 20)
    with pytest.raises(OutcomeUnknown):
        session.post(emu.url + VIDEOS, json=FILM)
    assert len(emu.tasks) == 1
    session.close()


def test_a_retry_layer_below_is_back_when_we_are_off(emu: Emulator) -> None:
    """``Policy(enabled=False)`` leaves the session as it was without us."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(4, backoff_factor=0, status_forcelist=[503])))
    wrap(session, configured(emu, policy=Policy(enabled=False)))
    emu.script(BUSY, BUSY)
    assert session.get(emu.url + MODELS).status_code == 200
    assert len(emu.seen) == 3
    session.close()


def test_a_retry_layer_below_still_serves_other_hosts(emu: Emulator) -> None:
    """A foreign host is none of our business: what the adapter was made to do there it does."""
    retry = urllib3.Retry(total=4, backoff_factor=0, status_forcelist=[503])
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    wrap(session, Resilience(api_key="test-key"))
    emu.script(BUSY, BUSY)
    assert session.get(emu.url + MODELS, headers={"Authorization": "Bearer test-keys"}).status_code == 401
    assert len(emu.seen) == 3
    session.close()


@pytest.mark.parametrize("retry", [0, 3])
def test_a_number_of_retries_set_on_an_adapter_is_understood(emu: Emulator, retry: int) -> None:
    """urllib3 takes a number where requests puts a ``Retry``."""
    session = wrap(requests.Session(), configured(emu))
    session.get_adapter(emu.url).max_retries = retry  # type: ignore[attr-defined]
    emu.script(BUSY)
    answer = session.get(emu.url + MODELS)
    assert (answer.status_code, len(report(answer).notes)) == (200, int(retry > 0))  # type: ignore[union-attr]
    session.close()


@pytest.mark.parametrize("retry", [0, urllib3.Retry(0, read=False), urllib3.Retry(False)])
def test_no_retry_layer_is_nothing_to_tell(emu: Emulator, retry: Any) -> None:
    """requests' own default is no retry layer."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    wrap(session, configured(emu))
    emu.script(BUSY)
    assert report(session.get(emu.url + MODELS)).notes == ()  # type: ignore[union-attr]
    session.close()


# --- adapters of the user's own


def answered(status: int, body: Any, request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code, response.request, response.url = status, request, str(request.url)
    if isinstance(body, bytes):
        response._content = body
    else:
        response.raw = body
    return response


@pytest.mark.parametrize("body", [b'{"error":{"code":"insufficient_quota"}}', io.BytesIO(b"whatever"), None])
def test_an_adapter_that_is_no_httpadapter_is_served_too(body: Any) -> None:
    """Its answers are judged by their body where it is there, by their status where nobody could put it back."""
    sent: list[requests.PreparedRequest] = []

    class Own(BaseAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            sent.append(request)
            return answered(429, body, request)

        def close(self) -> None:
            """Nothing to close."""

    session = requests.Session()
    session.mount("https://", Own())
    wrap(session, Resilience(api_key="k", runtime=Waits().runtime(), guards=ALONE))
    answer = session.post("https://api.anyint.ai" + CHAT, json=ASK, stream=True)
    assert len(sent) == (1 if isinstance(body, bytes) else 3)
    assert sent[0].headers["Authorization"] == "Bearer k"
    assert report(answer).decision.action is Action.NO_RETRY  # type: ignore[union-attr]


# --- faults and times


def test_a_request_that_never_left_is_no_unknown_outcome(session: requests.Session, emu: Emulator) -> None:
    """A CA bundle that is not there, an impossible time-out or header: the client's own error, and no ledger entry."""
    for wrong in ({"verify": "/no/such/bundle"}, {"timeout": (1, 2, 3)}):
        url = "https://gateway.api.anyint.ai" if "verify" in wrong else emu.url
        with pytest.raises((OSError, ValueError)) as caught:
            session.post(url + VIDEOS, json=FILM, **wrong)  # type: ignore[arg-type]
        assert not isinstance(caught.value, OutcomeUnknown)
    assert session.adapters["http://"].surface.anyint.ledger.unknown() == ()  # type: ignore[attr-defined]


def test_a_request_prepared_by_hand_and_not_wholly_is_requests_own_affair(session: requests.Session) -> None:
    """We fail no earlier and no other way than requests does."""
    request = requests.PreparedRequest()
    request.method, request.url = "GET", "http://[::1"
    with pytest.raises((requests.RequestException, ValueError, AttributeError)):
        session.send(request)


@pytest.mark.parametrize(
    ("timeout", "left", "wanted"),
    [
        (None, 2.0, 2.0),
        (5, 2.0, 2.0),
        (1, 2.0, 1),
        ((5, 1), 2.0, (2.0, 1)),
        ((None, 9), 2.0, (2.0, 2.0)),
        ("soon", 2.0, "soon"),
    ],
)
def test_a_deadline_bounds_every_form_of_timeout(timeout: Any, left: float, wanted: Any) -> None:
    """Seconds, pairs and none are cut to what is left; nonsense stays, for requests to name."""
    assert bounded(timeout, left) == wanted


def test_a_deadline_bounds_urllib3s_own_timeout() -> None:
    """Its total is cut, its parts stay."""
    made = bounded(urllib3.Timeout(connect=1, read=9), 2.0)
    assert (made.total, made._connect, made._read) == (2.0, 1, 9)


def test_a_deadline_is_a_requests_timeout(emu: Emulator) -> None:
    """Code that catches ``requests.Timeout`` goes on working."""
    emu.script(Fault(stall="before_headers"))
    with wrap(requests.Session(), configured(emu, policy=Policy(deadline=0.2))) as session:
        with pytest.raises(requests.Timeout) as caught:
            session.post(emu.url + CHAT, json=ASK, timeout=30)
    assert isinstance(caught.value, DeadlineExceeded)


def test_an_unread_answer_goes_when_nobody_has_it(emu: Emulator) -> None:
    """A deadline leaves no reference cycle that would keep the response and its connection."""
    with wrap(requests.Session(), configured(emu, policy=Policy(deadline=60))) as session:
        answer = session.post(emu.url + CHAT, json=ASK, stream=True)
        raw = weakref.ref(answer.raw)
        gc.collect()
        gc.disable()
        try:
            del answer
            assert raw() is None
        finally:
            gc.enable()


class Tenants(HTTPAdapter):
    """An application's own adapter, which reads what the application has put on its requests."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        self.seen.append(request)
        return super().send(request, *args, **options)


class Prepared(requests.PreparedRequest):
    """An application's own request."""

    tenant = ""


@pytest.mark.parametrize("api_key", [None, "test-key"], ids=["its own key", "our key"])
@pytest.mark.parametrize("observed", [False, True], ids=["unobserved", "observed"])
def test_an_adapter_below_sees_the_callers_own_request(emu: Emulator, observed: bool, api_key: str | None) -> None:
    """Of its class and with whatever is on it, in each attempt, though its headers are ours; the caller's own stay."""
    settings = {"tracer_provider": TracerProvider(shutdown_on_exit=False)} if observed else {}
    session, below = requests.Session(), Tenants()
    session.mount("http://", below)
    request = Prepared()
    headers = {"Authorization": "Bearer test-key"} if api_key is None else {}
    request.prepare("POST", emu.url + CHAT, headers=headers, json=ASK, cookies={})
    request.tenant = "acme"
    before = dict(request.headers)
    emu.script(BUSY)
    with wrap(session, configured(emu, api_key=api_key, **settings)):
        assert session.send(request).status_code == 200
    assert [(type(it), it.tenant, it.body) for it in below.seen] == [(Prepared, "acme", request.body)] * 2
    assert ["traceparent" in it.headers for it in below.seen] == [observed] * 2
    assert dict(request.headers) == before


below, above = urllib3.exceptions, requests.exceptions
POOL: Any = urllib3.HTTPConnectionPool("localhost")
FAULTS = [
    (requests.ConnectTimeout(), FaultKind.CONNECT_TIMEOUT),
    (requests.ReadTimeout(), FaultKind.READ_TIMEOUT),
    (
        above.ProxyError(below.MaxRetryError(POOL, "/", below.ProxyError("", OSError("no CONNECT")))),
        FaultKind.PROXY_ERROR,
    ),
    (
        above.ProxyError(below.MaxRetryError(POOL, "/", below.ProxyError("", below.NewConnectionError(POOL, "")))),
        FaultKind.PROXY_ERROR,
    ),
    (
        above.ProxyError(below.MaxRetryError(POOL, "/", below.ProxyError("", ConnectionResetError(104, "")))),
        FaultKind.READ_ERROR,
    ),
    (above.InvalidURL(), FaultKind.LOCAL_ERROR),
    (above.MissingSchema(), FaultKind.LOCAL_ERROR),
    (above.InvalidHeader(), FaultKind.PROTOCOL_ERROR),
    (above.UnrewindableBodyError(), FaultKind.LOCAL_ERROR),
    (ValueError("bad time-out"), FaultKind.LOCAL_ERROR),
    (OSError("no CA bundle"), FaultKind.LOCAL_ERROR),
    (OSError(104, "reset"), FaultKind.UNKNOWN),
    (UnicodeError("an answer that could not be read"), FaultKind.UNKNOWN),
    (above.ChunkedEncodingError(), FaultKind.READ_ERROR),
    (above.SSLError(below.MaxRetryError(POOL, "/", below.SSLError(ssl.SSLEOFError()))), FaultKind.READ_ERROR),
    (
        above.SSLError(below.MaxRetryError(POOL, "/", below.SSLError(ssl.SSLCertVerificationError()))),
        FaultKind.TLS_CERTIFICATE,
    ),
    (
        requests.ConnectionError(below.MaxRetryError(POOL, "/", below.NewConnectionError(POOL, "refused"))),
        FaultKind.CONNECT_ERROR,
    ),
    (requests.ConnectionError(below.EmptyPoolError(POOL, "full")), FaultKind.POOL_TIMEOUT),
    (below.EmptyPoolError(POOL, "full"), FaultKind.POOL_TIMEOUT),
    (requests.ConnectionError(below.ReadTimeoutError(POOL, "/", "slow")), FaultKind.READ_TIMEOUT),
    (requests.ConnectionError(below.ProtocolError("aborted", ConnectionResetError())), FaultKind.READ_ERROR),
    (requests.ConnectionError(), FaultKind.UNKNOWN),
    (RuntimeError(), FaultKind.UNKNOWN),
]


@pytest.mark.parametrize(("error", "kind"), FAULTS, ids=lambda it: it if isinstance(it, FaultKind) else "")
def test_each_exception_says_what_became_of_the_request(error: Exception, kind: FaultKind) -> None:
    """Only what surely never left may be sent again for a paid create: TLS that broke later is not among it."""
    assert fault_of(error).kind is kind
