"""Step 1: the base URL. A key must not go to a host that only looks like AnyInt's, nor over plain http."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Final
from urllib.parse import urlsplit

from ...contract.routes import HOSTS, PREFIXES
from ...router import host_problem, is_loopback
from ..masking import place
from ..trusting import stranger
from .context import NO_PATHS, Context
from .finding import Blocked, Finding, failed, joined, warning
from .paths import host_of, shown

__all__ = ["URL", "check_address", "hold_back", "looks_alike"]

URL: Final = "ANYINT_BASE_URL"
_DOMAIN: Final = "anyint.ai"
_NAME: Final = "anyint"
_SECOND: Final = frozenset("ac co com edu gov net org".split())  # under a country: anyint.co.uk
_QUOTES: Final = "\"'`“”‘’"
_UNQUOTE: Final = "Take them away: docker's --env-file and .env keep them."
_RIGHT: Final = f"Use https://{HOSTS[0]}, the host alone: {URL}, --base-url, or base_url in the file."


def looks_alike(host: str) -> bool:
    """Whether a host is none of AnyInt's and may be taken for one: a slip of the pen, or somebody's trap."""
    if host == _DOMAIN or host.endswith(f".{_DOMAIN}"):
        return False
    labels = [_decoded(it) for it in host.split(".")]
    suffix = 2 if len(labels) > 2 and labels[-2] in _SECOND else 1
    own = labels[max(0, len(labels) - suffix - 1)].replace("-", "")
    return _DOMAIN in host or _NAME in own or _slip(own, _NAME)


def _decoded(label: str) -> str:
    if label.startswith("xn--"):
        with suppress(UnicodeError):
            return label[4:].encode().decode("punycode")
    return label


def _slip(word: str, right: str) -> bool:
    """Whether one letter was left out, put in, taken for another, or two changed places."""
    while word and right and word[0] == right[0]:
        word, right = word[1:], right[1:]
    while word and right and word[-1] == right[-1]:
        word, right = word[:-1], right[:-1]
    return max(len(word), len(right)) <= 1 or (len(word) == 2 and word == right[::-1])


def hold_back(ctx: Context) -> Blocked | None:
    """Return why no key may go to this base URL, None if one may."""
    problem = host_problem(ctx.base_url)
    if problem is not None:
        return Blocked("base-url", f"the base URL {problem}")
    if looks_alike(host_of(ctx.base_url)):
        return Blocked("base-url", "the host only looks like AnyInt's, so that no key was sent there")
    if _stranger(ctx) is not None:
        return Blocked("base-url", "a file that nobody named says which host gets the key, so that none was sent there")
    return None


def _stranger(ctx: Context) -> Path | None:
    named = ctx.options.base_url or ctx.options.config
    return None if named else stranger(ctx.loaded, ctx.base_url, ctx.environ)


def check_address(ctx: Context) -> Finding:
    """See where requests go, and whether a key may go there."""
    url = ctx.base_url
    problem = host_problem(url)
    if problem is not None:
        if url.strip()[:1] in _QUOTES:
            return failed(f"quotation marks are part of it: {_told(ctx, url.strip().strip(_QUOTES))}", _UNQUOTE)
        return failed(f"{_told(ctx, url)} {problem}", _mended(url))
    host = host_of(url)
    given = "--base-url" if ctx.options.base_url else ctx.loaded.origins.get("base_url", "AnyInt's own")
    where = f"{ctx.mask.foreign(shown(url), 100)} ({given})"
    well = where if host in HOSTS and not urlsplit(url).path.strip("/") else f"{where}: this machine"
    return joined(_doubts(ctx, url, host, where), well)


def _told(ctx: Context, url: str) -> str:
    """Return what was given for a base URL, so that its slip can be seen; not what may be a key in the wrong place."""
    text = place(url)
    if not text.strip() or not (set(text) & set(".:/") or text == "localhost"):
        return "it"
    return repr(ctx.mask.foreign(text, 100))


def _mended(url: str) -> str:
    """Say which base URL to use: on this machine an emulator's."""
    rest = place(url).partition("://")[2] or place(url)
    authority = rest.strip().partition("/")[0]
    if not is_loopback(host_of(f"//{authority}")):
        return _RIGHT
    example = authority if authority.rpartition(":")[2].isdigit() else f"{authority}:PORT"
    return f"Use http://{example}, as the emulator prints it: {URL}, --base-url, or base_url in the file."


def _doubts(ctx: Context, url: str, host: str, where: str) -> Iterator[Finding]:
    slips = [it.partition(" ")[0] for it in ctx.loaded.remarks if it.endswith(f": {URL} is")]
    if slips and not ctx.options.base_url and not ctx.environ.get(URL):
        yield warning(
            f"{where}; {slips[0]} is set, and nothing reads it", f"Rename it: {URL} is the name that is read."
        )
    file = _stranger(ctx)
    if looks_alike(host):
        yield failed(
            f"{where} only looks like one of AnyInt's hosts ({', '.join(HOSTS)}): no key was sent there",
            _RIGHT,
        )
    elif file is not None:
        yield failed(
            f"{where} is none of AnyInt's hosts, and {file.name} was found, not named: no key was sent there",
            f"If you trust this file, say so: --config {ctx.mask.foreign(quote(str(file)), 200)}, or --base-url URL.",
        )
    elif host not in HOSTS and not is_loopback(host):
        yield warning(
            f"{where} is none of AnyInt's published hosts: the key goes there",
            "Right for a proxy of your own; if it is none, use https://" + HOSTS[0] + ".",
        )
    path = urlsplit(url).path.strip("/")
    if any(it in PREFIXES for it in path.split("/")):
        yield failed(
            f"{where} has an API's path at its end, which every request would have twice",
            "Give the host alone; only an SDK's own base_url ends in /openai/v1 or /anthropic.",
        )
    elif path in NO_PATHS:
        yield failed(f"{where}: AnyInt has nothing under /{path}", _mended(url) if is_loopback(host) else _RIGHT)
    elif path:
        yield warning(
            f"{where}: every request goes to a path under {ctx.mask.foreign(f'/{path}', 100)}",
            "Right behind a reverse proxy that takes it off; if there is none, give the host alone.",
        )
