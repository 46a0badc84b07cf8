"""Foreign text made fit to show: one printable, bounded line without any key. Must not know who said it.

A server may write back what it was sent, whole or in part, and an exception may quote a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

__all__ = ["HIDDEN", "PROXY_FORM", "Mask", "clean", "place", "proxy_secrets", "said_by_client", "secrets_of"]

HIDDEN: Final = "[hidden]"
_MOST: Final = 240  # characters that are shown of what others say
_LOOKED: Final = 16_384  # that are looked at
_PIECE: Final = 6  # characters of a key that may not stand anywhere
_SHORT: Final = 8  # a shorter key is no secret, and stands in many a word by chance
_HALF: Final = re.compile(r"\w(?:\*\*|\.\.\.|…|••)|(?:\*\*|…|••)\w")
"""What stands in words such as ``sk-ab****yz``: how servers show a piece of a key."""
_WORD: Final = re.compile(r"\S+")
_UNQUOTED: Final = re.compile(r"[^\s\"'<>]+")
_KEYISH: Final = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai)[-_][A-Za-z0-9_-]{8,}|\bAIza[\w-]{8,}|\bBearer +\S+", re.I)
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.I)
_PATH_NAME: Final = re.compile(r"_(?:FILE|PATH|DIR|HOME)\Z", re.I)
_PATHS: Final = ("/", "./", "../", "~")
_PROXY: Final = re.compile(r"(?:\A|_)proxy\Z", re.I)
_DEEP: Final = 50

PROXY_FORM: Final = "in a proxy's user and password # is written %23, / %2F, @ %40, : %3A"


def clean(text: object) -> str:
    """Return foreign text as one line that cannot steer a terminal: line ends are blanks, other controls ``?``."""
    return "".join(it if it.isprintable() else "?" for it in " ".join(str(text).split()))


class Mask:
    """Hides keys. What was ``add``-ed never stands in anything it returns."""

    def __init__(self, secrets: Iterable[str] = (), others: Iterable[str] = ()) -> None:
        self._keys: dict[str, None] = {}
        self._others = sorted({it for it in others if len(it) >= _SHORT}, key=len, reverse=True)
        for secret in secrets:
            self.add(secret)

    def add(self, secret: object) -> None:
        """Hide this from now on, and what it is without blanks and quotes around it."""
        if isinstance(secret, str):
            bare = secret.strip().strip("\"'`“”‘’").removeprefix("Bearer ").strip()
            self._keys.update(dict.fromkeys(it for it in (secret, bare) if it.strip()))

    def foreign(self, text: object, most: int = _MOST) -> str:
        """Return what others said: one printable line of bounded length, without keys or pieces of them."""
        try:
            said = str(text)[:_LOOKED]
        except Exception:  # of an exception's own __str__
            said = type(text).__name__
        said = self._without_pieces(self.ours(said))
        said = clean(_without_keys(_WORD.sub(_whole, said)))
        return said if len(said) <= most else f"{said[: most - 3]}..."

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Mask:
        """Return one that hides what this environment holds."""
        return cls([environ.get("ANYINT_API_KEY", ""), *proxy_secrets(environ)], secrets_of(environ))

    def said(self, text: str) -> str:
        """Return a line that a user or a library wrote, without keys and what looks like one."""
        return _without_keys(self.ours(text))

    def ours(self, text: str) -> str:
        """Return a text of our own, in which a key must not stand whole, in whatever case."""
        for key in sorted(self._keys, key=len, reverse=True):
            if len(key) >= _SHORT:
                text = re.sub(re.escape(key), HIDDEN, text, flags=re.I)
        for other in self._others:
            text = text.replace(other, HIDDEN)
        return text

    def document(self, value: Any, deep: int = _DEEP) -> Any:
        """Return a document of somebody else's, without a key in any of its texts and names."""
        if isinstance(value, str):
            return self.ours(value)
        if deep and isinstance(value, dict):
            return {self.ours(str(name)): self.document(item, deep - 1) for name, item in value.items()}
        if deep and isinstance(value, (list, tuple)):
            return [self.document(item, deep - 1) for item in value]
        return value if value is None or isinstance(value, (bool, int, float)) else HIDDEN

    def _without_pieces(self, text: str) -> str:
        lowered = text.lower()
        if len(lowered) != len(text):  # a few letters of Unicode grow
            lowered = text
        hidden = [False] * len(text)
        for key in (it.lower() for it in self._keys):
            if len(key) < _PIECE:
                continue
            pieces = {key[at : at + _PIECE] for at in range(len(key) - _PIECE + 1)}
            for at in range(len(text) - _PIECE + 1):
                if lowered[at : at + _PIECE] in pieces:
                    hidden[at : at + _PIECE] = [True] * _PIECE
        return re.sub("\0+", HIDDEN, "".join("\0" if hide else it for it, hide in zip(text, hidden, strict=True)))


# Words are found first, and looked into one by one: a pattern for all of it would begin anew at each character.


def _without_keys(text: str) -> str:
    return _UNQUOTED.sub(_bare, _KEYISH.sub(HIDDEN, text))


def _whole(word: re.Match[str]) -> str:
    """Return a word, nothing of it where it shows a piece of a key."""
    return word[0] if _HALF.search(word[0]) is None else HIDDEN


def _bare(word: re.Match[str]) -> str:
    """Return a word without the user and password of a URL in it."""
    start, end = word[0].find("://") + 3, word[0].rfind("@")
    return word[0] if not 3 <= start <= end else word[0][:start] + HIDDEN + word[0][end:]


def _password(value: str) -> str | None:
    """Return the password of the first URL in a text that has one."""
    for word in value.split():
        end, start = word.rfind("@"), word.find("://")
        while 0 <= start < end:
            user = word.find(":", start + 3)
            if start + 3 <= user < end - 1 and "/" not in word[start + 3 : user]:
                return word[user + 1 : end]
            start = word.find("://", start + 3)
    return None


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Return the values of the variables that are named like secrets, but for paths, and passwords in any URL."""
    named = [value for name, value in environ.items() if _SECRET_NAME.search(name) and not _is_path(name, value)]
    return named + [found for value in environ.values() if (found := _password(value)) is not None]


def _is_path(name: str, value: str) -> bool:
    return value.startswith(_PATHS) and (_PATH_NAME.search(name) is not None or Path(value).parent.is_dir())


def proxy_secrets(environ: Mapping[str, str]) -> list[str]:
    """Return what must not be shown of the proxies' URLs: user and password, and the pieces that a client may quote.

    Of one that can't be parsed that is all but its scheme: a # or / in a password ends the host too early.
    """
    found: dict[str, None] = {}
    for name, value in environ.items():
        if _PROXY.search(name) is None or name.lower() == "no_proxy":
            continue
        rest = value.strip().partition("://")[2] or value.strip()
        who, at, _ = rest.rpartition("@")
        if at or not _parses(rest):
            password = who.partition(":")[2] or who or rest
            found.update(dict.fromkeys((who or rest, password, unquote(password), *re.split(r"[:/?#@]", password))))
    return [it for it in found if it]


def said_by_client(error: Exception, environ: Mapping[str, str]) -> str:
    """Return what a client said that could not be made; nothing of it where it may quote a proxy's password."""
    name = type(error).__name__
    if isinstance(error, ImportError) or not proxy_secrets(environ):
        return f"{name}: {Mask.of(environ).foreign(error)}"
    return f"{name}; look at the variables of proxies: {PROXY_FORM}"


def _parses(rest: str) -> bool:
    try:
        return bool(urlsplit(f"//{rest}").port or True)
    except ValueError:
        return False


def place(url: str) -> str:
    """Return a URL, or what was taken for one, without who asks, by which password, with which query."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    return clean(f"{scheme}{mark}{rest.rpartition('@')[2].partition('?')[0].partition('#')[0]}")
