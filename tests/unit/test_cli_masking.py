"""What the command line hides: keys in any case, passwords of proxies and other URLs, and what looks like a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from anyint_resilience.cli.masking import HIDDEN, Mask, place, proxy_secrets, said_by_client, secrets_of

KEY = "sk-plan-Zq81xPw77Kt-secretly9"
PASSWORD = "Secr3tPass"


@pytest.mark.parametrize("text", [KEY, KEY.lower(), KEY.upper()])
def test_a_key_is_hidden_in_whatever_case(text: str) -> None:
    """A server may write back in lower case what it was sent."""
    assert Mask([KEY]).ours(f"text/{text}") == f"text/{HIDDEN}"


def test_a_document_keeps_its_form_and_loses_the_key() -> None:
    """Texts and names at any depth; numbers and the like stay as they are."""
    document = {"a": [1, 2.5, None, True, f"Bearer {KEY}"], KEY: {"url": f"https://x.example/{KEY.lower()}?b=c"}}
    assert Mask([KEY]).document(document) == {
        "a": [1, 2.5, None, True, f"Bearer {HIDDEN}"],
        HIDDEN: {"url": f"https://x.example/{HIDDEN}?b=c"},
    }


def test_a_document_without_end_has_one() -> None:
    """A document that is nested more deeply than any answer is cut, and not gone through for ever."""
    deep: list[object] = []
    deep.append(deep)
    assert HIDDEN in str(Mask([KEY]).document(deep))


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        (f"http://user:{PASSWORD}@127.0.0.1:3128", PASSWORD),
        (f"http://user:{PASSWORD}#1@127.0.0.1:3128", PASSWORD),
        (f"http://user:{PASSWORD}/1@127.0.0.1:3128", PASSWORD),
        (f"http://user:1#{PASSWORD}@127.0.0.1:3128", PASSWORD),
        (f"http://user:{PASSWORD}%231@127.0.0.1:3128", f"{PASSWORD}#1"),
        (f"user:{PASSWORD}@proxy:3128", PASSWORD),
        (f"http://{PASSWORD}@proxy:3128", PASSWORD),
        (f"http://proxy:{PASSWORD}", PASSWORD),
    ],
)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_what_a_client_may_quote_of_a_proxys_url_is_secret(variable: str, value: str, quoted: str) -> None:
    """User, password and the pieces of it, also where a # or / in it ends the host too early."""
    environ = {variable: value, "NO_PROXY": f"{PASSWORD}.example"}
    assert quoted in proxy_secrets(environ)
    assert PASSWORD not in Mask.of(environ).foreign(f"Invalid port: '{quoted}'")
    assert PASSWORD not in said_by_client(ValueError(f"Invalid port: '{quoted[:3]}'"), environ)
    assert "%23" in said_by_client(ValueError("no"), environ)


def test_a_proxy_without_a_password_is_no_secret() -> None:
    """What a client says is shown as it is, and so is what it could not import."""
    environ = {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "user:password@proxy.example"}
    assert proxy_secrets(environ) == []
    assert said_by_client(ValueError("the reason"), environ) == "ValueError: the reason"
    with_password = {"ALL_PROXY": f"socks5://user:{PASSWORD}@proxy.example:1080"}
    assert said_by_client(ImportError("no socksio"), with_password) == "ImportError: no socksio"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
        ("SHOP_TOKEN", "/wJalrXUtnFEMI/K7MDENG", "/wJalrXUtnFEMI/K7MDENG"),
        ("DATABASE_URL", "postgres://u:hunter2hunter2@db/x", "hunter2hunter2"),
        ("SENTRY_DSN", "https://abc:hunter2/hunter2@sentry.example/1", "hunter2/hunter2"),
    ],
)
def test_a_secret_may_have_a_slash(name: str, value: str, secret: str) -> None:
    """Half of all base64 has one; and a URL may hold a password whatever its variable is called."""
    assert secrets_of({name: value}) == [secret]
    assert secret not in Mask.of({name: value}).foreign(f"cannot use {value}")


def test_a_path_is_no_secret(tmp_path: Path) -> None:
    """Of a variable that is named like a secret and holds where that is."""
    assert secrets_of({"SSH_KEY_FILE": "/no/such/key", "TOKEN_CACHE": str(tmp_path / "token")}) == []


@pytest.mark.parametrize("ask", ["foreign", "said"])
def test_who_asks_is_hidden_in_any_url(ask: str) -> None:
    """Also where no variable holds it."""
    text = "cannot connect to redis://:hunter2@cache.example:6379/0 or https://docs.example/a"
    said = getattr(Mask(), ask)(text)
    assert said == f"cannot connect to redis://{HIDDEN}@cache.example:6379/0 or https://docs.example/a"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://me:secret@gateway.example/v1?key=secret#secret", "https://gateway.example/v1"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("me:secret@gateway.example", "gateway.example"),
        ("https://[not a url", "https://[not a url"),
    ],
)
def test_a_slip_in_a_url_can_be_seen_without_its_secrets(given: str, shown: str) -> None:
    """What was taken for a URL is shown as far as it holds none."""
    assert place(given) == shown
