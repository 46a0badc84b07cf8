"""Step 7: a callback URL: that the world can reach it, that it takes a POST, answers fast, and twice alike."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Final
from urllib.parse import urlsplit

from ...router import is_loopback
from .answers import seconds
from .context import Context
from .finding import Finding, failed, joined, ok, skipped, warning
from .paths import host_of
from .sending import Ask, Reply

__all__ = ["BODY", "check_callback"]

BODY: Final = {"callbackType": "text", "task_id": "doctor-00000000-0000-4000-8000-000000000000", "data": []}
"""What is posted: well formed in AnyInt's form, of the earliest phase, for a task that cannot exist, with no result."""

_SLOW, _MOST = 1.0, 15.0  # seconds; music callbacks are given 15
_PUBLIC: Final = "Give a public https URL; on a laptop a tunnel makes one. Polling is the fallback (docs/tasks.md)."


def check_callback(ctx: Context) -> Finding:
    """Post a harmless callback, twice."""
    url = ctx.options.callback_url
    if url is None:
        return skipped("no URL was given", "--callback-url URL posts a harmless callback there, twice.")
    host = host_of(url)
    problem = _problem(url, host)
    if problem is not None:
        return problem
    ctx.mask.add(urlsplit(url).query)
    local = is_loopback(host)
    addresses = _addresses(host)
    if isinstance(addresses, Finding):
        return addresses
    inside = sorted(it for it in addresses if not ipaddress.ip_address(it).is_global)
    if inside and not local:
        where = host if host == inside[0] else f"{host} ({inside[0]})"
        return failed(f"{where} is an address inside, which nobody outside can reach", _PUBLIC)
    findings = _posted(ctx, url)
    if local:
        findings.append(warning(f"{host} is this machine, which AnyInt can't reach", _PUBLIC))
    return joined([it for it in findings if it.status != "ok"], "; ".join(it.found for it in findings))


def _problem(url: str, host: str) -> Finding | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return failed("it is no URL that can be read", _PUBLIC)
    del port
    if parts.scheme not in ("http", "https") or not host:
        return failed("it is no http or https URL", _PUBLIC)
    if parts.username or parts.password:
        return failed("it has a user or a password in it, which ends up in logs", "Put a secret into its path.")
    if parts.scheme == "http" and not is_loopback(host):
        return failed(f"it is plain http to {host}", _PUBLIC)
    return None


def _addresses(host: str) -> list[str] | Finding:
    try:
        rows: Any = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return failed(f"the name {host[:80]} is not known (DNS)", "Look for a slip of the pen, or set its DNS record.")
    return list({str(row[4][0]).partition("%")[0] for row in rows})


def _posted(ctx: Context, url: str) -> list[Finding]:
    first = _post(ctx, url)
    wrong = _refused(ctx, first, "the POST")
    if wrong is not None:
        return [wrong]
    found = [_speed(first)]
    second = _post(ctx, url)
    if _refused(ctx, second, "the same once more") is not None:
        end = f"HTTP {second.status}" if second.status else type(second.error).__name__
        found.append(
            failed(
                f"HTTP {first.status}, and {end} for the same once more: not idempotent",
                "A callback may come twice: answer 2xx each time, and do the work once for each (task id, phase).",
            )
        )
    else:
        found.append(ok(f"HTTP {first.status}, and HTTP {second.status} for the same once more"))
    return found


def _post(ctx: Context, url: str) -> Reply:
    ask = Ask(method="POST", url=url, body=BODY, seconds=ctx.left(_MOST), bare=True, most=65_536)
    return ctx.foreign_sender.send(ask)


def _speed(reply: Reply) -> Finding:
    if reply.seconds <= _SLOW:
        return ok(f"it answered in {seconds(reply.seconds)}")
    return warning(
        f"it took {seconds(reply.seconds)} to answer; it is given {_MOST:.0f} s, and told again after that",
        "Answer first (202) and do the work afterwards, in a queue.",
    )


def _refused(ctx: Context, reply: Reply, what: str) -> Finding | None:
    if not reply.status:
        text = type(reply.error).__name__
        late = "timeout" in text.lower() or reply.seconds >= ctx.left(_MOST)
        why = f"no answer in {seconds(reply.seconds)}" if late else f"no connection ({text})"
        return failed(f"{what} got {why}", "See that it runs, that its port is open to the world, and its TLS.")
    if 200 <= reply.status < 300:
        return None
    return failed(f"{what} got HTTP {reply.status}", _BY_STATUS.get(reply.status, _ELSE))


_ELSE: Final = "A receiver must answer 2xx also for what it does not know: write it down and go on."
_LOGIN: Final = "AnyInt documents no credentials that it sends: leave the path open, and ask for the task to be sure."
_BY_STATUS: Final = {
    401: _LOGIN,
    403: _LOGIN,
    404: f"Look at its path. If it is right: {_ELSE[0].lower()}{_ELSE[1:]}",
    405: "Let it take POST.",
    **dict.fromkeys((301, 302, 303, 307, 308), "Redirects are not followed: give the URL that it ends at."),
}
