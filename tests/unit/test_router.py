"""Which requests are ours, and the plan of each."""

from __future__ import annotations

import pytest

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.reconcile import EXISTING
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES
from anyint_resilience.contract.words import Family, Operation, Origin
from anyint_resilience.router import MAX_CACHED, Router, gateway_url, host_problem, is_loopback
from anyint_resilience.tasks.handle import CREATES


@pytest.mark.parametrize("route", [*ROUTES, *SEEDANCE_ROUTES], ids=lambda route: str(route.name))
def test_every_row_matches_itself(route: object) -> None:
    """Each row of the contract is found by its own method and a filled-in path, with or without a final slash."""
    from anyint_resilience.contract.routes import Route

    assert isinstance(route, Route)
    table = RouteTable(seedance=True)
    path = "/".join(
        ("a-1" if part == "{x}" else part.replace("{model}", "gem-2.5")) for part in route.template.split("/")
    )
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + "some.id-1" + path[end + 1 :]
    method = "PATCH" if route.method == "*" else route.method
    assert table.match(method, path) is route
    assert table.match(method.lower(), path + "/") is route


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("/openai/v1/unheard/of", Family.OPENAI),
        ("/openai/v1//videos", Family.OPENAI),
        ("/gemini/v1beta/models/m:unheardOf", Family.GEMINI),
        ("/v1/models", None),
        ("/", None),
        ("", None),
        ("/doubao/videos/1", None),
        ("/" + "a/" * 5000, None),
    ],
)
def test_a_path_no_row_names_is_unlisted(path: str, family: Family | None) -> None:
    """Unknown paths keep their family and are never taken for a known operation."""
    route = RouteTable().match("POST", path)
    assert (route.family, route.operation) == (family, Operation.OTHER)


@pytest.mark.parametrize("method", ["POST", "post", "GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("path", "family", "paid"),
    [
        ("/transtreams/kling/v1/videos/unheard-of", Family.KLING, True),
        ("/suno/unheard-of", Family.SUNO, True),
        ("/suno/query/task", Family.SUNO, True),
        ("/dashscope/api/v1/unheard/of", Family.DASHSCOPE, True),
        ("/doubao/unheard-of", Family.SEEDANCE, True),
        ("/openai/v1/unheard-of", Family.OPENAI, False),
        ("/anthropic/v1/unheard-of", Family.ANTHROPIC, False),
        ("/gemini/v1beta/unheard-of", Family.GEMINI, False),
        ("/v1/unheard-of", None, False),
    ],
)
def test_an_unlisted_post_of_a_family_of_tasks_is_taken_for_a_create(
    path: str, family: Family | None, paid: bool, method: str
) -> None:
    """Where all that is posted makes a paid task, what is new does too; any other method asks or ends."""
    route = RouteTable(seedance=True).match(method, path)
    if route.origin is Origin.ASSUMED:  # no row names it
        creates = paid and method.upper() == "POST"
        assert (route.family, route.operation) == (family, Operation.CREATE if creates else Operation.OTHER)
        assert ("taken for a paid create" in route.note) is creates
        assert (route.query, route.tasks) == (None, None)
    else:
        assert (path, method) == ("/suno/query/task", "GET")


def test_seedance_is_not_known_unless_it_is_asked_for() -> None:
    """Its unlisted paths are nobody's then."""
    route = RouteTable().match("POST", "/doubao/unheard-of")
    assert (route.family, route.operation) == (None, Operation.OTHER)


def test_a_remix_of_a_video_is_a_paid_create() -> None:
    """It makes a task like the video's own, which is asked for in the same place; a GET of it is nothing known."""
    table = RouteTable()
    remix, video = (table.match("POST", f"/openai/v1/videos{it}") for it in ("/v1/remix", ""))
    assert remix.name == "POST /openai/v1/videos/{video_id}/remix"
    assert remix.operation is Operation.CREATE
    assert (remix.query, remix.tasks) == (video.query, video.tasks)
    assert remix.origin is Origin.ASSUMED
    assert remix.name in CREATES
    assert table.match("GET", "/openai/v1/videos/v1/remix").operation is Operation.OTHER


def test_creates_of_which_there_can_be_one_are_creates_whose_tasks_can_be_asked_for() -> None:
    """Two of Suno's, each with the one code that names the task there is."""
    assert EXISTING == {"POST /suno/generate-cover": "400", "POST /suno/wav-generate": "409"}
    assert all(CREATES[it].query is not None for it in EXISTING)


@pytest.mark.parametrize(
    ("url", "gateway"),
    [
        ("https://gw.example", "https://gw.example"),
        ("https://gw.example/", "https://gw.example"),
        ("https://gw.example/openai/v1", "https://gw.example"),
        ("https://gw.example:8443/p/openai/v1/", "https://gw.example:8443/p"),
        ("http://127.0.0.1:8080/a/b", "http://127.0.0.1:8080/a/b"),
    ],
)
def test_where_a_gateway_is(url: str, gateway: str) -> None:
    """Its URL without the contract's own path, behind whatever proxy."""
    assert gateway_url(url) == gateway


@pytest.mark.parametrize("url", ["https://*.example", "https://x y.example", "https://x.example ", "https://."])
def test_a_host_that_can_never_be_met_is_refused(url: str) -> None:
    """It would protect nothing, and say nothing."""
    assert host_problem(url) is not None


def test_hosts_that_are_ours() -> None:
    """Both published hosts, the base URL's and added ones; exactly those, with their scheme and port."""
    router = Router(urls=["http://127.0.0.1:8080/openai/v1", "https://proxy.example/anyint/"])

    def family(scheme: str, host: str, port: int | None, path: bytes = b"/openai/v1/models") -> Family | None:
        plan = router.plan(scheme, host, port, "GET", path)
        return None if plan is None else plan.route.family

    assert family("https", "gateway.api.anyint.ai", None) is Family.OPENAI
    assert family("https", "api.anyint.ai", 443) is Family.OPENAI
    assert family("https", "API.ANYINT.AI", None) is Family.OPENAI
    assert family("http", "127.0.0.1", 8080) is Family.OPENAI
    assert family("https", "proxy.example", None, b"/anyint/openai/v1/models") is Family.OPENAI
    for scheme, host, port in [
        ("https", "anyint.ai.evil.example", None),
        ("https", "evil-api.anyint.ai.example", None),
        ("https", "api.anyint.ai", 8443),
        ("http", "127.0.0.1", 8081),
        ("ws", "api.anyint.ai", None),
        ("https", "", None),
    ]:
        assert family(scheme, host, port) is None


def test_plain_http_to_a_published_host_is_ours_but_not_secure() -> None:
    """The route is known and no key may travel."""
    plan = Router().plan("http", "api.anyint.ai", None, "GET", b"/openai/v1/models")
    assert plan is not None
    assert not plan.secure
    assert not plan.fast


@pytest.mark.parametrize(
    ("method", "path", "fast"),
    [
        ("POST", b"/openai/v1/chat/completions", True),
        ("GET", b"/openai/v1/videos/v/content", True),
        ("POST", b"/openai/v1/videos", False),
        ("POST", b"/openai/v1/files", False),
        ("GET", b"/suno/query/task?taskId=1", False),
        ("POST", b"/transtreams/kling/v1/videos/text2video", False),
        ("GET", b"/dashscope/v1/tasks/1", False),
    ],
)
def test_the_fast_lane_is_for_answers_that_need_no_reading(method: str, path: bytes, fast: bool) -> None:
    """Paid creates and families with codes inside HTTP 200 are looked at; the rest goes straight back."""
    plan = Router().plan("https", "api.anyint.ai", None, method, path)
    assert plan is not None
    assert plan.fast is fast


def test_the_cache_is_bounded_and_holds_no_query() -> None:
    """A million task ids do not grow it without end, and nothing secret in a query stays there."""
    router = Router()
    for number in range(MAX_CACHED * 2 + 10):
        router.plan("https", "api.anyint.ai", None, "GET", b"/openai/v1/videos/%d?key=secret" % number)
    assert len(router._plans) <= MAX_CACHED
    assert not any(b"secret" in key[-1] for key in router._plans)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://gateway.example", True),
        ("https://gateway.example:8443/prefix", True),
        ("http://localhost:1", True),
        ("http://127.5.5.5", True),
        ("http://[::1]:8080", True),
        ("http://gateway.example", False),
        ("http://127.evil.example", False),
        ("gateway.example", False),
        ("ftp://gateway.example", False),
        ("https://user:secret@gateway.example", False),
        ("https://gateway.example:99999999", False),
        ("https://[broken", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_a_base_url_is_checked_and_its_problem_named_without_secrets(url: object, fine: bool) -> None:
    """Only https, or http to this machine; no password in a URL."""
    problem = host_problem(url)
    assert (problem is None) is fine
    assert problem is None or "secret" not in problem


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.0.0.1.evil.example", False), ("10.0.0.1", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only this machine counts."""
    assert is_loopback(host) is expected
