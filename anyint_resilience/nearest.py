"""Which models there are whose names are like one that the gateway does not know. Part of the engine.

Must not know any client, nor switch to any of them: the application is told, and decides (AnyInt: choose from the
Models API's exact ids).
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Any, Final

from .asking import Asked, ask
from .calls import Call
from .contract.routes import ROUTES
from .contract.words import Family, Operation
from .effects import Discard, Peek, Peeked
from .policy.bodies import is_array, is_object, plain
from .policy.hints import normal_headers

__all__ = ["nearest"]

_FRESH = 300.0  # seconds for which a list is good
_AGAIN = 10.0  # seconds after which a list that could not be had is asked for again
_LIKE = 3  # names told
_LISTS = 64
_MOST = 2000  # names looked at
_BYTES: Final = 1024 * 1024  # of the list
_SECONDS: Final = 10.0  # that reading it may take
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")


def nearest(call: Call) -> Generator[Any, Any, None]:
    """Note on the call the names like its model's, from the gateway's own list, asked for at most once in a while."""
    model, family, shared = call.course.way.model, call.route.family, call.course.guarding.shared
    listing = _listing(family)
    if model is None or listing is None or not call.course.guarded or not call.whole or call.course.way.row is not None:
        return
    key, now = f"{call.key_id()}:{call.course.way.gateway}:{listing}", call.runtime.monotonic()
    held = shared.models.get(key)
    if held is None or not 0 <= now - held[0] < _FRESH:
        if len(shared.models) >= _LISTS:
            shared.models.clear()
        shared.models[key] = (now - _FRESH + _AGAIN, ())  # others go without meanwhile, and after a failure
        names = yield from _asked(call, listing)
        if names:
            shared.models[key] = (now, names)
        held = (now, names)
    from difflib import get_close_matches  # late: most programs never need it, and it costs every one at import

    by_lower = {name.lower(): name for name in held[1]}
    like = (by_lower[it] for it in get_close_matches(model.lower(), by_lower, n=_LIKE, cutoff=0.5))
    call.course.nearest = tuple(name for name in like if name != model)
    if call.course.nearest:
        call.notes.append(
            f"the gateway has no {call.watch.model_name()!r}; names like it are: {', '.join(call.course.nearest)}"
        )


def _listing(family: Family | None) -> str | None:
    """Return the path of a family's list of models."""
    return next(
        (
            row.template
            for row in ROUTES
            if row.family is family and row.operation is Operation.LIST and row.template.endswith("/models")
        ),
        None,
    )


def _asked(call: Call, path: str) -> Generator[Any, Any, tuple[str, ...]]:
    asked: Asked = yield from ask(call, path.encode(), operation=Operation.LIST, decides=False)
    outcome = asked.outcome
    if outcome.response is None or outcome.error is not None:
        return ()
    body = b""
    if outcome.status == 200:
        peeked: Peeked = yield Peek(outcome.response, _BYTES, call.runtime.monotonic() + _SECONDS, call.remaining())
        body = peeked.body
    yield Discard(outcome.response)
    named = normal_headers(outcome.headers)
    names = _names(plain(body, named.get("content-encoding", []), most=_BYTES) or b"")
    return tuple(name for name in names if not call.credentials.holds(name))


def _names(body: bytes) -> list[str]:
    """Return the ids of a list of models; a body that is no such list has none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    rows: list[object] = []
    if is_object(document):
        held = document.get("data", document.get("models"))
        rows = held[:_MOST] if is_array(held) else []
    ids = (it.get("id", it.get("name")) for it in rows if is_object(it))
    bare = (it.removeprefix("models/") for it in ids if isinstance(it, str))
    return list(dict.fromkeys(it for it in bare if _NAME.fullmatch(it)))
