"""What is wrong with a configuration: every problem at once, each in words. Must not know a client, nor open anything.

The arguments are those of a ``Resilience``; one that is left out has its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .contract.routes import HOSTS
from .fallbacks import fallback_problems, guards_problems
from .guards.settings import Guards
from .keys import key_problem
from .policy.given import shown
from .policy.rules import Policy
from .router import HOST_FORM, Router, gateway_url, host_problem
from .runtime import Runtime
from .stores.opening import store_problem
from .telemetry.hub import telemetry_problems

__all__ = ["problems_of", "tupled", "url_of"]


_SECONDS: Final = (("store_wait", 0.05, 0.001, 60.0), ("unknown_window", 3600.0, 0.001, 1e9))


def tupled(value: object) -> object:
    """Return a tuple of what can be gone through, and anything else as it is: for a check to name."""
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else value


def url_of(base_url: str | None) -> str:
    """Return where the gateway of a configuration is, without the contract's own path (``/openai/v1``)."""
    return f"https://{next(iter(HOSTS))}" if base_url is None else gateway_url(base_url)


def problems_of(given: Mapping[str, Any]) -> list[str]:
    """Return everything that is wrong with the arguments of a ``Resilience``."""
    guards, fallbacks = given.get("guards", Guards()), tupled(given.get("fallbacks", ()))
    hosts = tupled(given.get("hosts", ()))
    urls: list[tuple[str, Any]] = [("hosts", it) for it in (hosts if isinstance(hosts, tuple) else ())]
    if given.get("base_url") is not None:
        urls.append(("base_url", given["base_url"]))
    key = given.get("api_key")
    problems = [f"api_key {key_problem(key)}"] if _unusable(key) else []
    bad_urls = [f"{name} {problem}" for name, url in urls if (problem := host_problem(url)) is not None]
    if not isinstance(hosts, tuple):
        bad_urls.append(f"hosts must be a list of URLs, each of which {HOST_FORM}")
    bad_guards = guards_problems(guards, fallbacks)
    problems += [*bad_urls, *_kind_problems(given), *bad_guards, *_seconds_problems(given)]
    store = given.get("store")
    problem = None if store is None else store_problem(store)
    if problem is not None:
        problems.append(f"store {problem}")
    problems += telemetry_problems(
        given.get("spans", "auto"),
        given.get("tracer_provider"),
        given.get("meter_provider"),
        tupled(given.get("listeners", ())),
    )
    if not bad_urls and not bad_guards and isinstance(fallbacks, tuple):
        router = Router(urls=[url for _, url in urls], seedance=given.get("seedance") is True)
        own = url_of(given.get("base_url"))
        problems += fallback_problems(fallbacks, router, own=own, keyless=key is None)
    return problems


def _unusable(key: object) -> bool:
    return key is not None and not callable(key) and key_problem(key) is not None


def _kind_problems(given: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, wanted, article in (("policy", Policy, "a Policy"), ("runtime", Runtime, "a Runtime")):
        if name in given and not isinstance(given[name], wanted):
            problems.append(f"{name} must be {article}, not {type(given[name]).__name__}")
    for name in ("seedance", "reconcile", "strict_ledger"):
        if not isinstance(given.get(name, False), bool):
            problems.append(f"{name} must be True or False, not {shown(given[name])}")
    if given.get("dedupe") not in (None, "fingerprint"):
        problems.append(f"dedupe must be 'fingerprint' or None, not {shown(given['dedupe'])}")
    return problems


def _seconds_problems(given: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, default, least, most in _SECONDS:
        value = given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            problems.append(f"{name} must be a number of seconds from {least:g} to {most:g}, not {shown(value)}")
    return problems
