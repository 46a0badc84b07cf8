"""Which request is whose, and which host gets a key: URLs as every client reads them, headers, models and tasks.

Must not know how the fuzzer works. An input: ``METHOD MODEL TASK``, headers, and the body of a request. The header
``url`` says where it goes, ``host`` what is configured beside AnyInt's own hosts; the others go with the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from anyint_resilience.contract.routes import AUTH_STYLE, HOSTS
from anyint_resilience.contract.words import AuthStyle
from anyint_resilience.credentials import Credentials
from anyint_resilience.exceptions import ResilienceError
from anyint_resilience.router import PORTS, Plan, Router, gateway_name, gateway_url, host_problem, is_loopback

from .readers import Place, readers
from .routed import TABLE, bodies_keep_their_shape, rows_keep_their_shape, tasks_stay_where_they_are
from .shapes import message, written

__all__ = ["check", "seeds", "words"]

KEY: Final = "sk-canary-0123456789abcdef"
_AUTH: Final = (b"authorization", b"x-api-key", b"x-goog-api-key")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_METHODS: Final = ("GET", "POST", "DELETE", "PUT")


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
    for read in readers():
        found = read(asked)
        if found is not None:
            place, goes_to = found
            plan = router.plan(place[0], place[1], place[2], method, place[3])
            _only_to_those(plan, goes_to, trusted)
            _is_remembered(router, plan, place, method)
            _one_key_or_none(plan, headers)
    rows_keep_their_shape(method, asked, said.word(1))
    bodies_keep_their_shape(method, asked, said.body, said.word(1))
    tasks_stay_where_they_are(said.word(2), asked, router)


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
    try:
        edit = credentials.edit(headers, family, plan.style, secure=plan.secure)
    except ResilienceError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert KEY not in said
        assert any(_CONTROL.search(value.strip()) for name, value in headers if name.lower() in _AUTH)
        return
    final = headers if edit is None else edit.apply(headers)
    assert not any(_CONTROL.search(value.strip()) for name, value in final if name.lower() in _AUTH)
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
    yield from sorted({route.template for route in TABLE.routes})
    yield from sorted({part for route in TABLE.routes for part in route.template.split("/") if part})


def seeds() -> Iterator[bytes]:
    """Every row at AnyInt's host; every way to write a host that looks like it; keys in every header."""
    bearer, own = {"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY, "x-goog-api-key": KEY}
    body = '{"model": "m", "stream": true, "background": true, "tools": null}'
    for route in TABLE.routes:
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
