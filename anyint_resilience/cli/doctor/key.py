"""Step 1: the key: whether there is one, where it came from, how it looks. Nothing here shows a piece of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from ...configuring.settings import KEY
from .context import Context
from .finding import Blocked, Finding, failed, joined, warning

__all__ = ["check_key", "flaws", "refused"]

_PLACEHOLDER: Final = re.compile(
    r"(?:sk[-_])?(?:\.{2,}|…|x{3,}|\*{3,}|<.*>|\[.*\]|\{\{.*\}\}|todo|change[-_ ]?me|none|null|undefined|dummy|example"
    r"|replace[-_ ]?(?:me|this|with)\b.*|insert[-_ ].*|placeholder.*|your[-_ ]?(?:anyint[-_ ]?)?(?:api[-_ ]?)?"
    r"(?:key|token).*|(?:anyint[-_ ]?)?api[-_ ]?key(?:[-_ ]?here)?)",
    re.I,
)
_UNEXPANDED: Final = re.compile(r"\$\{?\w+\}?|%\w+%|\$\(.*\)")
_QUOTES: Final = "\"'`“”‘’"
_OTHERS: Final = {"sk-ant-": "Anthropic", "sk-proj-": "OpenAI", "AIza": "Google", "hf_": "Hugging Face", "gsk_": "Groq"}
_MEND: Final = "Copy the key once more from AnyInt's console and set it as it is: export ANYINT_API_KEY=..."
_DOTENV: Final = ".env"
_PASTED: Final = (
    (re.compile(r"(?:export\s+)?[A-Z][A-Z0-9_]*_(?:KEY|TOKEN)\s*=.*", re.S), "the name of a variable stands before it"),
    (re.compile(r"\{[^{].*", re.S), "it is JSON"),
    (re.compile(r".*[,;]"), "a comma or semicolon stands at its end"),
)


def flaws(key: str) -> Iterator[Finding]:
    """Yield what is wrong with the look of a key, without a piece of it."""
    bare = key.strip()
    if not bare:
        yield failed("it is empty", _MEND)
        return
    begun = bare.lower().startswith(("bearer ", "authorization:"))
    if bare != key:
        what = "a line end" if set(key) & set("\r\n") else "a blank"
        yield failed(f"{what} stands around it", "Take it away: printf %s instead of echo, or key.strip().")
    elif not begun and any(it.isspace() for it in bare):
        yield failed("a blank or a line end stands in the middle of it", _MEND)
    if bare[0] in _QUOTES or bare[-1] in _QUOTES:
        yield failed("quotation marks are part of it", "Take them away: docker's --env-file and .env keep them.")
    if begun:
        yield failed('it begins with "Bearer "', "Give the key alone: the header is made of it.")
    pasted = next((what for pattern, what in _PASTED if pattern.fullmatch(bare)), None)
    if pasted is None and _is_twice(bare):
        pasted = "it is there twice"
    if pasted is not None:
        yield failed(pasted, "Give the key alone.")
    core = bare.strip(_QUOTES).strip()
    if _UNEXPANDED.fullmatch(core):
        yield failed("it is a variable that nobody expanded", "Set the key itself, or let a shell expand the variable.")
    elif _PLACEHOLDER.fullmatch(core):
        yield failed("it is a placeholder", _MEND)
    elif core.lower().startswith(("http://", "https://")):
        yield failed("it is a URL", "ANYINT_API_KEY is the key, ANYINT_BASE_URL the address.")
    elif not core.isascii() or not core.replace(" ", "").isprintable():
        yield failed("it has characters that can't stand in a header", _MEND)
    for start, whose in _OTHERS.items():
        if core.startswith(start):
            yield warning(f"it looks like a key of {whose}'s", "A key of AnyInt's comes from AnyInt's console.")


def _is_twice(bare: str) -> bool:
    words = bare.split()
    if len(words) == 1:
        words = [bare[: len(bare) // 2], bare[len(bare) // 2 :]]
    return len(words) == 2 and words[0] == words[1] and len(words[0]) >= 8


def refused(ctx: Context) -> Blocked | None:
    """Return why no request can be sent with this key, None if one can."""
    if not ctx.key:
        return Blocked("key", "there is no key")
    wrong = next((it for it in flaws(ctx.key) if it.status == "failed"), None)
    return None if wrong is None else Blocked("key", f"the key can't be used: {wrong.found}")


def check_key(ctx: Context) -> Finding:
    """See whether there is a key, where it came from and whether it looks like one."""
    if not ctx.key:
        return _missing(ctx)
    where = f"set by {_source(ctx)}, not shown"
    found = list(flaws(ctx.key)) + list(_in_files(ctx))
    return joined((Finding(it.status, f"{where}: {it.found}", it.advice) for it in found), where)


def _source(ctx: Context) -> str:
    return ctx.loaded.origins.get("api_key") or next(
        (name for name in (KEY, *ctx.environ) if ctx.environ.get(name) == ctx.key), KEY
    )


def _missing(ctx: Context) -> Finding:
    named = ctx.problems(["api_key_env"])
    if named:
        return failed(ctx.mask.foreign(named[0]), "Set that variable, or change api_key_env in the file.")
    if KEY in ctx.environ:
        return failed(f"{KEY} is empty", _MEND)
    if ctx.environ.get(f"{KEY}_FILE"):
        advice = f'{KEY} holds the key itself: export {KEY}="$(cat "${KEY}_FILE")"'
        return failed(f"{KEY} is not set, but {KEY}_FILE is, and nothing reads that file", advice)
    names = {it.upper(): it for it in ctx.environ if it.isprintable()}
    like = get_close_matches(KEY, names, n=1, cutoff=0.75)
    if like:
        return failed(f"{KEY} is not set, but {names[like[0]]} is", f"Rename it: {KEY} is the name that is read.")
    if _dotenv_names_it():
        advice = "Load it: set -a; . ./.env; set +a, or uv run --env-file .env, or python-dotenv in the program."
        return failed(f"{KEY} is not set; {_DOTENV} has it, and nothing loads that file", advice)
    return failed(f"{KEY} is not set", "Make a key in AnyInt's console, then: export ANYINT_API_KEY=...")


def _dotenv_names_it() -> bool:
    try:
        text = Path(_DOTENV).read_bytes()[:65_536].decode("utf-8", "replace")
    except (OSError, ValueError):
        return False
    return re.search(rf"^[ \t]*(?:export[ \t]+)?{KEY}[ \t]*=", text, re.M) is not None


def _in_files(ctx: Context) -> Iterator[Finding]:
    """Yield a warning where the configuration file, which is under version control, has the key in it."""
    file = ctx.loaded.file
    if file is None or len(ctx.key) < 8:
        return
    try:
        text = file.read_bytes()[: 1024 * 1024]
    except OSError:
        return
    if ctx.key.encode("utf-8", "replace") in text:
        advice = (
            "Take it out, make a new one in AnyInt's console, and name its variable: api_key_env (docs/security.md)."
        )
        yield failed(f"it stands in {file.name}", advice)
