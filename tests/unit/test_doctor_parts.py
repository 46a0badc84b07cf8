"""The pure parts of the doctor: what a key looks like, which host is a trap, what is hidden, how a run is bounded."""

from __future__ import annotations

import socket
import threading
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.cli.doctor import answers
from anyint_resilience.cli.doctor.checks import CHECKS, chosen
from anyint_resilience.cli.doctor.clock import skew
from anyint_resilience.cli.doctor.context import Context, Options
from anyint_resilience.cli.doctor.finding import Blocked, Check, Finding, failed, joined, ok, skipped, warning
from anyint_resilience.cli.doctor.key import flaws
from anyint_resilience.cli.doctor.listing import Listing, model_like
from anyint_resilience.cli.doctor.names import NAMES
from anyint_resilience.cli.doctor.running import run_all
from anyint_resilience.cli.masking import Mask, secrets_of

KEY = "sk-plan-Zq81xPw77Kt-secretly9"


def a_context(**options: float) -> Context:
    return Context(Options(**options), environ={"ANYINT_API_KEY": KEY})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("sk-plan-0a1b2c3d4e5f", None),
        ("sk-custom-0a1b2c3d4e5f", None),
        ("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", None),
        ("test-key", None),
        ("replacement-parts-0a1b", None),
        ("my-key", None),
        ("replace-me", "placeholder"),
        ("", "empty"),
        (" \n", "empty"),
        (f"{KEY}\r\n", "line end"),
        (f" {KEY}", "blank"),
        (f"{KEY} {KEY}", "in the middle"),
        (f"'{KEY}'", "quotation marks"),
        (f"“{KEY}”", "quotation marks"),
        (f"bearer {KEY}", "Bearer"),
        (f"Authorization: {KEY}", "Bearer"),
        ("<your key>", "placeholder"),
        ("YOUR_ANYINT_API_KEY", "placeholder"),
        ("sk-xxxxxxxx", "placeholder"),
        ("sk-…", "placeholder"),
        ("changeme", "placeholder"),
        ("None", "placeholder"),
        ("$ANYINT_API_KEY", "nobody expanded"),
        (f"ANYINT_API_KEY={KEY}", "name of a variable"),
        (f"export SHOP_TOKEN={KEY}", "name of a variable"),
        (f'{{"key": "{KEY}"}}', "JSON"),
        (f"{KEY},", "comma or semicolon"),
        (f"{KEY};", "comma or semicolon"),
        (f"{KEY}{KEY}", "twice"),
        (f"{KEY}\n{KEY}", "twice"),
        ("%ANYINT_API_KEY%", "nobody expanded"),
        ("https://gateway.api.anyint.ai", "URL"),
        ("sk-schlüssel", "characters"),
        ("sk-ant-0a1b2c", "Anthropic"),
        ("AIzaSyA0a1b2c3", "Google"),
    ],
    ids=repr,
)
def test_flaws_of_a_key_are_named(key: str, word: str | None) -> None:
    """A key that cannot be one is told by its look, and never shown; one that can be has no flaw."""
    found = [it.found for it in flaws(key)]
    assert (found == []) if word is None else any(word in it for it in found)
    core = key.strip().strip("'“”")
    assert not any(core in it for it in found if len(core) > 8)


@pytest.mark.parametrize("key", [f"Bearer {KEY}", f"Authorization: Bearer {KEY}"])
def test_one_slip_is_told_once(key: str) -> None:
    """The blank behind "Bearer" is no blank in the key."""
    assert len(list(flaws(key))) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        f"bad key {KEY.upper()}",
        f"key {KEY[3:20]} is unknown",
        f"{KEY}{KEY}",
        f"sk-plan-{'*' * 8}{KEY[-4:]} is wrong",
        f"sk-pl...{KEY[-4:]} is wrong",
        "x" * 200 + KEY,
        f"\x1b[31m{KEY}\x07\n\n",
    ],
)
def test_no_piece_of_a_key_comes_through(text: str) -> None:
    """Whole, in part, in capitals or half hidden: nothing of a key is left, and nothing that steers a terminal."""
    said = Mask([KEY]).foreign(text)
    assert said.isprintable()
    assert len(said) <= 240
    assert not any(KEY[at : at + 6].lower() in said.lower() for at in range(len(KEY) - 5))
    assert KEY[-4:] not in said


@given(st.text(max_size=300), st.integers(0, 300))
def test_a_key_anywhere_in_anything_is_hidden(text: str, at: int) -> None:
    """Whatever stands around it, no six characters of a key in a row come through; it is one printable line."""
    said = Mask([KEY]).foreign(text[:at] + KEY + text[at:])
    pieces = {KEY[it : it + 6] for it in range(len(KEY) - 5)}
    around = Mask().foreign(text, 1000)
    assert said.isprintable()
    assert not any(it in said for it in pieces if it not in around)


def test_words_are_left_as_they_are() -> None:
    """A message without a secret is shown as it came."""
    text = "The model `gpt-5` does not exist or you do not have access to it."
    assert Mask([KEY], ["another-secret"]).foreign(text) == text


def test_secrets_are_known_by_the_names_of_their_variables() -> None:
    """Values of variables that are named like secrets are hidden; paths and plain settings are not."""
    found = secrets_of(
        {"SHOP_TOKEN": "t0ken-value", "DB_PASSWORD": "p4ss", "SSH_KEY_FILE": "/home/me/key", "LANG": "C"}
    )
    assert found == ["t0ken-value", "p4ss"]


@pytest.mark.parametrize(
    ("ahead", "sent", "began", "off"),
    [
        (0.0, 100.0, 100.2, 0.0),
        (0.0, 100.9, 101.0, 0.0),  # the header has whole seconds
        (60.0, 100.4, 100.5, 59.4),
        (-60.0, 100.4, 100.5, -59.5),
        (0.0, 100.0, 108.0, 0.0),  # a slow answer is no skew
    ],
)
def test_skew_is_what_the_request_cannot_explain(ahead: float, sent: float, began: float, off: float) -> None:
    """A Date header has whole seconds and was written while the request was out: neither counts as skew."""
    date = formatdate(100, usegmt=True)
    assert skew(date, sent + ahead, began + ahead) == pytest.approx(off)


@pytest.mark.parametrize("date", ["", "soon", "Wed, 99 Oct 2015 07:28:00 GMT", "0", "\xff"])
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    """A header that cannot be read is no skew."""
    assert skew(date, 1.0, 1.0) is None


@pytest.mark.parametrize(
    ("kind", "ids", "wanted", "model"),
    [
        ("text", ["text-embedding-3", "gpt-5", "gpt-5-mini"], (), "gpt-5-mini"),
        ("text", ["kling-3.0", "gpt-image-1", "claude-opus"], (), "claude-opus"),
        ("text", ["gpt-5-mini", "gpt-5"], ("gpt-5",), "gpt-5"),
        ("text", ["gpt-5", "kling-3.0"], ("kling-3.0",), "gpt-5"),
        ("text", ["kling-3.0", "V5"], (), None),
        ("anthropic", ["claude-opus-5", "claude-haiku-5"], (), "claude-haiku-5"),
        ("anthropic", ["gpt-5"], (), None),
        ("gemini", ["gemini-3-pro", "gemini-3-flash-image", "gemini-3-flash"], (), "gemini-3-flash"),
        ("video", ["gpt-5", "kling-3.0"], (), "kling-3.0"),
    ],
)
def test_the_cheapest_fitting_model_is_asked(
    kind: str, ids: list[str], wanted: tuple[str, ...], model: str | None
) -> None:
    """By its name: one of --model that fits, else the cheapest-looking one of the list."""
    ctx = Context(Options(models=wanted), environ={"ANYINT_API_KEY": KEY})
    ctx.listing = Listing(ids=ids, pages=1)
    assert model_like(ctx, kind) == model
    ctx.close()


def test_a_finding_of_several_is_as_bad_as_the_worst() -> None:
    """The worst comes first, good ones are left out, and each advice is given once."""
    found = joined(
        [ok("fine"), warning("slow", "Wait."), failed("broken", "Mend it."), warning("old", "Wait.")], "well"
    )
    assert found == Finding("failed", "broken; slow; old", "Mend it. Wait.")
    assert joined([], "well") == ok("well")
    assert joined([ok("a"), ok("b")], "well") == ok("a; b")
    assert joined([skipped("no")], "well").status == "skipped"


def run(*checks: Check, timeout: float = 60.0) -> dict[str, Finding]:
    ctx = a_context(timeout=timeout)
    return {it.check.id: it.finding for it in run_all(checks, ctx)}


def raising(error: BaseException) -> Check:
    def check(ctx: Context) -> Finding:
        raise error

    return Check("a", "a check", check)


def test_what_blocks_another_check_is_told_once() -> None:
    """A check that another one blocks is skipped where that one is made too, and fails where it is not."""
    blocked = raising(Blocked("key", "there is no key"))
    no_key = Check("key", "the key", lambda ctx: failed("no", "set it"))
    assert run(blocked)["a"] == failed("there is no key", "Mend that first: anyint-resilience doctor --only key")
    assert run(no_key, blocked)["a"] == skipped("not before key is mended")


def test_what_no_check_tells_of_is_told_by_the_first_that_meets_it() -> None:
    """Where the check that should say why found nothing, not all others may pass for looked at."""
    blocked = raising(Blocked("versions", "it can't be imported", "Install it."))
    found = run(Check("versions", "v", lambda ctx: ok("fine")), blocked, Check("b", "another", blocked.run))
    assert found["a"] == failed("it can't be imported", "Install it.")
    assert found["b"] == skipped("not before a is mended")


@pytest.mark.parametrize("error", [ValueError(f"bad {KEY}"), SystemExit(3), RecursionError()], ids=repr)
def test_a_check_that_dies_fails(error: BaseException) -> None:
    """Whatever a check raises ends in words without the key, and the next check is made."""
    found = run(raising(error), Check("b", "another", lambda ctx: ok("fine")))
    assert found["a"].status == "failed"
    assert KEY not in found["a"].found
    assert found["b"] == ok("fine")


def test_a_check_that_hangs_leaves_the_others_their_time() -> None:
    """It is left behind when its share of the time is over, and the others are made."""
    never = threading.Event()
    found = run(
        Check("a", "hangs", lambda ctx: ok(str(never.wait()))), Check("b", "another", lambda ctx: ok("x")), timeout=0.2
    )
    never.set()
    assert "did not end within 0.1 s" in found["a"].found
    assert found["b"] == ok("x")


@pytest.mark.parametrize(("seconds", "share"), [(float("inf"), 90.0), (1000.0, 60.0), (25.0, 25.0 * 100 / 60)])
def test_a_check_gets_its_share_of_what_is_left(seconds: float, share: float) -> None:
    """One that waits for a paid task gets nearly all, no other more than three fifths or its own bound."""
    until: list[float] = []

    def note(ctx: Context) -> Finding:
        until.append(ctx.until - ctx.runtime.monotonic())
        return ok("x")

    run(Check("a", "a", note, seconds=seconds), timeout=100.0)
    assert until == [pytest.approx(share, abs=1.0)]


@pytest.mark.parametrize("how", ["__cause__", "__context__"])
def test_a_name_that_is_not_known_is_seen_in_what_a_client_wraps(how: str) -> None:
    """Each client raises an exception of its own around the resolver's, some of them two."""
    error: BaseException = socket.gaierror(-2, "no")
    for _ in range(3):
        outer = ConnectionError("all attempts failed")
        setattr(outer, how, error)
        error = outer
    assert answers._is_dns(error)
    assert not answers._is_dns(ConnectionError("all attempts failed"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError("407 Proxy Authentication Required"), 407),
        (OSError("Tunnel connection failed: 403 Forbidden"), 403),
        (OSError("connection to 10.0.0.503 refused"), 0),
        (OSError("[Errno 111] Connection refused"), 0),
        (type("Refused", (OSError,), {"status": 502})("no"), 502),
    ],
    ids=str,
)
def test_what_a_proxy_answered_is_read_from_a_clients_words(error: BaseException, status: int) -> None:
    """A proxy's status stands in no field of most clients' exceptions; it may be wrapped, too."""
    outer = ConnectionError("no way there")
    outer.__cause__ = error
    assert answers._status_in(error) == answers._status_in(outer) == status


def test_what_is_not_reached_is_no_success() -> None:
    """When the time of the whole run is over, the checks that are left fail."""
    assert run(Check("a", "a", lambda ctx: ok("x")), timeout=0.01)["a"].status == "failed"


def test_a_check_is_chosen_by_its_name() -> None:
    """All without --only, fewer with it; those of a client with a client alone, and what they stand on with them."""
    ids = [it.id for it in CHECKS]
    assert len(ids) == len(set(ids))
    assert {it.step for it in CHECKS if it.step} == set(range(1, 9))
    assert [it.id for it in chosen([], [], free=False, client=True)] == ids
    assert all(not it.client for it in chosen([], [], free=False, client=False))
    assert [it.id for it in chosen(["layer"], [], free=False, client=True)] == ["client", "layer"]
    of_client = [it.id for it in CHECKS if it.client]
    assert [it.id for it in chosen(["client"], [], free=False, client=True)] == ["client", *of_client]
    assert [it.id for it in chosen(["client"], ["layer"], free=False, client=True)] == ["client", *of_client[1:]]
    assert [it.id for it in chosen(["client"], [], free=False, client=False)] == ["client"]
    assert not any(it.tokens for it in chosen([], [], free=True, client=True))


def test_shells_know_every_check() -> None:
    """The names that the parser has are those of the table."""
    assert tuple(it.id for it in CHECKS) == NAMES
