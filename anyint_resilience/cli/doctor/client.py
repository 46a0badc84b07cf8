"""The client of ``--client``: what it is, whether our layer is on its way to the gateway, where it goes, how patient.

Must not know how a client is taken apart: ``shapes`` has done that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from ...keys import key_problem
from .context import Context
from .finding import Blocked, Finding, failed, joined, ok, skipped, warning
from .layers import Part
from .loading import NoClient, take
from .paths import OPEN, is_gateway, is_open, path_problem, shown
from .proxies import named_proxies, proxy_for
from .shapes import Anatomy, anatomy_of, known

__all__ = ["anatomy", "check_client", "check_layer", "check_patience", "check_target", "check_ways_out"]

_LEAST: Final = 60.0  # seconds of silence that a client should bear
_LEAST_TOTAL: Final = 120.0  # where the time-out spans all attempts and waits
_PAGE: Final = {"httpx": "docs/clients/httpx.md", "httpx2": "docs/clients/httpx2.md"}
_WRAP: Final = "anyint_resilience_{0}.wrap(client, anyint), as the last thing that is done to it (docs/clients/{0}.md)."
_SOME_URL: Final = "/openai/v1/chat/completions"


def anatomy(ctx: Context) -> Anatomy:
    """Return the client taken apart, or raise Blocked."""
    if ctx.options.client is None:
        raise Blocked("client", "no client was given")
    if ctx.anatomy is None:
        raise Blocked("client", "there is no client to look at")
    return ctx.anatomy


def check_client(ctx: Context) -> Finding:
    """Import the client, or have it made."""
    spec = ctx.options.client
    if spec is None:
        return skipped("no client was given", "--client module:attr looks at the one that your program uses.")
    try:
        taken = take(spec, known)
    except NoClient as problem:
        return failed(ctx.mask.foreign(problem), problem.advice)
    ctx.cleanups.append(taken.close)
    try:
        found = ctx.anatomy = anatomy_of(taken.client, ctx.url + _SOME_URL)
    except Exception as error:
        return failed(
            f"a {type(taken.client).__name__} that can't be taken apart: {type(error).__name__}",
            "Its version may be newer than what is known here: look at versions, above, and report it.",
        )
    for secret in (found.key, *(layer.anyint.api_key for it in found.parts for layer in it.ours if layer.anyint)):
        ctx.mask.add(secret)
    what = f"{found.what}{', made by a factory' if taken.made else ''}"
    if found.closed:
        return failed(
            f"{what}, is closed: it can send nothing",
            "Give one that is open, not out of a with block that has ended.",
        )
    return ok(what)


def check_layer(ctx: Context) -> Finding:
    """See whether our layer is on the way of requests to the gateway."""
    found = anatomy(ctx)
    missing = [it for it in found.parts if not it.ours]
    findings = [_missing(ctx, it, alone=len(missing) == len(found.parts)) for it in missing]
    for part in found.parts:
        findings += _knows_gateway(ctx, found, part)
        findings += _last(part)
    ways = "; ".join(f"{it.label}: {' > '.join(layer.name for layer in it.layers)}" for it in found.parts)
    return joined(findings, ctx.mask.foreign(ways, 300))


def _missing(ctx: Context, part: Part, *, alone: bool) -> Finding:
    way = ctx.mask.foreign(" > ".join(it.name for it in part.layers), 160)
    text = f"{part.label} to {ctx.url} go past our layer ({way})"
    advice = _WRAP.format(part.library)
    if part.elsewhere:
        text += f", which stands on {part.elsewhere}: what was mounted after wrap() is bare"
        advice = f"Mount first, wrap then: {advice}"
    if part.layers[-1].dark and part.client is not None:
        return warning(
            f"{part.label} to {ctx.url} go through {ctx.mask.foreign(part.layers[-1].name, 80)}, which can't be seen "
            "into: whether our layer is behind it is not known",
            "Keep the transport that it sends with in an attribute, or wrap() the client instead of what is in it.",
        )
    if part.client is None:
        text, advice = f"{part.label} go past our layer ({way})", "Give httpx_async_client= or aiohttp_client= too."
    return failed(text, advice) if alone else warning(text, advice)


def _knows_gateway(ctx: Context, found: Anatomy, part: Part) -> Iterator[Finding]:
    parts = urlsplit(ctx.url)
    for layer in part.ours:
        assert layer.anyint is not None
        path = f"{parts.path.rstrip('/')}{_SOME_URL}".encode()
        plan = layer.anyint.router.plan(parts.scheme, parts.hostname or "", parts.port, "POST", path)
        if plan is None:
            yield failed(
                f"our layer on it takes {parts.netloc} for a foreign host: no key and no retry there",
                f'Resilience.from_env() with ANYINT_BASE_URL set, or Resilience(base_url="{ctx.url}").',
            )
        elif plan.route.family is None:
            yield failed(
                f"our layer on it knows {parts.netloc} with another path before the API's own",
                f'Resilience(base_url="{ctx.url}").',
            )
        if layer.anyint.api_key is None and not found.key:
            yield warning("neither our layer nor the client has a key", "Set ANYINT_API_KEY.")
        if not layer.anyint.policy.enabled:
            yield warning("our layer's policy is Policy(enabled=False): nothing is retried", "Leave enabled out.")
        return


def _last(part: Part) -> Iterator[Finding]:
    """Of aiohttp's middlewares ours must be the last: one behind it is called once for each attempt."""
    if part.library != "aiohttp" or not part.ours:
        return
    behind = part.layers[part.layers.index(part.ours[-1]) + 1 : -1]
    if behind:
        yield warning(
            f"{', '.join(it.name for it in behind)} stands behind our middleware, and sees each attempt",
            "Put ours last: middlewares=[..., ResilientMiddleware(anyint)].",
        )


# --- where it goes, and with which key


def check_target(ctx: Context) -> Finding:
    """See whether the client's base URL is the gateway with the right path, and its key the configured one."""
    found = anatomy(ctx)
    findings = [*_target(ctx, found), *_key(ctx, found)]
    well = (
        f"base_url {ctx.mask.foreign(shown(found.base_url), 100)}"
        if found.base_url
        else "no base_url: each call brings one"
    )
    return joined(findings, well)


def _target(ctx: Context, found: Anatomy) -> Iterator[Finding]:
    sdk = found.sdk
    right = ctx.url + ("" if sdk is None else sdk.path)
    if found.azure:
        yield failed(
            "it is openai's client for Azure, with its api-key header and /deployments/ in paths: AnyInt has neither",
            f'openai.OpenAI(base_url="{right}", ...)',
        )
        return
    if not found.base_url:
        return
    url = ctx.mask.foreign(shown(found.base_url), 100)
    if not is_gateway(found.base_url, ctx.url):
        make = warning if sdk is None else failed
        yield make(f"its base_url is {url}, not the gateway", f'base_url="{right}"')
        return
    if is_open(found.base_url):
        yield failed(f"its base_url is {url}: {OPEN}", f'base_url="{right}"')
        return
    if sdk is None:
        return
    problem = path_problem(sdk, found.base_url, ctx.url)
    if problem is not None:
        yield failed(f"its base_url is {url}: {problem}", f'base_url="{right}"')
    if sdk.name == "google-genai" and found.api_version != "v1beta":
        version = ctx.mask.foreign(found.api_version, 20)
        yield failed(f"its api_version is {version}: AnyInt has v1beta alone", 'HttpOptions(api_version="v1beta", ...)')


def _key(ctx: Context, found: Anatomy) -> Iterator[Finding]:
    """Yield what is wrong with the key that goes out: the client's own, else our layer's."""
    if not found.key:
        layers = [layer.anyint.api_key for part in found.parts for layer in part.ours if layer.anyint is not None]
        if ctx.key and any(isinstance(it, str) and it != ctx.key for it in layers):
            yield warning(
                "our layer on it holds another key than ANYINT_API_KEY's, and that is the one that is sent",
                "Resilience.from_env(), unless it is meant so.",
            )
    elif key_problem(found.key) is not None:
        yield failed(f"its {found.key_in} can't be a key", "Give the key alone, without blanks and quotation marks.")
    elif ctx.key and found.key != ctx.key:
        yield warning(
            f"its {found.key_in} holds another key than ANYINT_API_KEY's, and that is the one that is sent",
            'api_key=os.environ["ANYINT_API_KEY"], if that is the right one.'
            if found.sdk is not None
            else "Leave the header out, where our layer has the right one.",
        )


# --- how patient it is


def check_patience(ctx: Context) -> Finding:
    """See whether the client's time-out leaves a generation its time."""
    found = anatomy(ctx)
    library, timeout, silence = found.parts[0].library, found.timeout, found.silence
    if timeout is ...:
        return ok(f"{library} keeps no time-out of its own: give one with each call, timeout=600")
    if timeout is None and silence is None:
        return warning("it has no time-out: a gateway that falls silent holds a call for ever", _right_timeout(found))
    spans = library == "aiohttp" and found.sdk is None
    short = "is shorter than a good generation takes"
    told = (
        (timeout, _LEAST_TOTAL if spans else _LEAST, "spans all attempts and waits" if spans else short),
        (silence, _LEAST, f"without a byte {short}"),
    )
    for seconds, least, what in told:
        if seconds is not None and seconds < least:
            return warning(
                f"its time-out of {seconds:g} s {what}; each one that strikes is a request whose fate nobody knows",
                _right_timeout(found),
            )
    limits = (f"{timeout:g} s" if timeout else "", f"{silence:g} s without a byte" if silence else "")
    return ok(", ".join(it for it in limits if it))


def _right_timeout(found: Anatomy) -> str:
    if found.sdk is not None and found.sdk.name == "google-genai":
        return "HttpOptions(timeout=600_000), in milliseconds."
    if found.parts[0].library == "aiohttp":
        return "timeout=aiohttp.ClientTimeout(total=600, sock_read=300)."
    return "timeout=600, as the SDKs have it."


# --- proxies


def check_ways_out(ctx: Context) -> Finding:
    """See whether the client uses the proxies that the environment names."""
    found = anatomy(ctx)
    if not named_proxies(ctx.environ):
        return ok("the environment names no proxy")
    proxy = proxy_for(ctx.url, ctx.environ)
    if proxy is None:
        return ok("the environment names no proxy for the gateway")
    findings = [it for part in found.parts if part.client is not None for it in _ignores(part, proxy.variable)]
    return joined(findings, f"it goes through a proxy, as {proxy.variable} says")


def _ignores(part: Part, variable: str) -> Iterator[Finding]:
    """Yield why the calls do not go through a proxy, if they go through none: one of their own is right too."""
    if part.proxied:
        return
    trusting = bool(getattr(part.client, "trust_env", getattr(part.client, "_trust_env", True)))
    if not trusting:
        default = ", aiohttp's default" if part.library == "aiohttp" else ""
        yield warning(
            f"{part.label} do not use the proxy of {variable}: trust_env is False{default}",
            "trust_env=True, if the gateway can only be reached through it.",
        )
    else:
        yield warning(
            f"{part.label} do not use the proxy of {variable}: a client that is given transport= ignores it",
            "Give the proxy to the transport, ResilientTransport(anyint, proxy=...), or use wrap() "
            f"({_PAGE.get(part.library, 'docs/clients/index.md')}).",
        )
