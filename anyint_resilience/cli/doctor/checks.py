"""The table of all checks, in the order in which they are made and shown. Must not know how they are run or shown."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Final

from ...contract.words import Family
from . import (
    address,
    callback,
    client,
    clock,
    instruments,
    key,
    listing,
    proxies,
    refusals,
    retries,
    sdk_env,
    settings,
    tasks,
    text,
)
from .families import check_family
from .finding import Check

__all__ = ["CHECKS", "chosen"]

_LONG: Final = float("inf")

CHECKS: Final[tuple[Check, ...]] = (
    Check("key", "API key", key.check_key, 1),
    Check("base-url", "base URL", address.check_address, 1),
    Check("sdk-env", "variables of SDKs", sdk_env.check_sdk_env, 1),
    Check("config", "configuration", settings.check_config),
    Check("store", "shared store", settings.check_store),
    Check("versions", "versions", settings.check_versions),
    Check("proxies", "proxies", proxies.check_proxies),
    Check("certificates", "certificates", proxies.check_certificates),
    Check("models", "Models API", listing.check_models, 2, seconds=40.0),
    Check("clock", "clock", clock.check_clock),
    Check("text", "a minimal text request", text.check_text, 3, tokens=True, seconds=45.0),
    Check("stream", "a stream, to its end", text.check_stream, 4, tokens=True, seconds=45.0),
    Check("anthropic", "Anthropic Messages", check_family(Family.ANTHROPIC), 5),
    Check("gemini", "Gemini", check_family(Family.GEMINI), 5, tokens=True, seconds=45.0),
    Check("dashscope", "DashScope", check_family(Family.DASHSCOPE), 5),
    Check("kling", "Kling", check_family(Family.KLING), 5),
    Check("suno", "Suno", check_family(Family.SUNO), 5),
    Check("task", "an asynchronous task", tasks.check_task, 6, seconds=_LONG),
    Check("callback", "callback URL", callback.check_callback, 7, seconds=40.0),
    Check("wrong-key", "401: a wrong key", refusals.check_wrong_key, 8),
    Check("forbidden", "403: not entitled", refusals.check_computed(403), 8),
    Check("limited", "429: limited", refusals.check_computed(429), 8),
    Check("client", "your client", client.check_client),
    Check("layer", "our layer on its way", client.check_layer, client=True),
    Check("target", "its base URL and key", client.check_target, client=True),
    Check("retries", "retry layers", retries.check_retries, client=True),
    Check("timeouts", "its time-outs", client.check_patience, client=True),
    Check("ways-out", "its proxies", client.check_ways_out, client=True),
    Check("instrumentation", "double spans", instruments.check_instruments, client=True),
)

_BY_ID: Final = {it.id: it for it in CHECKS}
_OF_CLIENT: Final = tuple(it.id for it in CHECKS if it.client)


def chosen(only: Collection[str], skip: Collection[str], *, free: bool, client: bool) -> tuple[Check, ...]:
    """Return the checks to make; ``client`` alone stands for all that look at one."""
    wanted = partial(_wanted, {*only, *(_OF_CLIENT if client and "client" in only else ())}, skip, free, client)
    found = [it for it in CHECKS if wanted(it)]
    if any(it.client for it in found) and _BY_ID["client"] not in found and "client" not in skip:
        found.insert(next(at for at, it in enumerate(found) if it.client), _BY_ID["client"])
    return tuple(found)


def _wanted(only: Collection[str], skip: Collection[str], free: bool, client: bool, check: Check) -> bool:
    if check.id in skip or (free and check.tokens):
        return False
    return check.id in only if only else client or not check.client
