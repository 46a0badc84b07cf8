"""Instrumentations of OpenTelemetry that are active in the user's process, beside our own spans."""

from __future__ import annotations

import sys
from typing import Final

from .client import anatomy
from .context import Context
from .finding import Finding, joined, warning

__all__ = ["active", "check_instruments"]

_KNOWN: Final = (
    # library, module, class
    ("httpx", "opentelemetry.instrumentation.httpx", "HTTPXClientInstrumentor"),
    ("httpx2", "opentelemetry.instrumentation.httpx2", "HTTPX2ClientInstrumentor"),
    ("requests", "opentelemetry.instrumentation.requests", "RequestsInstrumentor"),
    ("requests", "opentelemetry.instrumentation.urllib3", "URLLib3Instrumentor"),
    ("aiohttp", "opentelemetry.instrumentation.aiohttp_client", "AioHttpClientInstrumentor"),
)


def active(library: str) -> list[str]:
    """Return the instrumentations of a library that are active; none is imported for it."""
    found = []
    for of, module, name in _KNOWN:
        cls = getattr(sys.modules.get(module), name, None)
        instance = getattr(cls, "_instance", None)
        if of == library and getattr(instance, "_is_instrumented_by_opentelemetry", False) is True:
            found.append(name)
    return found


def check_instruments(ctx: Context) -> Finding:
    """See whether an attempt would have two spans."""
    found = anatomy(ctx)
    names = dict.fromkeys(it for part in found.parts for it in active(part.library))
    modes = {str(layer.anyint.spans) for part in found.parts for layer in part.ours if layer.anyint is not None}
    findings = []
    if names and "always" in modes:
        findings.append(
            warning(
                f'{", ".join(names)} and spans="always": each attempt has two spans',
                'Resilience(spans="auto"), the default, or "call-only" (docs/observability.md).',
            )
        )
    what = f"{', '.join(names)} active" if names else "no instrumentation of OpenTelemetry's is active"
    mode = f', spans="{"/".join(sorted(modes))}"' if modes else ""
    return joined(findings, f"{what}{mode}: no attempt has two spans")
