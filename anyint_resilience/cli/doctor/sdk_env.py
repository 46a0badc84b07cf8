"""Step 1: the variables that SDKs read by themselves. Without ``api_key=`` and ``base_url=`` they count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .context import Context
from .finding import Finding, failed, joined, warning
from .paths import OPEN, SDKS, Sdk, host_of, is_gateway, is_open, path_problem, shown

__all__ = ["check_sdk_env"]

_OLD: Final = {"openai": "OPENAI_API_BASE"}


def check_sdk_env(ctx: Context) -> Finding:
    """See which keys and addresses SDKs would take from the environment."""
    for sdk in SDKS:
        for name in sdk.key_variables:
            ctx.mask.add(ctx.environ.get(name))
    found = [it for sdk in SDKS for it in _of_sdk(ctx, sdk)]
    return joined(found, "no variable of an SDK's stands in the way")


def _of_sdk(ctx: Context, sdk: Sdk) -> Iterator[Finding]:
    url = ctx.environ.get(sdk.url_variable, "").strip()
    names = [it for it in sdk.key_variables if ctx.environ.get(it, "").strip()]
    right = f"{ctx.url}{sdk.path}"
    here = bool(url) and is_gateway(url, ctx.url)
    if here and is_open(url):
        yield failed(f"{sdk.url_variable} is {OPEN}", f"Set {sdk.url_variable}={right}.")
    elif here:
        problem = path_problem(sdk, url, ctx.url)
        if problem is not None:
            yield failed(f"{sdk.url_variable}: {problem}", f"Set {sdk.url_variable}={right}.")
    elif url and "://" not in url:
        yield failed(f"{sdk.url_variable} does not begin with https://", f"Set {sdk.url_variable}={right}.")
    elif url:
        where = ctx.mask.foreign(shown(url), 80) or "no URL that can be read"
        yield warning(
            f"{sdk.url_variable} is {where}: the {sdk.name} SDK goes past the gateway",
            f"Pass base_url= to the client, or set {sdk.url_variable}={right}.",
        )
    old = _OLD.get(sdk.name, "")
    if ctx.environ.get(old) and not url:
        yield warning(f"{old} is set, which this SDK has not read since 1.0", f"Set {sdk.url_variable}={right}.")
    for name in names:
        yield from _of_key(ctx, sdk, name, host_of(url) if url and not here else "" if here else sdk.own_host)


def _of_key(ctx: Context, sdk: Sdk, name: str, elsewhere: str) -> Iterator[Finding]:
    """Yield what is to say of an SDK's key; ``elsewhere``: the host it goes to, if that is not the gateway."""
    same = bool(ctx.key) and ctx.environ[name].strip() == ctx.key
    if same and elsewhere:
        yield warning(
            f"{name} holds the AnyInt key, which a client without base_url= sends to {ctx.mask.foreign(elsewhere, 80)}",
            f"Set {sdk.url_variable}={ctx.url}{sdk.path}, or unset {name} and pass api_key=.",
        )
    elif not same:
        what = "a key that is not the one of ANYINT_API_KEY" if ctx.key else "a key, and ANYINT_API_KEY is not set"
        yield warning(
            f"{name} holds {what}: the {sdk.name} SDK sends it where api_key= is not passed",
            f'Pass api_key=os.environ["ANYINT_API_KEY"] to the client, or unset {name}.',
        )
