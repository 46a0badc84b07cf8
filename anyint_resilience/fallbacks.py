"""The fallbacks of a configuration, checked against what it knows: hosts, keys and routes.

Must not know any client.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from .credentials import Credentials
from .guards.guarding import Guarding
from .guards.settings import Guards
from .guards.shared import Shared
from .keys import key_problem
from .policy.fallback import Fallback, chain_problems, rows_by_model
from .policy.verdicts import PAID
from .router import Router, host_problem

__all__ = ["fallback_problems", "guarding_of", "guards_problems"]


def guards_problems(guards: object, fallbacks: object) -> list[str]:
    """Say what is wrong with the kinds of what was given."""
    problems = [] if isinstance(guards, Guards) else [f"guards must be a Guards, not {type(guards).__name__}"]
    if isinstance(fallbacks, (str, bytes)) or not isinstance(fallbacks, Iterable):
        return [*problems, f"fallbacks must be an iterable of Fallback, not {type(fallbacks).__name__}"]
    wrong = (it for it in fallbacks if not isinstance(it, Fallback))
    return problems + [f"each of the fallbacks must be a Fallback, not {type(it).__name__}" for it in wrong]


def fallback_problems(given: Iterable[Fallback], router: Router, *, own: str, keyless: bool) -> list[str]:
    """Return everything that is wrong with the fallbacks.

    ``own``: the configuration's gateway; ``keyless``: each request brings its own key.
    """
    rows = tuple(given)
    problems = chain_problems(rows, router.table)
    for row in rows:
        where = f"fallback {row.workload!r}: "
        problem = None if row.api_key is None else key_problem(row.api_key)
        if problem is not None:
            problems.append(f"{where}api_key {problem}")
        elsewhere = row.api_key is not None or row.base_url is not None
        if elsewhere and router.table.match("POST", row.route).operation in PAID:
            problems.append(f"{where}a paid create stays with the host and key that its task is asked for by")
        if row.base_url is None:
            continue
        problem = host_problem(row.base_url)
        if problem is not None:
            problems.append(f"{where}base_url {problem}")
            continue
        parts = urlsplit(row.base_url)
        if router.plan(parts.scheme, parts.hostname or "", parts.port, "POST", row.route.encode()) is None:
            problems.append(f"{where}base_url is no host of this configuration: hosts= says which are AnyInt's")
        if row.to is None and parts.netloc == urlsplit(own).netloc and row.api_key is None:
            problems.append(f"{where}base_url is the primary's own gateway")
        if row.api_key is None and keyless:
            problems.append(f"{where}another host without a credential: give it an api_key, or the configuration one")
    return problems


def guarding_of(
    settings: Guards, shared: Shared, given: Iterable[Fallback], router: Router, credentials: Credentials
) -> Guarding:
    """Return the guards of a configuration; the keys of its fallbacks are known to be keys from now on."""
    rows, keys = tuple(given), dict[Fallback, Credentials]()
    for row in rows:
        if row.api_key is not None:
            credentials.knows(row.api_key)
            keys[row] = Credentials(row.api_key)
    return Guarding(settings, shared, rows_by_model(rows, router.table), keys)
