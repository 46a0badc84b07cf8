"""What is wrong with a configuration: every problem at once, each in words. Must not know a client, nor open anything.

The arguments are those of a ``Resilience``; one that is left out has its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .contract.routes import HOSTS
from .credentials import key_problem
from .fallbacks import fallback_problems, guards_problems
from .guards.settings import Guards
from .policy.rules import Policy
from .router import Router, gateway_url, host_problem
from .runtime import Runtime
from .stores.opening import store_problem
from .telemetry.hub import telemetry_problems

__all__ = ["problems_of", "tupled", "url_of"]


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
    urls: list[tuple[str, Any]] = [("hosts", it) for it in (hosts if isinstance(hosts, tuple) else (hosts,))]
    if given.get("base_url") is not None:
        urls.append(("base_url", given["base_url"]))
    key = given.get("api_key")
    problems = [f"api_key {key_problem(key)}"] if _unusable(key) else []
    bad_urls = [f"{name} {problem}" for name, url in urls if (problem := host_problem(url)) is not None]
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
            problems.append(f"{name} must be True or False, not {given[name]!r}")
    if given.get("dedupe") not in (None, "fingerprint"):
        problems.append(f"dedupe must be 'fingerprint' or None, not {given['dedupe']!r}")
    return problems


def _seconds_problems(given: Mapping[str, Any]) -> list[str]:
    wait, window, problems = given.get("store_wait", 0.05), given.get("unknown_window", 3600.0), []
    if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0.001 <= wait <= 60:
        problems.append(f"store_wait must be a number of seconds from 0.001 to 60, not {wait!r}")
    if isinstance(window, bool) or not isinstance(window, (int, float)) or not 0 < window < float("inf"):
        problems.append(f"unknown_window must be a number of seconds above 0, not {window!r}")
    return problems
