"""Step 1: the base URL. A key must not go to a host that only looks like AnyInt's, nor over plain http."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final
from urllib.parse import urlsplit

from ...contract.routes import HOSTS, PREFIXES
from ...router import host_problem, is_loopback
from .context import NO_PATHS, Context
from .finding import Blocked, Finding, failed, joined, ok, warning
from .paths import host_of, shown

__all__ = ["check_address", "hold_back", "looks_alike"]

_DOMAIN: Final = "anyint.ai"
_ALIKE: Final = 0.75
_RIGHT: Final = f"Use https://{HOSTS[0]}, the host alone: ANYINT_BASE_URL, --base-url, or base_url in the file."


def looks_alike(host: str) -> bool:
    """Whether a host is none of AnyInt's and may be taken for one: a slip of the pen, or somebody's trap."""
    if host == _DOMAIN or host.endswith(f".{_DOMAIN}"):
        return False
    own = ".".join(host.split(".")[-2:])
    return _DOMAIN in host or SequenceMatcher(None, own, _DOMAIN).ratio() >= _ALIKE


def hold_back(ctx: Context) -> Blocked | None:
    """Return why no key may go to this base URL, None if one may."""
    problem = host_problem(ctx.base_url)
    if problem is not None:
        return Blocked("base-url", f"the base URL {problem}")
    host = host_of(ctx.base_url)
    if looks_alike(host):
        return Blocked("base-url", "the host only looks like AnyInt's, so that no key was sent there")
    return None


def check_address(ctx: Context) -> Finding:
    """See where requests go, and whether a key may go there."""
    url = ctx.base_url
    problem = host_problem(url)
    if problem is not None:
        return failed(f"{ctx.mask.foreign(shown(url), 100) or 'it'} {problem}", _RIGHT)
    host = host_of(url)
    given = "--base-url" if ctx.options.base_url else ctx.loaded.origins.get("base_url", "AnyInt's own")
    where = f"{ctx.mask.foreign(shown(url), 100)} ({given})"
    if host in HOSTS and not urlsplit(url).path.strip("/"):
        return ok(where)
    return joined(_doubts(url, host, where), f"{where}: this machine")


def _doubts(url: str, host: str, where: str) -> Iterator[Finding]:
    if looks_alike(host):
        yield failed(
            f"{where} only looks like one of AnyInt's hosts ({', '.join(HOSTS)}): no key was sent there",
            _RIGHT,
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
        yield failed(f"{where}: AnyInt has nothing under /{path[:40]}", _RIGHT)
    elif path:
        yield warning(
            f"{where}: every request goes to a path under /{path[:40]}",
            "Right behind a reverse proxy that takes it off; if there is none, give the host alone.",
        )
