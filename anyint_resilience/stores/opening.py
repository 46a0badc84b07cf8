"""What a ``store=`` setting may be, and the store that one in text names.

Must not know any backend before one is asked for, nor show the setting: it may hold a password.
"""

from __future__ import annotations

from importlib.util import find_spec

from ..runtime import Runtime
from .protocol import Store, StoreError

__all__ = ["opened", "store_problem"]

_SQLITE = "sqlite:///"
_FORMS = "sqlite:///relative/path.db or sqlite:////absolute/path.db"
_REDIS = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")


def opened(url: str, *, runtime: Runtime, wait: float) -> Store:
    """Open the store that a URL names: ``sqlite:///path.db``, ``redis://host:6379/0`` and what is like these.

    ``wait``: seconds that a call waits for it, where that is shared. Raises ValueError if it names none, StoreError if
    it can't be opened.
    """
    problem = store_problem(url)
    if problem is not None:
        raise ValueError(f"store {problem}")
    if url.startswith(_REDIS):
        from .redis import RedisStore  # late: most programs never need it

        return RedisStore(url, wait=wait, runtime=runtime)
    try:
        from .sqlite import SqliteStore  # late: most programs never need it
    except ImportError as error:
        raise StoreError("this Python was built without sqlite3; nothing was changed") from error
    return SqliteStore(url[len(_SQLITE) :], runtime.wall, runtime=runtime, wait=wait)


def store_problem(value: object) -> str | None:
    """Say what is wrong with a ``store=`` setting, without showing it; None if it can be one. Opens nothing."""
    if isinstance(value, str):
        return _url_problem(value)
    if isinstance(value, type):
        return "must be a store, not the class of one"
    lacking = [name for name in ("update", "scan", "close", "gone") if not callable(getattr(value, name, None))]
    if "owner" not in dir(value):  # it is not asked for one: that may fail
        lacking.append("owner")
    if value is not None and lacking:
        wanted = "an object with update, scan, close, gone and owner"
        return f"must be {_FORMS}, or {wanted}; this one lacks {', '.join(lacking)}"
    return None


def _url_problem(url: str) -> str | None:
    if url.startswith(_REDIS):
        if find_spec("redis") is None:
            return "needs redis-py: pip install 'anyint-resilience[redis]'"
        from .redis.links import problem_of  # late: most programs never need it

        return problem_of(url)
    if not url.startswith(_SQLITE):
        return f"must be {_FORMS}, or begin with {', '.join(_REDIS)}, not another kind of URL"
    path = url[len(_SQLITE) :]
    if not path.strip() or path.startswith((":memory:", "file:")):
        return f"must name a file ({_FORMS}): a database in memory is shared with nobody"
    if "?" in path or "#" in path or "\0" in path:
        return f"must be {_FORMS}, without anything after the path"
    return None
