"""Retry layers above and below ours, and what they come to when each of them multiplies the others.

Must not know any client: layers and their numbers come from ``shapes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .client import anatomy
from .context import Context
from .finding import Finding, failed, joined, ok, warning
from .layers import Layer, Part
from .shapes import Anatomy

__all__ = ["Sums", "check_retries", "sums_of"]

_USUAL: Final = 2  # what the openai and anthropic SDKs send again by themselves
_PAGES: Final = {
    "httpx_retries": "docs/migrating/httpx-retries.md",
    "aiohttp_retry": "docs/migrating/aiohttp-retry.md",
    "tenacity": "docs/migrating/tenacity.md",
    "requests": "docs/migrating/urllib3-retry.md",
}


@dataclass(frozen=True, slots=True)
class Sums:
    """How many requests one call may become: for an error status that lasts, and for connections that fail."""

    status: int | None
    connection: int | None


def sums_of(found: Anatomy, part: Part) -> Sums:
    """Multiply the layers. None: one of them does not say how often it sends.

    Our answers tell the openai and anthropic SDKs not to send again; after a connection error they do, and each time
    we take one attempt less. Below requests we leave urllib3's retries out.
    """
    status, connection = 1, 1
    for layer in part.layers:
        if layer.kind == "wire" and part.library == "requests":
            times = 1 if part.ours else layer.attempts
            status, connection = status * (times or 1), connection * (times or 1)
        elif layer.kind == "wire":
            connection *= layer.attempts or 1  # only connecting is tried again
        elif layer.attempts is None:
            return Sums(None, None)
        else:
            status, connection = status * layer.attempts, connection * layer.attempts
    if found.retries is None:
        return Sums(status, connection)
    if not _obeys(found, part):
        return Sums(status * (found.retries + 1), connection * (found.retries + 1))
    ours = part.ours[0].attempts or 1
    turns = sum(max(1, ours - turn) for turn in range(found.retries + 1))
    return Sums(status, connection * turns // ours)


def _obeys(found: Anatomy, part: Part) -> bool:
    """Whether the SDK above is one that we can tell not to send again."""
    speaks = bool(part.ours) and part.ours[0].anyint is not None and part.ours[0].anyint.policy.enabled
    return speaks and found.sdk is not None and found.sdk.name in ("openai", "anthropic")


def check_retries(ctx: Context) -> Finding:
    """Count what one call may become."""
    found = anatomy(ctx)
    findings = [it for part in found.parts for it in _of_part(found, part)]
    told = []
    for part in found.parts:
        sums = sums_of(found, part)
        if part.client is not None:
            told.append(f"{part.label}: at most {_requests(sums.status)} for an error that lasts, "
                        f"{_requests(sums.connection)} where connections fail")  # fmt: skip
    return joined(findings, "; ".join(told))


def _requests(count: int | None) -> str:
    return "nobody knows how many requests" if count is None else f"{count} request{'' if count == 1 else 's'}"


def _of_part(found: Anatomy, part: Part) -> list[Finding]:
    findings = []
    sums = sums_of(found, part)
    total = f"{_requests(sums.status)} for an error that lasts, {_requests(sums.connection)} where connections fail"
    if len(part.ours) > 1:
        configs = {id(it.anyint) for it in part.ours}
        if part.library != "aiohttp" or len(configs) > 1:
            counts = " x ".join(str(it.attempts) for it in part.ours)
            findings.append(
                failed(
                    f"our own layer is there {len(part.ours)} times ({counts} attempts): {total}",
                    "wrap() once, and not around a transport or a session that is wrapped already by hand.",
                )
            )
    for layer in part.layers:
        findings += _other(part, layer, total)
    if found.retries:
        findings += _sdk(found, part, total)
    return findings


def _other(part: Part, layer: Layer, total: str) -> list[Finding]:
    page = _PAGES.get(layer.name.partition(".")[0], "docs/migrating/index.md")
    if layer.kind == "wire" and (layer.attempts or 1) > 1:
        if part.library == "requests" and part.ours:
            return [ok(f"urllib3's Retry(total={(layer.attempts or 1) - 1}) is left out of calls to AnyInt")]
        return [
            warning(
                f"{layer.name} below {'ours' if part.ours else 'it'} sends or connects again by itself: {total}",
                f"HTTPAdapter() or HTTPTransport(retries=0): let one layer retry ({page}).",
            )
        ]
    if layer.kind != "retry" or layer.attempts == 1:
        return []
    ours = part.ours[0] if part.ours else None
    above = ours is None or part.layers.index(layer) < part.layers.index(ours)
    count = "an unknown number of" if layer.attempts is None else str(layer.attempts)
    where = "" if ours is None else f" {'above' if above else 'below'} our {ours.attempts}"
    found = f"a second retry layer, {layer.name} with {count} attempts{where}: {total}"
    advice = f"Take it off: let one layer retry ({page})."
    if above:
        return [warning(found, advice)]
    return [failed(f"{found}; a paid create that it repeats is paid again", advice)]  # and nobody above would see it


def _sdk(found: Anatomy, part: Part, total: str) -> list[Finding]:
    assert found.retries is not None
    name = "the SDK" if found.sdk is None else found.sdk.name
    if _obeys(found, part):
        if found.retries <= _USUAL:
            return []
        return [
            warning(
                f"{name} has max_retries={found.retries}: {total}",
                "Leave it as it is (2), or set 0: docs/sdks/index.md.",
            )
        ]
    if name == "google-genai":
        times = found.retries + 1
        return [
            warning(
                f"google-genai's retry_options have {times} attempts above ours: {total}", "Leave retry_options out."
            )
        ]
    if not part.ours:
        return []  # layer says that we are not there
    return [warning(f"{name} sends again by itself, {found.retries + 1} attempts: {total}", "max_retries=0.")]
