"""The pure parts of the doctor: what a key looks like, which host is a trap, what is hidden, how a run is bounded."""

from __future__ import annotations

import threading
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.cli.doctor.address import looks_alike
from anyint_resilience.cli.doctor.checks import CHECKS, UnknownCheck, chosen
from anyint_resilience.cli.doctor.clock import skew
from anyint_resilience.cli.doctor.context import Context, Options
from anyint_resilience.cli.doctor.finding import Blocked, Check, Finding, failed, joined, ok, skipped, warning
from anyint_resilience.cli.doctor.key import flaws
from anyint_resilience.cli.doctor.listing import Listing, model_like
from anyint_resilience.cli.doctor.paths import SDKS, is_gateway, path_problem, shown
from anyint_resilience.cli.doctor.proxies import proxy_for
from anyint_resilience.cli.doctor.retries import Sums, sums_of
from anyint_resilience.cli.doctor.running import run_all
from anyint_resilience.cli.doctor.shapes import Anatomy, Layer, Part
from anyint_resilience.cli.masking import Mask, secrets_of
from anyint_resilience.config import Resilience

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


@pytest.mark.parametrize(
    ("host", "trap"),
    [
        ("gateway.api.anyint.ai", False),
        ("api.anyint.ai", False),
        ("eu.api.anyint.ai", False),
        ("llm.example.com", False),
        ("anyint-proxy.internal.example.com", False),
        ("127.0.0.1", False),
        ("localhost", False),
        ("gateway.api.anyint.io", True),
        ("gateway.api.anylnt.ai", True),
        ("api.any-int.ai", True),
        ("api.anyint.ai.example.com", True),
        ("api.anyint.aii", True),
    ],
)
def test_a_host_that_looks_like_anyints_is_told(host: str, trap: bool) -> None:
    """A slip of the pen or a trap is held back from; a proxy of one's own is not taken for one."""
    assert looks_alike(host) is trap


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
    ("url", "environ", "variable"),
    [
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy:3128"}, "HTTPS_PROXY"),
        ("https://api.anyint.ai/x", {"https_proxy": "proxy:3128", "HTTPS_PROXY": "http://other"}, "https_proxy"),
        ("https://api.anyint.ai/x", {"ALL_PROXY": "socks5://proxy"}, "ALL_PROXY"),
        ("https://api.anyint.ai/x", {"HTTP_PROXY": "http://proxy"}, None),
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "localhost, .anyint.ai"}, None),
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, None),
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "int.ai"}, "HTTPS_PROXY"),
        ("http://127.0.0.1:80/x", {"HTTP_PROXY": "http://user:pass@proxy:3128"}, "HTTP_PROXY"),
    ],
)
def test_the_proxy_that_counts_is_found(url: str, environ: dict[str, str], variable: str | None) -> None:
    """By scheme, with the lower case first, and past what NO_PROXY names; never with its password."""
    found = proxy_for(url, environ)
    assert (None if found is None else found.variable) == variable
    assert found is None or "pass" not in found.place


@pytest.mark.parametrize(
    ("sdk", "url", "right"),
    [
        ("openai", "https://api.anyint.ai/openai/v1/", True),
        ("openai", "https://api.anyint.ai/v1", False),
        ("openai", "https://api.anyint.ai", False),
        ("openai", "https://api.anyint.ai/openai", False),
        ("anthropic", "https://api.anyint.ai/anthropic", True),
        ("anthropic", "https://api.anyint.ai/anthropic/v1", False),
        ("google-genai", "https://api.anyint.ai/gemini", True),
        ("google-genai", "https://api.anyint.ai/gemini/v1beta", False),
    ],
)
def test_each_sdk_has_one_right_path(sdk: str, url: str, right: bool) -> None:
    """What an SDK puts behind its base URL decides on where that must end."""
    (row,) = [it for it in SDKS if it.name == sdk]
    problem = path_problem(row, url, "https://api.anyint.ai")
    assert (problem is None) is right
    assert path_problem(row, f"https://example.com/relay{row.path}", "https://example.com/relay") is None


def test_a_url_is_shown_without_its_secrets() -> None:
    """No user, no password, no query; what cannot be read is not shown at all."""
    assert shown("https://me:secret@example.com:8443/x?key=secret#secret") == "https://example.com:8443/x"
    assert shown("secret") == shown("https://[secret") == shown("https://example.com:secret/") == ""
    assert is_gateway("http://127.0.0.1:8080/x", "http://127.0.0.1:8080")
    assert not is_gateway("http://127.0.0.1:8081/x", "http://127.0.0.1:8080")
    assert is_gateway("https://api.anyint.ai/openai/v1", "http://127.0.0.1:8080")


OURS = Resilience(api_key=KEY)
OUR = Layer("ours", "ResilientTransport", 3, OURS)
WIRE = Layer("wire", "HTTPTransport", 1)
OPENAI, _, GENAI = SDKS


@pytest.mark.parametrize(
    ("layers", "library", "sdk", "retries", "sums"),
    [
        ([OUR, WIRE], "httpx", None, None, (3, 3)),
        ([Layer("wire", "w", 6)], "httpx", None, None, (1, 6)),
        ([Layer("wire", "w", 6)], "requests", None, None, (6, 6)),
        ([OUR, Layer("wire", "w", 6)], "requests", None, None, (3, 3)),
        ([Layer("retry", "r", 11), OUR, WIRE], "httpx", None, None, (33, 33)),
        ([Layer("retry", "r", None), OUR, WIRE], "httpx", None, None, (None, None)),
        ([OUR, OUR, WIRE], "httpx", None, None, (9, 9)),
        ([OUR, WIRE], "httpx2", OPENAI, 2, (3, 6)),
        ([OUR, WIRE], "httpx2", OPENAI, 0, (3, 3)),
        ([WIRE], "httpx2", OPENAI, 2, (3, 3)),
        ([OUR, WIRE], "httpx2", GENAI, 4, (15, 15)),
    ],
)
def test_layers_multiply(
    layers: list[Layer], library: str, sdk: object, retries: int | None, sums: tuple[int | None, int | None]
) -> None:
    """3 + 2 + 1 under an SDK that obeys us, a product under any other layer, and urllib3's left out below us."""
    part = Part("calls", library, None, layers)
    found = Anatomy("a client", [part], sdk, retries=retries)  # type: ignore[arg-type]
    assert sums_of(found, part) == Sums(*sums)


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
    assert run(blocked)["a"] == failed("there is no key", "Mend that first: anyint-resilience doctor --only key")
    assert run(blocked, Check("key", "the key", lambda ctx: failed("no", "set it")))["a"].status == "skipped"


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
    assert not any(it.tokens for it in chosen([], [], free=True, client=True))
    with pytest.raises(UnknownCheck, match="models"):
        chosen(["model"], [], free=False, client=False)
