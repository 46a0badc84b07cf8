"""What is configured and what is installed: the configuration, its store, and versions."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Final

from ...configuring.settings import KEY
from ...stores.opening import opened, store_problem
from ...stores.protocol import State, StoreError
from .address import URL
from .context import Context
from .finding import Finding, failed, joined, ok, warning
from .sending import CLIENTS

__all__ = ["check_config", "check_store", "check_versions"]

_OWN: Final = "anyint-resilience"
_ELSEWHERE: Final = ("api_key", "base_url")  # what other checks tell of
_WAIT: Final = 3.0  # seconds for a store
_SDKS: Final = {"openai": "2", "anthropic": "2", "google-genai": "3"}
"""The oldest versions that the tests run with."""

_OLDEST: Final = (3, 10)
_LOGIN: Final = re.compile("authenticat|NOAUTH|WRONGPASS", re.I)
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*>=\s*([0-9.]+)")


def check_config(ctx: Context) -> Finding:
    """Name every problem of the configuration, but those of key and address."""
    file = ctx.loaded.file
    source = "no file: the environment and defaults" if file is None else f"{file.name} and the environment"
    problems = ctx.problems(but=_ELSEWHERE)
    elsewhere = tuple(f": {it} is" for it in (KEY, URL))  # told by key and base-url
    remarks = [ctx.mask.foreign(it, 160) for it in ctx.loaded.remarks[:20] if not it.endswith(elsewhere)]
    if not problems and remarks:
        return warning(f"{source}: {'; '.join(remarks)}", "Rename it, unless it is your application's own.")
    if not problems:
        count = len(ctx.loaded.origins)
        return ok(f"{source}, {count} setting(s), nothing wrong with them")
    told = "; ".join(ctx.mask.foreign(it, 300) for it in problems[:20])
    more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
    return failed(f"{source}: {told}{more}", "anyint-resilience config check lists them too (docs/configuration.md).")


def check_store(ctx: Context) -> Finding:
    """Open the store that the configuration names, and read from it."""
    url = ctx.loaded.arguments.get("store")
    if not isinstance(url, str):
        return ok("none is named: this process's memory")
    if store_problem(url) is not None:
        return failed("the store that is named can't be one", "See config, above.")
    kind = url.partition("://")[0]
    if kind == "sqlite" and not (file := Path(url.removeprefix("sqlite:///"))).exists() and file.parent.is_dir():
        return ok(
            f"sqlite: {ctx.mask.foreign(file, 100)} is not there yet, and its folder is: the first process makes it"
        )
    ctx.mask.add(url.partition("://")[2].rpartition("@")[0].rpartition(":")[2])
    store = None
    try:
        store = opened(url, runtime=ctx.runtime, wait=ctx.left(_WAIT))
        states = [state for _, state in islice(store.scan(""), 1000)]
        began = ctx.runtime.monotonic()
        next(store.scan("doctor"), None)  # once more: connecting took its time
        took = ctx.runtime.monotonic() - began
    except StoreError as error:
        login = "Look at user and password in its URL. " if _LOGIN.search(str(error)) else ""
        return failed(
            f"{kind}: {ctx.mask.foreign(error, 200)}",
            f"{login}Calls go on with each process's own memory meanwhile; creates are remembered by none of the "
            "others (docs/fleet.md).",
        )
    except Exception as error:
        return failed(f"{kind}: {type(error).__name__}", "Look at the URL of the store (docs/fleet.md).")
    finally:
        if store is not None:
            store.close()
    return _of_store(kind, took, ctx.loaded.arguments.get("store_wait", 0.05), states)


def _of_store(kind: str, took: float, wait: float, states: list[State | None]) -> Finding:
    """Tell of a store that answers."""
    if took > wait:
        return warning(
            f"{kind} answers in {took:.2f} s, and calls wait for it {wait:g} s at the most",
            "Put it nearer, or raise store_wait: until then each process goes on by itself (docs/fleet.md).",
        )
    garbled = states.count(None)
    if garbled:
        return warning(
            f"{kind} answers; {garbled} of {len(states)} state(s) in it can't be read",
            "Something else has written there. A paid create whose entry it was is not listed by ledger.entries(), "
            "and not sent with strict_ledger (docs/tasks.md).",
        )
    return ok(f"{kind} answers in {took * 1000:.0f} ms; {len(states)} state(s) in it")


def check_versions(ctx: Context) -> Finding:
    """Compare what is installed with what is supported, and import the client that carries our requests."""
    least = {**_bounds(), **_SDKS}
    installed = {name: version for name in least if (version := _version(name)) is not None}
    findings = [
        failed(f"{name} {version} is older than {least[name]}", f"python -m pip install -U '{name}>={least[name]}'")
        for name, version in installed.items()
        if _numbers(version) < _numbers(least[name])
    ]
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST:
        findings.append(failed(f"Python {python} is older than 3.10", "Use a newer one."))
    clients = [it for it in CLIENTS if find_spec(it) is not None]
    if not clients:
        findings.append(failed("no HTTP client is installed", "python -m pip install 'anyint-resilience[httpx]'"))
    else:
        findings += _not_importable(clients[0], ctx)
    if "anthropic" in installed and "httpx2" not in clients:
        findings.append(warning("anthropic without httpx2 can't be wrapped", "python -m pip install httpx2"))
    shown = [f"{it} {installed[it]}" for it in (*CLIENTS, *_SDKS) if it in installed]
    return joined(findings, ", ".join([f"Python {python}", f"{_OWN} {_version(_OWN) or '?'}", *shown]))


def _not_importable(client: str, ctx: Context) -> Iterator[Finding]:
    try:
        import_module(client)
        import_module(f"anyint_resilience_{client}")
    except Exception as error:
        why = ctx.mask.foreign(f"{type(error).__name__}: {error}", 160)
        advice = f"python -m pip install --force-reinstall {client}"
        yield failed(f"{client} is installed and can't be imported: {why}", advice)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _bounds() -> dict[str, str]:
    """Return the lower bounds that our own metadata states."""
    try:
        rows = metadata.requires(_OWN) or []
    except metadata.PackageNotFoundError:
        return {}
    found = (_REQUIREMENT.match(row) for row in rows)
    return {it[1]: it[2] for it in found if it is not None}


def _numbers(version: str) -> list[int]:
    release = re.match(r"[0-9.]*", version)
    return [int(it) for it in (release[0] if release else "").split(".") if it][:4]
