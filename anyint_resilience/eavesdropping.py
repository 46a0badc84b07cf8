"""Who else may read what a client sends: a proxy, whoever answers in the gateway's place. Must not know any client."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from .router import is_loopback

__all__ = ["UNCHECKED", "reads_along", "takes_any"]

UNCHECKED = (
    "this client does not check that a certificate is {host}'s, and whoever answers in its place gets the key: "
    "instead of verify=False, ssl=False or check_hostname=False give it the authority that it misses"
)


def reads_along(proxy: str) -> bool:
    """Whether a proxy, by its URL, gets what is sent to this machine on plain http: one that runs here tells nobody."""
    try:
        return not is_loopback(urlsplit(proxy if "://" in proxy else f"//{proxy}").hostname or "")
    except ValueError:
        return True


def takes_any(context: object) -> bool:
    """Whether TLS with these settings takes a certificate that anybody made, or one for any name."""
    return isinstance(context, ssl.SSLContext) and (context.verify_mode is ssl.CERT_NONE or not context.check_hostname)
