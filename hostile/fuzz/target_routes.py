"""Which request is whose, and which host gets a key: URLs as every client reads them, headers, models and tasks.

Must not know how the fuzzer works. An input: ``METHOD MODEL TASK``, headers, and the body of a request. The header
``url`` says where it goes, ``host`` what is configured beside AnyInt's own hosts; the others go with the request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import AUTH_STYLE, HOSTS, PREFIXES, Route
from anyint_resilience.contract.words import AuthStyle, Family
from anyint_resilience.credentials import Credentials
from anyint_resilience.policy.named import features_in, with_model, with_path
from anyint_resilience.policy.request import glance, operation_of, same_json
from anyint_resilience.router import PORTS, Plan, Router, gateway_name, gateway_url, host_problem, is_loopback
from anyint_resilience.tasks.handle import CREATES, TaskHandle
from anyint_resilience.tasks.updates import query_route

from .shapes import message, pick, written

__all__ = ["check", "seeds", "words"]

KEY: Final = "sk-canary-0123456789abcdef"
_AUTH: Final = (b"authorization", b"x-api-key", b"x-goog-api-key")
_TABLE: Final = RouteTable(seedance=True)
_METHODS: Final = ("GET", "POST", "DELETE", "PUT")

Place = tuple[str, str, "int | None", bytes]


def check(data: bytes) -> None:
    """No key goes where no configured host is, however a URL is written; what is asked for stays what it was."""
    said = message(data)
    method = said.word(0) or "GET"
    urls = [value for name, value in said.headers if name == "host"]
    asked = next((value for name, value in said.headers if name == "url"), "")
    usable = [url for url in urls if _can_be_used(url)]
    router = _router(tuple(usable))
    trusted = _trusted(usable)
    headers = [
        (name.encode(errors="replace"), value.encode("latin-1", "replace"))
        for name, value in said.headers
        if name not in ("url", "host")
    ]
    for read in _readers():
        found = read(asked)
        if found is not None:
            place, goes_to = found
            plan = router.plan(place[0], place[1], place[2], method, place[3])
            _only_to_those(plan, goes_to, trusted)
            _is_remembered(router, plan, place, method)
            _one_key_or_none(plan, headers)
    _rows_keep_their_shape(method, asked, said.word(1))
    _bodies_keep_their_shape(_TABLE.match(method, urlpath(asked)), said.body, said.word(1))
    _tasks_stay_where_they_are(said.word(2), asked, router)


def urlpath(url: str) -> str:
    """Return what may be a path of a URL, in the plainest way."""
    return "/" + url.partition("://")[2].partition("/")[2].partition("?")[0]


# --- hosts


@lru_cache(maxsize=64)
def _router(urls: tuple[str, ...]) -> Router:
    return Router(urls=urls, seedance=True)


def _can_be_used(url: str) -> bool:
    """Whether a host can be configured; one that can has one meaning for all."""
    problem = host_problem(url)
    if problem is not None:
        assert "@" not in url or url not in problem  # it may hold a password
        return False
    parts = urlsplit(url)
    assert parts.scheme == "https" or is_loopback(parts.hostname or "")
    assert parts.username is None or parts.username == ""
    assert gateway_url(url).startswith(f"{parts.scheme}://")
    assert gateway_url(gateway_url(url)) == gateway_url(url)
    return True


def _trusted(urls: list[str]) -> set[tuple[str, str, int]]:
    """Return the places that may have a plan, read off as plainly as can be."""
    own = {(scheme, host, port) for host in HOSTS for scheme, port in PORTS.items()}
    parts = [urlsplit(url) for url in urls]
    return own | {(it.scheme, _bare(it.hostname or ""), it.port or PORTS[it.scheme]) for it in parts if it.port != 0}


def _bare(host: str) -> str:
    return host.lower().rstrip(".")


def _only_to_those(plan: Plan | None, goes_to: tuple[str, str, int | None], trusted: set[tuple[str, str, int]]) -> None:
    """A request has a plan only where its client connects to a trusted host, and a key only by https or at home."""
    if plan is None:
        return
    scheme, host, port = goes_to
    assert host.isascii(), goes_to
    assert (scheme, _bare(host), PORTS.get(scheme, 0) if port is None else port) in trusted, goes_to
    assert plan.secure == (scheme == "https" or is_loopback(_bare(host)))
    assert gateway_name(scheme, host, port).isascii()


def _is_remembered(router: Router, plan: Plan | None, place: Place, method: str) -> None:
    """What is remembered is what would be found anew; a query changes nothing."""
    scheme, host, port, target = place
    again = router.plan(scheme, host, port, method, target.partition(b"?")[0] + b"?a=/openai/v1/videos")
    assert (again is None) == (plan is None)
    assert again is None or plan is None or again.route is plan.route


# --- keys


def _one_key_or_none(plan: Plan | None, headers: list[tuple[bytes, bytes]]) -> None:
    """To a trusted host one key goes, in its family's header; to any other none of AnyInt's."""
    credentials = Credentials(KEY)
    if plan is None:
        stripped = credentials.strip(headers)
        left = headers if stripped is None else stripped.apply(headers)
        values = [value for name, value in left if name.lower() in _AUTH]
        assert not any(value.strip() == KEY.encode() or _token(value) == KEY.encode() for value in values)
        return
    family = plan.route.family
    edit = credentials.edit(headers, family, plan.style, secure=plan.secure)
    final = headers if edit is None else edit.apply(headers)
    held = [(name.lower(), value) for name, value in final if name.lower() in _AUTH and value.strip()]
    if not plan.secure:
        assert not held
        return
    assert plan.style is (AuthStyle.BEARER if family is None else AUTH_STYLE[family])
    right = b"authorization" if plan.style is AuthStyle.BEARER else b"x-api-key"
    assert [name for name, _ in held] == [right]
    assert credentials.edit(final, family, plan.style, secure=True) is None
    assert credentials.used(final, None)
    lowered = [(name, name.lower(), value) for name, value in headers]
    if credentials.in_order(lowered, plan.style):
        assert edit is None
    assert KEY not in repr(edit) + repr(credentials)


def _token(value: bytes) -> bytes:
    return value[7:].strip() if value[:7].lower() == b"bearer " else b""


# --- rows, bodies and tasks


def _rows_keep_their_shape(method: str, url: str, model: str) -> None:
    """Every method and path has a row, of the family of its first segment; another model has the same one."""
    path = urlpath(url)
    route = _TABLE.match(method, path)
    families = {**PREFIXES, "doubao": Family.SEEDANCE}
    named = route.family is Family.SEEDANCE and route.template == path.rstrip("/")
    assert named or route.family is families.get(path.strip("/").split("/")[0])
    assert _TABLE.match(method.lower(), path) is _TABLE.match(method.upper(), path) or not method.isascii()
    other = with_path(route, path, model)
    if other is not None and model:
        assert _TABLE.match(method, other) is route, (path, other)


def _bodies_keep_their_shape(route: Route, body: bytes, model: str) -> None:
    """Another model is all that changes in a body, and what it asks for does not."""
    operation = operation_of(route, body)
    assert glance(route, body) is operation
    features_in(body, ("tools", "stream", "model"))
    assert same_json(same_json(body)) == same_json(body)
    made = with_model(body, route.family, model)
    if made is not None:
        field = "model_name" if route.family is Family.KLING else "model"
        before, after = _first_of(body), _first_of(made)
        assert {**before, field: model} == after or json.dumps({**before, field: model}) == json.dumps(after)
        assert with_model(made, route.family, model) == made


def _first_of(body: bytes) -> Any:
    """Return the JSON that a body begins with; what stands behind it is the server's to refuse."""
    return json.JSONDecoder().raw_decode(body.decode().lstrip(" \t\r\n"))[0]


def _tasks_stay_where_they_are(task_id: str, url: str, router: Router) -> None:
    """What asks for a task asks its own gateway, by its own row, whatever its id and its gateway are."""
    row = pick(tuple(CREATES.values()), task_id)
    assert row.family is not None
    gateway = url.partition("?")[0]
    try:
        handle = TaskHandle(family=row.family, route=row.name, task_id=task_id, gateway=gateway, created_at=1.0)
    except ValueError as error:
        assert KEY not in str(error)
        return
    assert TaskHandle.from_json(handle.to_json()) == handle
    assert query_route(handle).query is None or handle.path.startswith("/")
    assert _TABLE.match("GET", handle.path.partition("?")[0]).name == query_route(handle).name
    try:
        asked, home = urlsplit(handle.url), urlsplit(gateway)
        places = (asked.scheme, asked.hostname, asked.port), (home.scheme, home.hostname, home.port)
    except ValueError:  # no URL that anybody could ask
        return
    assert places[0] == places[1]
    plan = router.plan(asked.scheme, asked.hostname or "", asked.port, "GET", asked.path.encode("utf-8", "replace"))
    assert plan is None or asked.username is None


# --- how clients read a URL: the place that we are told of, and where they connect to

Reader = Callable[[str], "tuple[Place, tuple[str, str, int | None]] | None"]


@lru_cache(maxsize=1)
def _readers() -> tuple[Reader, ...]:
    """Return a reader for each client that is here."""
    found: list[Reader] = [_by_urlsplit]
    for name, made in (("httpx", _by_httpx), ("httpx2", _by_httpx), ("requests", _by_requests), ("aiohttp", _by_yarl)):
        try:
            module = import_module(name)
            ours = import_module(f"anyint_resilience_{name}")
        except ImportError:
            continue
        found.append(made(module, ours))
    return tuple(found)


def _by_urlsplit(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
    try:
        parts = urlsplit(url)
        place = parts.scheme, parts.hostname or "", parts.port, (parts.path or "/").encode("utf-8", "replace")
    except ValueError:
        return None
    return place, place[:3]


def _by_httpx(module: Any, ours: Any) -> Reader:
    from anyint_resilience._httpx.surface import Base

    place_of: Any = Base.place_of

    def read(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
        try:
            request = module.Request("GET", url)
        except Exception:  # the client's own, whatever it is
            return None
        where = request.url
        return place_of(None, request), (where.raw_scheme.decode(), where.raw_host.decode("latin-1"), where.port)

    return read


def _by_requests(module: Any, ours: Any) -> Reader:
    place_of: Any = import_module("anyint_resilience_requests._surface").Surface.place_of
    parse: Any = import_module("urllib3.util").parse_url

    def read(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
        try:
            request = module.PreparedRequest()
            request.prepare_url(url, None)
            goes = parse(request.url)
        except Exception:
            return None
        try:
            place = place_of(None, SimpleNamespace(request=request))
        except ValueError:  # which the adapter takes for a foreign host
            return None
        return place, (goes.scheme or "", goes.host or "", goes.port)

    return read


def _by_yarl(module: Any, ours: Any) -> Reader:
    place_of: Any = import_module("anyint_resilience_aiohttp._surface").Surface.place_of
    made: Any = import_module("yarl").URL

    def read(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
        try:
            where = made(url)
            assert where.host
        except Exception:
            return None
        hop = SimpleNamespace(request=SimpleNamespace(url=where, method="GET"))
        return place_of(None, hop), (where.scheme, where.raw_host or "", where.explicit_port)

    return read


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Hosts, look-alikes, and what a URL is made of."""
    yield from HOSTS
    yield from (f"{it}.evil.test" for it in HOSTS)
    yield from (
        "https://",
        "http://",
        "\nurl: https://",
        "\nhost: https://",
        "\\",
        "\\@",
        "@",
        ":443",
        ":80",
        ":0",
        "#",
        "?",
    )
    yield from (
        "xn--",
        "\u212a",
        "\u3002",
        "\u2024",
        "%2e",
        "%2f",
        "%00",
        "[::1]",
        "127.0.0.1",
        "localhost",
        "\t",
        "..",
        "/../",
    )
    yield from (
        "\nAuthorization: Bearer ",
        "\nx-api-key: ",
        "\nx-goog-api-key: ",
        "\nanthropic-version: 2023-06-01",
        KEY,
    )
    yield from ("\nx-stainless-retry-count: 1", '{"model":"m"}', '"model_name":', '"background":true', '"stream":true')
    yield from sorted({route.template for route in _TABLE.routes})
    yield from sorted({part for route in _TABLE.routes for part in route.template.split("/") if part})


def seeds() -> Iterator[bytes]:
    """Every row at AnyInt's host; every way to write a host that looks like it; keys in every header."""
    bearer, own = {"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY, "x-goog-api-key": KEY}
    body = '{"model": "m", "stream": true, "background": true, "tools": null}'
    for route in _TABLE.routes:
        path = route.template.replace("{", "").replace("}", "")
        yield written([route.method, "other/m", "t-1"], {"url": f"https://{HOSTS[0]}{path}", **bearer}, body)
    for at, url in enumerate(_LOOK_ALIKES):
        more = bearer if at % 2 else own
        configured = ("https://kling.example:8443/openai/v1", "http://127.0.0.1:8080", "https://gw.example.")[at % 3]
        yield written([_METHODS[at % 4], "m", "../x"], {"url": url, "host": configured, **more}, body)
    for url in (
        "https://u:p@h",
        "ftp://h",
        "https://h:99999",
        "http://h",
        "https://",
        "https://*",
        "https://[::1",
        "x",
    ):
        yield written(["GET", "m", "a/b?c#d"], {"url": url, "host": url, **own})


_LOOK_ALIKES: Final = (
    *(f"https://{HOSTS[0]}.evil.test/openai/v1/models", f"https://evil.test/{HOSTS[0]}/openai/v1/models"),
    *(f"https://{HOSTS[0]}@evil.test/", f"https://evil.test@{HOSTS[0]}/", f"https://u:p@{HOSTS[1]}:443/suno/generate"),
    *(
        f"https://{HOSTS[0]}\\@evil.test/",
        f"https://evil.test\\@{HOSTS[0]}/",
        f"https://{HOSTS[0]}:8443/openai/v1/models",
    ),
    *(f"https://{HOSTS[0]}./openai/v1/models", f"HTTPS://{HOSTS[0].upper()}/openai/v1/models", f"//{HOSTS[0]}/"),
    *(
        f"http://{HOSTS[0]}/openai/v1/models",
        f"https://{HOSTS[0]}:80/",
        f"http://{HOSTS[0]}:443/",
        f"https:{HOSTS[0]}/",
    ),
    *(
        "https://g\u0430teway.api.anyint.ai/",
        "https://gateway.api.anyint.\u0430i/",
        "https://gateway\u3002api.anyint.ai/",
    ),
    *(
        "https://kling.example:8443/openai/v1/models",
        "https://\u212aling.example:8443/",
        "https://xn--gateway-0ve.api/",
    ),
    *(
        "http://127.0.0.1:8080/openai/v1/models",
        "http://127.0.0.1.evil.test:8080/",
        "http://[::1]:8080/",
        "http://0x7f.1/",
    ),
    *("https://gw.example/openai/v1/models", "https://gw.example../", "https://gateway.api.anyint.ai%2eevil.test/"),
    *(
        "https://gateway.api.anyint.ai\t.evil.test/",
        " https://gateway.api.anyint.ai/",
        "https://gateway.api.anyint.ai#@e/",
    ),
)
