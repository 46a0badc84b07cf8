"""What may be shown of a server's words: a code, a state, an id. Must not know what any of them means.

A server may write back what it was sent, and what it made: a key, a prompt, a signed URL. So its messages are never
shown, and a word only where it has the shape of what it should be. Whoever knows the keys in use takes them out too
(``Call.without_keys``): a short one may look like a word, any one like an id.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["id_of", "task_id_of", "word_of"]

_PART: Final = r"(?:[A-Za-z]{1,24}[0-9]{0,4}|[0-9]{1,6})"
_WORD: Final = re.compile(rf"{_PART}(?:[_.-]{_PART})*\Z")
_LONGEST_WORD: Final = 64
_MOST_DIGITS: Final = 6
_LONGEST_TASK_ID: Final = 256
_ID: Final = re.compile(r"(?!.*//)[A-Za-z0-9._:/+=-]{1,128}\Z")


def word_of(text: str | None) -> str:
    """Return a code or a state as it is, an empty text for what is not shaped like one.

    Every word of the contract's tables is: letters in words of usual length, joined by ``_``, ``.`` or ``-``, and few
    digits, which stand behind letters or alone. A sentence is not, nor a URL, nor a key of any usual making.
    """
    if text is None or len(text) > _LONGEST_WORD or _WORD.match(text) is None:
        return ""
    return text if sum(char.isdigit() for char in text) <= _MOST_DIGITS else ""


def id_of(text: str | None) -> str | None:
    """Return a request's id as it is, None for what is not shaped like one: no spaces, no URL, no end in sight."""
    return text if text is not None and _ID.match(text) else None


def task_id_of(value: object) -> str | None:
    """Return a task's id as text; None for what cannot be one, so that nothing else is ever asked for in its name.

    Text or a whole number; nothing unprintable and no space inside, not cut short, and no ``.`` or ``..``, which a
    client would make another path of. A slash is quoted where the id stands in a URL.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**30:
        return str(value)
    text = value.strip(" ") if isinstance(value, str) else ""
    usable = len(text) <= _LONGEST_TASK_ID and text.isprintable() and " " not in text and text.strip(".") != ""
    return text if usable else None
