"""What an answer to one of our own requests says: the one place that knows how a gateway says no.

Must not know any check. The words of the gateway are shown only as ``mask`` lets them through.
"""

from __future__ import annotations

import re
import socket
from typing import Final
from urllib.parse import urlsplit

from ...contract.words import Cause
from ...exceptions import DeadlineExceeded
from ...policy.echoes import word_of
from ...policy.envelopes import read_envelope
from ...policy.model import FaultKind
from ...policy.rules import Policy
from ...router import is_loopback
from ..masking import PROXY_FORM
from .context import Context
from .finding import Finding, failed, joined, warning
from .paths import host_of, shown
from .proxies import Proxy, proxy_for
from .sending import Reply

__all__ = ["is_page", "said", "seconds", "trouble", "well"]

_FAULTS: Final[dict[FaultKind, str]] = {
    FaultKind.CONNECT_ERROR: "no connection could be made",
    FaultKind.CONNECT_TIMEOUT: "no connection was made in time",
    FaultKind.TLS_ERROR: "the TLS handshake failed",
    FaultKind.TLS_CERTIFICATE: "its certificate was not accepted",
    FaultKind.POOL_TIMEOUT: "no connection was free",
    FaultKind.PROXY_ERROR: "the proxy failed",
    FaultKind.WRITE_ERROR: "the connection broke while the request was sent",
    FaultKind.WRITE_TIMEOUT: "the request could not be sent in time",
    FaultKind.READ_ERROR: "the connection broke before the answer was whole",
    FaultKind.READ_TIMEOUT: "no answer came in time",
    FaultKind.PROTOCOL_ERROR: "what answered does not speak HTTP, or hung up",
    FaultKind.BODY_ERROR: "the answer broke off in its middle",
    FaultKind.LOCAL_ERROR: "the request could not be put on the wire",
}
_ADVICE: Final[dict[FaultKind, str]] = {
    FaultKind.READ_TIMEOUT: "Something on the way takes connections and says too little: look at firewalls, VPNs "
    "and the base URL.",
    FaultKind.PROTOCOL_ERROR: "Look at scheme, host and port of the base URL: something else listens there, or it "
    "speaks https.",
    FaultKind.TLS_ERROR: "Look at scheme, host and port of the base URL: what listens there may speak plain http, or "
    "something on the way opens TLS connections.",
    FaultKind.READ_ERROR: "Look at scheme, host and port of the base URL: what listens there may speak https, or a "
    "firewall or proxy cuts connections.",
    FaultKind.CONNECT_ERROR: "Look at host and port of the base URL, and whether a firewall lets connections out; an "
    "emulator must be running.",
    FaultKind.CONNECT_TIMEOUT: "Look at host and port of the base URL, and whether a firewall lets connections out.",
    FaultKind.WRITE_ERROR: "A firewall or proxy on the way cuts connections: look there, and at the base URL.",
    FaultKind.WRITE_TIMEOUT: "A firewall or proxy on the way takes nothing: look there, and at the base URL.",
}
_PROXY_LOGIN: Final = 407
_TO_PROXY: Final = (FaultKind.CONNECT_ERROR, FaultKind.CONNECT_TIMEOUT, FaultKind.PROXY_ERROR)
_SLOW: Final = (
    "The Models API answers, so the way there is open: the model may be slow. Name another with --model ID, or give it "
    "more time with --timeout SECONDS."
)
_NO_TLS: Final = "An emulator on this machine speaks plain http: use http://{0} (ANYINT_BASE_URL, --base-url)."
_HTTPS_PROXY: Final = "Most proxies are spoken to in plain http, also for https: {0}=http://{1}."
_KEY: Final = (
    "Make sure that it is the whole key of this account, still active, and its subscription paid: a key that was "
    "regenerated or expired is refused at once. Keys are made in AnyInt's console."
)


def seconds(value: float) -> str:
    """Return a time in words."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def said(ctx: Context, reply: Reply) -> str:
    """Return what an error answer says, in brackets: its code and its message; nothing where it says nothing."""
    found = read_envelope(reply.document, None)
    if found is None:
        return ""
    words = [word_of(found.code or found.type), ctx.mask.foreign(found.message, 160)]
    text = ": ".join(it for it in words if it)
    return f" ({text})" if text else ""


def trouble(ctx: Context, reply: Reply, *, json: bool = True) -> Finding | None:
    """Return what is wrong with an answer that should be a good one; None if nothing is. ``json``: it should be that.

    Raises nothing: what nobody foresaw is told as it is.
    """
    if reply.error is not None and not (reply.status >= 300):
        return _fault(ctx, reply)
    if 300 <= reply.status < 400:
        return _redirect(ctx, reply)
    if reply.status >= 400:
        return _refusal(ctx, reply)
    if reply.cut:
        return failed(
            f"its answer did not end within {len(reply.body) // 1024} KiB and {seconds(reply.seconds)}",
            "No such answer is that long: look at what answers under this address.",
        )
    if json and reply.document is None:
        return _no_json(ctx, reply)
    return None


def well(reply: Reply, found: str, *others: Finding) -> Finding:
    """Return that all is well, but for ``others`` and for what stood before a good answer."""
    first = None if reply.attempts < 2 or reply.report is None else reply.report.attempts[0]
    if first is None:
        return joined(others, found)
    end = f"HTTP {first.status}" if first.fault is None else _FAULTS.get(first.fault.kind, first.fault.kind.value)
    text = f"{found}, but only the second attempt was good, after {end}"
    if first.decision is not None and first.decision.cause is not None:
        text += f" ({first.decision.cause.value})"
    healed = "Our layer heals it. If it comes often, look at what fails: report(response).timeline()."
    return joined([*others, warning(text, healed)], found)


# --- no answer


def _fault(ctx: Context, reply: Reply) -> Finding:
    report = reply.report
    last = report.attempts[-1].fault if report is not None and report.attempts else None
    kind = FaultKind.UNKNOWN if last is None else last.kind
    if isinstance(reply.error, DeadlineExceeded):
        kind = FaultKind.READ_TIMEOUT
    what, host = _FAULTS.get(kind, f"it ended in {type(reply.error).__name__}"), shown(reply.ask.url).split("/")[2]
    proxy = proxy_for(reply.ask.url, ctx.environ)
    if proxy is not None and (kind in _TO_PROXY or _is_dns(reply.error)):
        return _proxy_said(ctx, host, proxy, _status_in(reply.error))
    if _is_dns(reply.error):
        return failed(f"{host}: its name is not known (DNS)", "Look for a slip in the base URL, and at DNS.")
    if proxy is not None and proxy.scheme == "https" and not reply.status:
        place = ctx.mask.foreign(proxy.place, 80)
        return failed(
            f"{host}: {what}, maybe by the proxy {place} of {proxy.variable}, which is spoken to in TLS",
            _HTTPS_PROXY.format(proxy.variable, place),
        )
    if kind is FaultKind.TLS_ERROR and is_loopback(host_of(reply.ask.url)):
        return failed(f"{host}: {what}", _NO_TLS.format(host))
    if kind is FaultKind.READ_TIMEOUT:
        what = f"{'its answer did not end' if reply.status else 'no answer came'} in time ({seconds(reply.seconds)})"
        if reply.ask.method == "POST" and ctx.listing is not None and ctx.listing.problem is None:
            return failed(f"{host}: {what}", _SLOW)
    own = Policy().decide_exception(reply.ask.method, reply.ask.url, kind).guidance
    return failed(f"{host}: {what}", _ADVICE.get(kind, own))


def _proxy_said(ctx: Context, host: str, proxy: Proxy, status: int) -> Finding:
    """Return what is wrong with the way through a proxy; ``status``: what it answered, 0 for nothing."""
    place = ctx.mask.foreign(proxy.place, 80)
    named = f"the proxy {place} of {proxy.variable}" if place else f"the proxy of {proxy.variable}"
    if not status:
        advice = f"Mend or unset {proxy.variable}, or name the host in NO_PROXY."
        return failed(f"{host}: no connection through {named}", advice)
    if status == _PROXY_LOGIN:
        advice = f"{proxy.variable}=http://user:password@{place}; {PROXY_FORM}."
        return failed(f"{host}: {named} wants a user and a password (HTTP {status})", advice)
    advice = f"Have {host} let through there, or name it in NO_PROXY if there is another way."
    return failed(f"{host}: {named} does not let it through (HTTP {status})", advice)


def _status_in(error: BaseException | None) -> int:
    """Return the status with which a proxy refused a connection: clients have it in their words alone; 0: none."""
    for _ in range(8):
        if error is None:
            return 0
        known = getattr(error, "status", None)
        found = re.search(r"(?:^|failed: |\s)([45]\d\d)(?: |$)", str(error))
        if isinstance(known, int) or found is not None:
            return known if isinstance(known, int) else int(found[1]) if found else 0
        error = error.__cause__ or error.__context__
    return 0


def _is_dns(error: BaseException | None) -> bool:
    for _ in range(8):
        if error is None:
            return False
        if isinstance(error, socket.gaierror) or "getaddrinfo" in type(error).__name__.lower():
            return True
        text = str(error).lower()
        if any(it in text for it in ("name or service not known", "getaddrinfo failed", "nodename nor servname")):
            return True
        error = error.__cause__ or error.__context__
    return False


# --- an answer that is not the one


def _redirect(ctx: Context, reply: Reply) -> Finding:
    target = reply.headers.get("location", "")
    try:
        place = shown(target) if urlsplit(target).netloc else target.partition("?")[0]
    except ValueError:
        place = ""
    return failed(
        f"HTTP {reply.status}: it redirects to {ctx.mask.foreign(place, 100) or 'somewhere'}",
        "Keys are not sent on. Set the base URL to the gateway itself; a login page here is a proxy's or a network's.",
    )


def _refusal(ctx: Context, reply: Reply) -> Finding:
    proxy = proxy_for(reply.ask.url, ctx.environ)
    if reply.status == _PROXY_LOGIN and proxy is not None:
        return _proxy_said(ctx, host_of(reply.ask.url), proxy, reply.status)
    if is_page(reply):  # before what the status says: firewalls and CDNs have the same ones
        kind = _kind(ctx, reply) or "HTML"
        return failed(f"HTTP {reply.status}: a page came ({kind}), no answer of an API", _elsewhere(ctx, reply))
    decided = None if reply.report is None else reply.report.decision
    if decided is None:
        decided = Policy().decide_response(reply.ask.method, reply.ask.url, reply.status, reply.headers, reply.body)
    cause = "" if decided.cause is None else f", {decided.cause.value}"
    found = f"HTTP {reply.status}{cause}{said(ctx, reply)}"
    if reply.status == 401:
        return failed(f"{found}: the gateway refuses this key", _KEY)
    if reply.status == 403:
        return failed(found, decided.guidance)
    if reply.status == 429:
        return warning(f"{found}: this key is limited now", decided.guidance)
    if reply.status in (404, 405) and decided.cause is not Cause.MODEL:
        return failed(found, "Nothing answers under this path: look at the base URL.")
    return failed(found, decided.guidance)


def _kind(ctx: Context, reply: Reply) -> str:
    return ctx.mask.foreign(reply.kind, 40)  # a server may write back what it was sent here too


def is_page(reply: Reply) -> bool:
    """Whether it is a page for people, whatever its status."""
    return reply.kind in ("text/html", "application/xhtml+xml") or reply.body.lstrip()[:1] == b"<"


def _elsewhere(ctx: Context, reply: Reply) -> str:
    proxy = proxy_for(reply.ask.url, ctx.environ)
    way = "" if proxy is None else f", such as that of {proxy.variable},"
    return (
        f"This is not the gateway, or a proxy{way}, a firewall or a network's login page answers for it: open the base "
        "URL in a browser and look."
    )


def _no_json(ctx: Context, reply: Reply) -> Finding:
    advice = _elsewhere(ctx, reply)
    if is_page(reply):
        return failed(f"HTTP {reply.status}, but a page came ({_kind(ctx, reply) or 'HTML'}), no JSON", advice)
    kind = _kind(ctx, reply) or "no content type"
    return failed(f"HTTP {reply.status}, but no JSON that can be read ({kind}, {len(reply.body)} bytes)", advice)
