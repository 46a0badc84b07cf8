"""Which requests are ours, and the plan of each."""

from __future__ import annotations

import pytest

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES
from anyint_resilience.contract.words import Family, Operation
from anyint_resilience.router import MAX_CACHED, Router, host_problem, is_loopback


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
