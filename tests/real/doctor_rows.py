"""Misconfigurations, a row each: what is planted, which check must tell of it, and the words of cause and advice.

Must not know how the doctor is run.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from anyint_resilience.cli.doctor import callback, proxies
from anyint_resilience.emulator import Fault
from tests.real.doctor_kit import KEY, Place, Row

__all__ = ["CHAT", "LIST", "OTHER", "ROWS"]

LIST = "GET /openai/v1/models"
CHAT = "POST /openai/v1/chat/completions"
HTML = Fault(status=200, body="<html><title>Sign in to the Wi-Fi</title></html>")
OTHER = "another-key-of-mine-0123456789"
NO_ROUTE = Fault.error(404, code="unknown_url", message="Unknown request URL")


def setting(**variables: str) -> Callable[[Place], object]:
    """Plant variables; ``{url}`` in them is the gateway's."""
    return lambda place: place.set(
        **{name: value.replace("{url}", place.gateway.url) for name, value in variables.items()}
    )


def instead(**variables: str) -> Callable[[Place], object]:
    """Plant variables in the place of the key's."""

    def plant(place: Place) -> None:
        place.unset("ANYINT_API_KEY")
        place.set(**variables)

    return plant


def answering(match: str, *faults: Fault) -> Callable[[Place], object]:
    """Plant faults."""
    return lambda place: place.script(match, *faults)


def no_such_name(place: Place) -> None:
    """Plant a base URL whose name no server knows."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **more: Any) -> Any:
        if str(host).endswith("example.test"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **more)

    place.patch.setattr(socket, "getaddrinfo", look_up)
    place.set(ANYINT_BASE_URL="https://llm.example.test")


def nobody_there(place: Place) -> None:
    """Plant the address of a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place.set(ANYINT_BASE_URL=f"http://127.0.0.1:{free.getsockname()[1]}")


def key_in_file(place: Place) -> None:
    place.write("anyint-resilience.toml", f"# for now: {KEY}\nstore_wait = 0.1\n")


def named_and_not_set(place: Place) -> None:
    place.write("anyint-resilience.toml", 'api_key_env = "SHOP_KEY"\n')


def dotenv(place: Place) -> None:
    place.unset("ANYINT_API_KEY")
    place.write(".env", f"ANYINT_API_KEY={KEY}\n")


def redis_down(place: Place) -> None:
    place.patch.setattr("anyint_resilience.stores.redis.store._PATIENT", 0.2)
    place.set(ANYINT_RESILIENCE_STORE="redis://127.0.0.1:1/0")


def slow_callback(place: Place) -> None:
    place.patch.setattr(callback, "_SLOW", 0.02)
    place.script("POST /hook", Fault(status=200, body="{}", delay_headers=0.05), Fault(status=200, body="{}"))


def page(*ids: str, **more: Any) -> Fault:
    """Answer with a page of models."""
    return Fault(status=200, body={"data": [{"id": it} for it in ids], **more})


def stranger(place: Place) -> None:
    """Plant a file that lay about and names a host: its project was cloned, and nobody has read it."""
    place.unset("ANYINT_BASE_URL")
    place.write("anyint-resilience.toml", 'base_url = "https://llm.example.test"\napi_key_env = "ANYINT_API_KEY"\n')


def no_certificates(place: Place) -> None:
    place.write("ca.pem", "no certificate")
    place.set(SSL_CERT_FILE=str(place.folder / "ca.pem"))


def socks(place: Place) -> None:
    """Plant a proxy of another kind, and no package for it."""
    place.set(ALL_PROXY="socks5://127.0.0.1:1")
    place.patch.setattr(proxies, "find_spec", lambda name: None)


def proxy(status: int, body: bytes = b"") -> Callable[[Place], object]:
    """Plant a proxy that answers for the gateway."""
    head = f"HTTP/1.1 {status} No\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
    return lambda place: place.set(HTTP_PROXY=f"http://user:hunter2@{place.server(head + body)}")


FAMILIES = ("gpt-5", "claude-5", "gemini-3")
PAGE = Fault(status=403, body="<html>blocked</html>")
PAGES = [page(*FAMILIES, f"m-{it}", has_more=True, last_id=f"m-{it}") for it in range(20)]
LOCAL = ("--callback-url", "{url}/hook")
TAKEN = Fault(status=200, body="{}")

ROWS = (
    # step 1: the key, what stands beside it, and the address
    Row("no key", "key", "failed", "ANYINT_API_KEY is not set", "console", lambda it: it.unset("ANYINT_API_KEY")),
    Row("an empty key", "key", "failed", "ANYINT_API_KEY is empty", "Copy", setting(ANYINT_API_KEY="")),
    Row("a line end behind the key", "key", "failed", "a line end", "printf", setting(ANYINT_API_KEY=f"{KEY}\n")),
    Row("quotes around the key", "key", "failed", "quotation marks", "--env-file", setting(ANYINT_API_KEY=f'"{KEY}"')),
    Row("Bearer in the key", "key", "failed", '"Bearer "', "alone", setting(ANYINT_API_KEY=f"Bearer {KEY}")),
    Row("a placeholder", "key", "failed", "a placeholder", "console", setting(ANYINT_API_KEY="your-api-key")),
    Row("sk-... as the key", "key", "failed", "a placeholder", "console", setting(ANYINT_API_KEY="sk-...")),
    Row("a variable nobody expanded", "key", "failed", "nobody expanded", "shell", setting(ANYINT_API_KEY="${KEY}")),
    Row("a slip in the name", "key", "failed", "but ANYINT_APIKEY is", "Rename", instead(ANYINT_APIKEY=KEY)),
    Row("api_key_env names nothing", "key", "failed", "names SHOP_KEY, which is not set", "Set that variable",
        named_and_not_set),
    Row("the key in .env alone", "key", "failed", ".env has it", "uv run --env-file", dotenv),
    Row("the key in the file", "key", "failed", "it stands in anyint-resilience.toml", "api_key_env", key_in_file),
    Row("another provider's key", "key", "warning", "a key of Anthropic's", "AnyInt's console",
        setting(ANYINT_API_KEY=f"sk-ant-{KEY}"), also=frozenset({"models"})),
    Row("a key that is refused", "models", "failed", "refuses this key", "still active", setting(ANYINT_API_KEY=OTHER)),
    Row("a key in a file that is named", "key", "failed", "nothing reads that file", 'cat "$ANYINT_API_KEY_FILE"',
        instead(ANYINT_API_KEY_FILE="/run/secrets/key")),
    Row("the name in small letters", "key", "failed", "but anyint_api_key is", "Rename", instead(anyint_api_key=KEY)),
    Row("OPENAI_BASE_URL on plain http", "sdk-env", "failed", "plain http", "{url}/openai/v1",
        setting(OPENAI_BASE_URL="http://gateway.api.anyint.ai/openai/v1")),
    Row("OPENAI_BASE_URL without https", "sdk-env", "failed", "does not begin with https://", "{url}/openai/v1",
        setting(OPENAI_BASE_URL="gateway.api.anyint.ai/openai/v1")),
    Row("OPENAI_API_BASE", "sdk-env", "warning", "has not read since 1.0", "OPENAI_BASE_URL={url}/openai/v1",
        setting(OPENAI_API_BASE="{url}/openai/v1")),
    Row("OPENAI_API_KEY is another", "sdk-env", "warning", "not the one of ANYINT_API_KEY", "api_key=",
        setting(OPENAI_API_KEY=OTHER, OPENAI_BASE_URL="{url}/openai/v1")),
    Row("the AnyInt key for OpenAI", "sdk-env", "warning", "sends to api.openai.com", "OPENAI_BASE_URL={url}/openai/v1",
        setting(OPENAI_API_KEY=KEY)),
    Row("ANTHROPIC_AUTH_TOKEN is another", "sdk-env", "warning", "ANTHROPIC_AUTH_TOKEN", "unset ANTHROPIC_AUTH_TOKEN",
        setting(ANTHROPIC_AUTH_TOKEN=OTHER)),
    Row("OPENAI_BASE_URL is OpenAI's", "sdk-env", "warning", "goes past the gateway", "{url}/openai/v1",
        setting(OPENAI_BASE_URL="https://api.openai.com/v1")),
    Row("OPENAI_BASE_URL ends in /v1", "sdk-env", "failed", "it ends in /v1", "{url}/openai/v1",
        setting(OPENAI_BASE_URL="{url}/v1")),
    Row("ANTHROPIC_BASE_URL ends in /v1", "sdk-env", "failed", "/anthropic/v1", "{url}/anthropic.",
        setting(ANTHROPIC_BASE_URL="{url}/anthropic/v1")),
    Row("a base URL ending in /openai/v1", "base-url", "failed", "twice", "host alone",
        setting(ANYINT_BASE_URL="{url}/openai/v1")),
    Row("a base URL ending in /v1", "base-url", "failed", "nothing under /v1", "Use {url}, as the emulator prints it",
        setting(ANYINT_BASE_URL="{url}/v1")),
    Row("a base URL that is none", "base-url", "failed", "'gateway.api.anyint.ai' must begin with https://",
        "https://gateway.api.anyint.ai", argv=("--base-url", "gateway.api.anyint.ai")),
    Row("an emulator's URL without http", "base-url", "failed", "'127.0.0.1:8080' must begin with https://",
        "Use http://127.0.0.1:8080, as the emulator prints it", argv=("--base-url", "127.0.0.1:8080")),
    Row("localhost alone", "base-url", "failed", "'localhost' must begin", "Use http://localhost:PORT",
        argv=("--base-url", "localhost")),
    Row("quotes around the base URL", "base-url", "failed", "quotation marks are part of it: '{url}'", "--env-file",
        setting(ANYINT_BASE_URL='"{url}"')),
    Row("a password in the base URL", "base-url", "failed", "'https://gateway.api.anyint.ai' must not hold a user name",
        "the host alone", argv=("--base-url", "https://me:hunter2@gateway.api.anyint.ai?x=hunter2")),
    Row("a key for a base URL", "base-url", "failed", "it must begin with https://", "the host alone",
        argv=("--base-url", OTHER)),
    Row("a slip in the base URL's variable", "base-url", "warning", "ANYINT_BASEURL is set, and nothing reads it",
        "ANYINT_BASE_URL is the name", lambda it: (it.unset("ANYINT_BASE_URL"), it.set(ANYINT_BASEURL="x")),
        ("--only", "base-url")),
    Row("a file that nobody named", "base-url", "failed", "was found, not named: no key was sent there", "--config /",
        stranger),
    Row("a path that nobody serves", "models", "failed", "HTTP 404", "look at the base URL",
        setting(ANYINT_BASE_URL="{url}/relay"), also=frozenset({"base-url"})),
    Row("plain http to another machine", "base-url", "failed", "must be https", "https://gateway.api.anyint.ai",
        setting(ANYINT_BASE_URL="http://gateway.api.anyint.ai")),
    Row("a host that looks like AnyInt's", "base-url", "failed", "no key was sent there", "gateway.api.anyint.ai",
        argv=("--base-url", "https://gateway.api.anylnt.ai")),
    Row("a host nobody knows", "models", "failed", "its name is not known (DNS)", "base URL", no_such_name,
        also=frozenset({"base-url"})),
    # what is configured, and what is around
    Row("a setting that there is not", "config", "failed", "ANYINT_RESILIENCE_POLICY_ATEMPTS", "config check",
        setting(ANYINT_RESILIENCE_POLICY_ATEMPTS="3")),
    Row("a value that cannot be", "config", "failed", "many", "config check",
        setting(ANYINT_RESILIENCE_POLICY_ATTEMPTS="many")),
    Row("a variable that is not read", "config", "warning", "ANYINT_STORE is none of ours", "Rename it",
        setting(ANYINT_STORE="sqlite:///creates.db")),
    Row("a store that is down", "store", "failed", "redis", "own memory",
        redis_down, needs="redis"),
    Row("a store in no folder", "store", "failed", "sqlite", "own memory",
        setting(ANYINT_RESILIENCE_STORE="sqlite:///nowhere/creates.db")),
    Row("a proxy that is off", "proxies", "failed", "does not answer", "NO_PROXY=127.0.0.1",
        setting(HTTP_PROXY="http://user:pass@127.0.0.1:1"), also=frozenset({"models"})),
    Row("a password with a number sign", "proxies", "failed", "HTTP_PROXY is no URL of a proxy", "# is written %23",
        setting(HTTP_PROXY="http://user:hunter2#1@127.0.0.1:1")),
    Row("a SOCKS proxy and nothing for it", "proxies", "failed", "ALL_PROXY names a SOCKS proxy", "[socks]",
        socks, ("--only", "proxies")),
    Row("https to a proxy on http", "proxies", "failed", "does not speak TLS", "HTTP_PROXY=http://host:port",
        lambda it: it.set(HTTP_PROXY=it.gateway.url.replace("http:", "https:")), also=frozenset({"models"})),
    Row("a proxy that wants a login", "models", "failed", "wants a user and a password (HTTP 407)", "user:password@",
        proxy(407), also=frozenset({"proxies"})),
    Row("this machine behind a proxy", "proxies", "warning", "though the gateway is on this machine",
        "NO_PROXY=127.0.0.1", proxy(407), also=frozenset({"models"})),
    Row("a proxy that blocks", "models", "failed", "HTTP 403: a page came", "such as that of HTTP_PROXY",
        proxy(403, b"<html>blocked by corp</html>"), also=frozenset({"proxies"})),
    Row("no certificates in their file", "certificates", "failed", "in which there is no certificate", "certifi",
        no_certificates),
    Row("certificates that are not there", "certificates", "failed", "SSL_CERT_FILE", "certifi",
        setting(SSL_CERT_FILE="/nowhere/ca.pem")),
    # step 2: the Models API
    Row("a model with a slip in its name", "models", "failed", "names like it: gpt-5", "data[].id",
        argv=("--model", "gtp-5")),
    Row("an empty list", "models", "failed", "the list is empty", "plan", answering(LIST, page())),
    Row("pages that repeat", "models", "warning", "the same page again", "not listed",
        answering(LIST, *[page("gpt-5", "claude-5", "gemini-3", has_more=True, last_id="gemini-3")] * 2)),
    Row("pages without an end", "models", "warning", "goes on after 20 page(s)", "not listed", answering(LIST, *PAGES)),
    Row("a login page for an answer", "models", "failed", "a page came", "browser", answering(LIST, HTML)),
    Row("a firewall's 403", "models", "failed", "HTTP 403: a page came", "firewall", answering(LIST, PAGE)),
    Row("a firewall's 401", "models", "failed", "HTTP 401: a page came", "firewall",
        answering(LIST, replace(PAGE, status=401))),
    Row("a firewall's 429", "models", "failed", "HTTP 429: a page came", "firewall",
        answering(LIST, *[replace(PAGE, status=429)] * 2)),
    Row("a 200 that is an error", "models", "failed", "no list in data", "look at the base URL",
        answering(LIST, Fault(status=200, body={"error": {"message": "Invalid API key", "type": "x"}}))),
    Row("https to an emulator", "models", "failed", "the TLS handshake failed", "speaks plain http: use {url}",
        lambda it: it.set(ANYINT_BASE_URL=it.gateway.url.replace("http:", "https:"))),
    Row("http to what speaks https", "models", "failed", "the connection broke", "may speak https",
        lambda it: it.set(ANYINT_BASE_URL=f"http://{it.server(b'')}")),
    Row("a redirect", "models", "failed", "redirects to https://login.example.com/in", "not sent on",
        answering(LIST, Fault(status=302, headers={"location": "https://login.example.com/in?token=s3"}))),
    Row("no right to list", "models", "failed", "HTTP 403, permission", "entitlement",
        answering(LIST, Fault.error(403))),
    Row("a rate limit", "models", "warning", "this key is limited now", "Back off",
        answering(LIST, Fault.error(429, retry_after=30))),
    Row("a model that nobody could look for", "models", "failed", "nobody knows whether there is 'gpt-5'", "later",
        answering(LIST, Fault.error(429, retry_after=30)), ("--model", "gpt-5")),
    Row("one bad answer in between", "models", "warning", "HTTP 503", "timeline()", answering(LIST, Fault(status=503))),
    Row("nobody at the address", "models", "failed", "no connection could be made", "base URL", nobody_there),
    Row("a silent gateway", "models", "failed", "no answer came in time", "firewalls",
        answering(LIST, *[Fault(stall="before_headers")] * 3), ("--timeout", "0.8")),
    Row("a clock that is wrong", "clock", "warning", "s ahead of the gateway's", "NTP",
        answering(LIST, Fault(headers={"date": "Wed, 21 Oct 2015 07:28:00 GMT"}))),
    # steps 3 and 4: text and stream
    Row("no balance", "text", "failed", "HTTP 402, quota (insufficient_quota", "top it up",
        answering(CHAT, Fault.error(402))),
    Row("another family's answer", "text", "failed", "no choices[0].message", "proxies of your own",
        answering(CHAT, Fault(status=200, body={"code": 430, "msg": "busy"}))),
    Row("a stream that is cut", "stream", "failed", "interrupted after 2 events of content", "docs/streams.md",
        answering(CHAT, Fault(), Fault(cut_stream_after=3))),
    Row("a stream gathered by a proxy", "stream", "failed", "text/event-stream should be", "text/event-stream on",
        answering(CHAT, Fault(), Fault(status=200, body={"choices": []}))),
    Row("a stream without its last event", "stream", "warning", "[DONE]", "our layer warns",
        answering(CHAT, Fault(), Fault(drop_terminator=True))),
    # step 5: the families
    Row("a proxy that drops x-api-key", "anthropic", "failed", "though the Models API takes it", "x-api-key",
        answering("POST /anthropic", Fault.error(401))),
    Row("no Gemini in the plan", "gemini", "warning", "HTTP 403", "--skip gemini",
        answering("POST /gemini", Fault.error(403, family="gemini"))),
    Row("no route to Kling", "kling", "failed", "this route is not there", "base URL",
        answering("GET /transtreams", NO_ROUTE)),
    Row("a page instead of Suno", "suno", "failed", "a page came", "browser", answering("GET /suno", HTML, HTML)),
    Row("a firewall before Kling", "kling", "failed", "HTTP 403: a page came", "firewall",
        answering("GET /transtreams", PAGE)),
    Row("DashScope down once", "dashscope", "warning", "only the second attempt was good, after HTTP 503", "heals it",
        answering("GET /dashscope", Fault(status=503))),
    Row("DashScope down", "dashscope", "failed", "HTTP 500", "provider failed",
        answering("GET /dashscope", *[Fault(status=500)] * 2)),
    # steps 6 to 8
    Row("no route to videos", "task", "failed", "a page came", "browser",
        answering("GET /openai/v1/videos", Fault(status=404, body="<html>404</html>"))),
    Row("a callback on plain http", "callback", "failed", "plain http", "https",
        argv=("--callback-url", "http://hooks.example.com/suno")),
    Row("a callback that is no URL", "callback", "failed", "no URL that can be read", "public https",
        argv=("--callback-url", "https://[bad")),
    Row("a password in the callback", "callback", "failed", "it has a user or a password in it", "into its path",
        argv=("--callback-url", "https://me:hunter2-hunter2@hooks.example.com/suno")),
    Row("a callback inside", "callback", "failed", "nobody outside can reach", "tunnel",
        argv=("--callback-url", "https://10.0.0.7/hook")),
    Row("a callback on this machine", "callback", "warning", "this machine", "tunnel",
        answering("POST /hook", TAKEN, TAKEN), LOCAL),
    Row("a callback that takes no POST", "callback", "failed", "HTTP 405", "take POST",
        answering("POST /hook", Fault(status=405)), LOCAL),
    Row("a callback that moved", "callback", "failed", "HTTP 308", "not followed",
        answering("POST /hook", Fault(status=308, headers={"location": "/hook/"})), LOCAL),
    Row("a callback taken only once", "callback", "failed", "not idempotent", "twice",
        answering("POST /hook", TAKEN, Fault(status=500)), LOCAL),
    Row("a slow callback", "callback", "warning", "to answer; it is given 15 s", "202", slow_callback, LOCAL),
    Row("every key is taken", "wrong-key", "warning", "a wrong key was taken", "keys=",
        answering(LIST, Fault(), page("gpt-5"))),
    Row("a wrong key is no 401", "wrong-key", "failed", "no 401, but HTTP 404", "look at what answers",
        answering(LIST, Fault(), Fault(status=404))),
    Row("a 401 that is a page", "wrong-key", "failed", "no 401 of the gateway, but HTTP 401: a page came",
        "look at what answers", answering(LIST, Fault(), replace(PAGE, status=401))),
    Row("a policy of one attempt", "limited", "warning", "attempts is 1", "Policy(attempts=3)",
        setting(ANYINT_RESILIENCE_POLICY_ATTEMPTS="1")),
    Row("a policy that is off", "limited", "warning", "enabled is false", "back off",
        setting(ANYINT_RESILIENCE_POLICY_ENABLED="false")),
)  # fmt: skip
