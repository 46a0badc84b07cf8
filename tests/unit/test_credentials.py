"""Keys: which header they go in, which hosts see them, and where they never show."""

from __future__ import annotations

import pytest

from anyint_resilience.contract.words import AuthStyle, Family
from anyint_resilience.credentials import Credentials, HeaderEdit, outer_retries
from anyint_resilience.exceptions import ResilienceError
from anyint_resilience.keys import key_problem

BEARER, X_API_KEY = AuthStyle.BEARER, AuthStyle.X_API_KEY
VERSION = (b"anthropic-version", b"2023-06-01")


def sent(
    key: str | None, headers: list[tuple[bytes, bytes]], family: Family, *, secure: bool = True
) -> set[tuple[bytes, bytes]]:
    """Return the headers as they go out."""
    style = X_API_KEY if family is Family.ANTHROPIC else BEARER
    edit = Credentials(key).edit(headers, family, style, secure=secure)
    return set(headers if edit is None else edit.apply(headers))


@pytest.mark.parametrize(
    ("key", "headers", "family", "expected"),
    [
        ("k", [], Family.OPENAI, {(b"Authorization", b"Bearer k")}),
        ("k", [], Family.SUNO, {(b"Authorization", b"Bearer k")}),
        ("k", [], Family.ANTHROPIC, {(b"x-api-key", b"k"), VERSION}),
        # a right header is left alone, whoever's key it holds
        ("k", [(b"authorization", b"Bearer own")], Family.OPENAI, {(b"authorization", b"Bearer own")}),
        ("k", [(b"X-Api-Key", b"own"), VERSION], Family.ANTHROPIC, {(b"X-Api-Key", b"own"), VERSION}),
        # the wrong style goes, the right one comes
        ("k", [(b"x-api-key", b"own")], Family.OPENAI, {(b"Authorization", b"Bearer k")}),
        ("k", [(b"Authorization", b"Bearer own")], Family.ANTHROPIC, {(b"x-api-key", b"k"), VERSION}),
        (
            "k",
            [(b"authorization", b"Bearer own"), (b"x-api-key", b"k2")],
            Family.OPENAI,
            {(b"authorization", b"Bearer own")},
        ),
        # no key of ours: the caller's own moves
        (None, [(b"x-api-key", b"own")], Family.OPENAI, {(b"Authorization", b"Bearer own")}),
        (None, [(b"x-goog-api-key", b"own")], Family.GEMINI, {(b"Authorization", b"Bearer own")}),
        (None, [(b"Authorization", b"bearer own")], Family.ANTHROPIC, {(b"x-api-key", b"own"), VERSION}),
        # a version the caller chose stays
        (
            "k",
            [(b"anthropic-version", b"2026-10-21")],
            Family.ANTHROPIC,
            {(b"x-api-key", b"k"), (b"anthropic-version", b"2026-10-21")},
        ),
        # a blank one is none, and hides no other
        (
            "k",
            [(b"authorization", b"Bearer own"), (b"authorization", b" ")],
            Family.OPENAI,
            {(b"Authorization", b"Bearer own")},
        ),
        ("k", [(b"anthropic-version", b" ")], Family.ANTHROPIC, {(b"x-api-key", b"k"), VERSION}),
        # nothing usable
        (None, [], Family.OPENAI, set()),
        (None, [(b"Authorization", b"Basic dTpw")], Family.OPENAI, {(b"Authorization", b"Basic dTpw")}),
        ("k", [(b"Authorization", b"Bearer ")], Family.OPENAI, {(b"Authorization", b"Bearer k")}),
    ],
)
def test_the_right_header_and_no_other(
    key: str | None, headers: list[tuple[bytes, bytes]], family: Family, expected: set[tuple[bytes, bytes]]
) -> None:
    """Each family gets its documented header; a wrong one is taken off; a right one is never touched."""
    assert sent(key, headers, family) == expected


@pytest.mark.parametrize("headers", [[(b"Authorization", b"Bearer k")], [(b"x-api-key", b"k")], []])
def test_no_key_travels_over_plain_http(headers: list[tuple[bytes, bytes]]) -> None:
    """Plain http to another machine carries no key, ours or the caller's."""
    assert sent("k", headers, Family.OPENAI, secure=False) == set()


@pytest.mark.parametrize(
    ("headers", "style", "expected"),
    [
        ([(b"authorization", b"Bearer k")], BEARER, True),
        ([(b"authorization", b"Bearer k"), (b"x-stainless-retry-count", b"0")], BEARER, True),
        ([(b"x-api-key", b"k"), VERSION], X_API_KEY, True),
        ([VERSION, (b"x-api-key", b"k")], X_API_KEY, True),
        ([(b"x-api-key", b"k")], X_API_KEY, False),
        ([], BEARER, False),
        ([(b"authorization", b"Bearer ")], BEARER, False),
        ([(b"authorization", b"Basic k")], BEARER, False),
        ([(b"authorization", b"Bearer k"), (b"x-api-key", b"k")], BEARER, False),
        ([VERSION, (b"authorization", b"Bearer k")], X_API_KEY, False),
        ([(b"x-goog-api-key", b"k")], BEARER, False),
        ([(b"authorization", b"Bearer k"), (b"x-stainless-retry-count", b"1")], BEARER, False),
    ],
)
def test_in_order_says_yes_only_where_nothing_must_change(
    headers: list[tuple[bytes, bytes]], style: AuthStyle, expected: bool
) -> None:
    """The fast lane's one pass agrees with the closer look: yes means there is no edit to make."""
    credentials = Credentials("k")
    assert credentials.in_order([(n.upper(), n, v) for n, v in headers], style) is expected
    family = Family.ANTHROPIC if style is X_API_KEY else Family.OPENAI
    if expected:
        assert credentials.edit(headers, family, style, secure=True) is None


@pytest.mark.parametrize(
    "header", [(b"x-api-key", b"secret"), (b"Authorization", b"Bearer secret"), (b"X-Goog-Api-Key", b"secret")]
)
def test_a_key_seen_on_an_anyint_host_is_taken_off_a_foreign_request(header: tuple[bytes, bytes]) -> None:
    """After a redirect no key of AnyInt's goes to another host; other people's keys are not ours to touch."""
    credentials = Credentials(None)
    assert credentials.strip([header]) is None
    credentials.edit([(b"x-api-key", b"secret")], Family.OPENAI, BEARER, secure=True)
    assert credentials.strip([header]) == HeaderEdit(frozenset({header[0].lower()}))
    assert credentials.strip([(b"x-api-key", b"another")]) is None


@pytest.mark.parametrize("name", [b"api-key", b"X-Auth-Token", b"Proxy-Authorization", b"Cookie"])
@pytest.mark.parametrize("value", [b"a-long-key", b"Bearer a-long-key", b"a=b; key=a-long-key;"])
def test_a_key_in_a_header_that_is_not_for_keys_was_let_out(name: bytes, value: bytes) -> None:
    """To a foreign host, and to AnyInt's own over plain http. What says how long a request is stays, whatever it is."""
    credentials, at_hand = Credentials("a-long-key"), [(name, value), (b"Accept", b"a-long")]
    assert credentials.strip(at_hand) == HeaderEdit(frozenset({name.lower()}))
    assert credentials.edit(at_hand, Family.OPENAI, BEARER, secure=False) == HeaderEdit(frozenset({name.lower()}))
    assert Credentials("12345678").strip([(b"Content-Length", b"12345678"), (b"host", b"12345678")]) is None


def test_our_own_key_is_never_let_out_however_many_keys_were_seen() -> None:
    """The memory of seen keys is bounded; the configured key does not depend on it."""
    credentials = Credentials("ours")
    for number in range(500):
        credentials.in_order([(b"", b"authorization", b"Bearer k%d" % number)], BEARER)
    assert credentials.strip([(b"x-api-key", b"ours")]) is not None


def test_a_key_seen_a_moment_ago_is_known_however_many_came_since_the_memory_was_full() -> None:
    """A server for many users: the last thousand keys are known at any time, so none of them follows a redirect."""
    credentials = Credentials(None)
    for number in range(3100):
        credentials.edit([(b"x-api-key", b"k%d" % number)], Family.OPENAI, BEARER, secure=True)
        if number > 1000 and number % 1024 < 3:  # where the memory begins anew, and shortly after
            for before in (0, 1, 500, 1000):
                assert credentials.strip([(b"x-api-key", b"k%d" % (number - before))]) is not None
                assert credentials.holds(f"k{number - before}")
    assert credentials.strip([(b"x-api-key", b"k1")]) is None  # and no more than so many


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "schlüssel", 7, b"bytes", None])
def test_what_cannot_be_a_key_is_named_and_never_shown(key: object) -> None:
    """A key that would break a header is refused in words that do not hold it."""
    problem = key_problem(key)
    assert problem is not None
    assert "break" not in problem
    if key is not None:
        credentials = Credentials(lambda: "unused")
        with pytest.raises(ResilienceError):
            credentials.accept(key)


def test_a_callers_own_refused_key_is_not_replaced_by_ours() -> None:
    """A header the user set correctly is left alone, also after a 401."""
    credentials = Credentials(lambda: "ours")
    credentials.accept(credentials.ask(None))
    headers = [(b"Authorization", b"Bearer theirs")]
    assert credentials.ask(b"theirs") is None
    assert credentials.rotated(headers, Family.OPENAI, BEARER, b"theirs") is None


@pytest.mark.parametrize(("value", "count"), [(b"0", 0), (b"2", 2), (b"-1", 0), (b"x", 0), (b"9" * 400, 0), (b"", 0)])
def test_the_count_of_a_layer_above_is_read_safely(value: bytes, count: int) -> None:
    """Garbage in the SDKs' counter is no retry."""
    assert outer_retries([(b"X-Stainless-Retry-Count", value)]) == count


def test_no_repr_shows_a_key() -> None:
    """Neither credentials nor edits show what they hold."""
    credentials = Credentials("sk-secret")
    edit = credentials.edit([], Family.OPENAI, BEARER, secure=True)
    assert "secret" not in repr(credentials) + repr(edit)
