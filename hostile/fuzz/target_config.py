"""A configuration in TOML and the environment -> a Resilience, or problems in words that give no secret away.

Must not know how the fuzzer works. An input: ``KIND``, headers that are variables of the environment, and the file.
``KIND`` ``project`` makes it a ``pyproject.toml``. ``{{key}}`` anywhere stands for a secret. A store is never opened.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from anyint_resilience import Resilience
from anyint_resilience.configuring import SETTINGS, Loaded, load, problems_in
from anyint_resilience.configuring.settings import FALLBACK, ONLY_IN_CODE, PRESETS

from .shapes import message, written

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["check", "seeds", "words"]

_SECRET: Final = "sk-canary-0f1e2d3c4b5a"
_PLACEHOLDER: Final = "{{key}}"
_KEPT: Final = frozenset(("api_key", "store", "store_env", "api_key_env"))
"""Settings whose value is never quoted."""
_QUIET: Final = frozenset(("ANYINT_API_KEY", "ANYINT_RESILIENCE_STORE"))
"""Variables whose value is never quoted, whatever is wrong with it."""
_LONGEST: Final = 1000


def check(data: bytes) -> None:
    """Problems are told, all of them, in short lines, without a secret; and what has none can be used."""
    said = message(data)
    raw = said.body.replace(_PLACEHOLDER.encode(), _SECRET.encode())
    env = {name: value.replace(_PLACEHOLDER, _SECRET) for name, value in said.headers if name and "\0" not in value}
    project = said.word(0) == "project"
    file = _written(raw, project=project)
    found = load(file, environ=env)
    _said_well(found, raw, env)
    if len(data) % 8 == 0:  # now and then: it is most of what this costs
        again = load(file, environ=env)
        assert (again.problems, list(again.arguments)) == (found.problems, list(found.arguments))
    text = raw.decode("utf-8", "replace")
    if text.encode() == raw and not any(it.startswith("ANYINT_") for it in env):
        problems = problems_in(text, project=project, environ=env)
        assert bool(problems) == bool(found.problems), (problems, found.problems)
    _can_be_used(found, file, raw, env)


def _said_well(found: Loaded, raw: bytes, env: Mapping[str, str]) -> None:
    assert all("\n" not in it and 0 < len(it) < _LONGEST for it in (*found.problems, *found.remarks))
    if _is_only_where_secrets_stand(raw, env):
        assert _SECRET not in " ".join((*found.problems, *found.remarks))
        assert _SECRET not in repr(found)


def _is_only_where_secrets_stand(raw: bytes, env: Mapping[str, str]) -> bool:
    """Whether the secret stands where one may be expected, and nowhere else: a value of ``spans`` may be quoted."""
    if any(_SECRET in name or (_SECRET in value and name not in _QUIET) for name, value in env.items()):
        named = {value for name, value in env.items() if name.endswith(("STORE_ENV", "API_KEY_ENV"))}
        if any(_SECRET in name or (_SECRET in value and name not in _QUIET | named) for name, value in env.items()):
            return False
    if _SECRET.encode() not in raw:
        return True
    try:
        document = tomllib.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        # A parser may name a key that stands twice; a value it never shows.
        return re.search(rb"(?m)^[^=\n]*" + _SECRET.encode(), raw) is None
    return _is_kept(document, "", 0)


def _is_kept(value: Any, key: str, depth: int) -> bool:
    if isinstance(value, dict):
        return depth < 30 and all(_SECRET not in name and _is_kept(it, name, depth + 1) for name, it in value.items())
    if isinstance(value, list):
        return depth < 30 and all(_is_kept(it, "" if key != "fallbacks" else key, depth + 1) for it in value)
    return _SECRET not in str(value) or (key in _KEPT and depth <= 5)


def _can_be_used(found: Loaded, file: Path, raw: bytes, env: Mapping[str, str]) -> None:
    if found.problems:
        said = ""
        try:
            Resilience.from_toml(file, environ=env)
        except ValueError as error:
            said = str(error)
        assert all(it in said for it in found.problems), "a file with problems was taken, or not all are told"
        return
    given = {name: it for name, it in found.arguments.items() if name != "store"}
    made = Resilience(**given)
    assert _SECRET not in repr(made) or not _is_only_where_secrets_stand(raw, env)
    assert made.url.startswith(("https://", "http://"))


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")  # a disk would be all that is measured
    return tempfile.TemporaryDirectory(prefix="anyint-fuzz-", dir=memory if memory.is_dir() else None)


def _written(raw: bytes, *, project: bool) -> Path:
    path = Path(_folder().name) / ("pyproject.toml" if project else "anyint-resilience.toml")
    path.write_bytes(raw)
    return path


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Settings, variables, presets, and the marks of TOML."""
    yield from sorted({it.field for it in SETTINGS.values()})
    yield from sorted({f"\n{it.variable}: " for it in SETTINGS.values() if it.variable is not None})
    yield from (*sorted(FALLBACK), *ONLY_IN_CODE, *(name for presets in PRESETS.values() for name in presets))
    yield from (
        "[policy]\n",
        "[guards]\n",
        "[[fallbacks]]\n",
        "[tool.anyint-resilience]\n",
        "\npreset = ",
        _PLACEHOLDER,
    )
    yield from (' = "none"', " = true", " = 1e999", " = nan", " = -0.0", " = 0x10", " = [", "]", "{", "}", '"""', "'''")
    yield from (
        "= 1979-05-27T07:32:00Z",
        "https://gw.example",
        "sqlite:///x.db",
        "redis://u:{{key}}@h/0",
        "\\u0000",
        "\\",
        "#",
    )
    yield from (
        "/openai/v1/chat/completions",
        "\nANYINT_API_KEY: {{key}}",
        'api_key_env = "SPARE"',
        "\nSPARE: {{key}}",
        "= 9999",
    )


def seeds() -> Iterator[bytes]:
    """Each setting with its default, the examples of the documents, and what a tired hand makes of them."""
    for setting in SETTINGS.values():
        value = _toml(setting.default)
        table = f"[{setting.table}]\n" if setting.table else ""
        yield written(["plain"], {}, f"{table}{setting.field} = {value}\n")
        if setting.variable is not None and setting.field != "store":
            yield written(["plain"], {setting.variable: value.strip('"')})
    for body in _WRITTEN:
        yield written(["plain"], {"ANYINT_API_KEY": _PLACEHOLDER, "SPARE": "{{key}}x"}, body)
        yield written(["project"], {}, f"[tool.anyint-resilience]\n{body}")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    return "[]" if isinstance(value, tuple) else '"none"' if value is None else f'"{value}"'


_ROW: Final = '[[fallbacks]]\nworkload = "chat"\nroute = "/openai/v1/chat/completions"\nmodel = "a"\n'
_WRITTEN: Final = (
    'base_url = "https://gw.example/openai/v1"\nhosts = ["https://o.example"]\n[policy]\npreset="batch"\nhold=1\n',
    f'{_ROW}to = "b"\non_rate = true\n{_ROW}model = "b"\n',
    f'{_ROW}base_url = "https://api.anyint.ai"\napi_key_env = "SPARE"\nfeatures = ["tools"]\n',
    f'{_ROW}to = "b"\napi_key = "{_PLACEHOLDER}"\n',
    f'api_key = "{_PLACEHOLDER}"',
    f'store = "redis://me:{_PLACEHOLDER}@h/0"',
    f'store = "redis://h/0?password={_PLACEHOLDER}"',
    f'store = "redis:{_PLACEHOLDER}@h"',
    f'store_env = "{_PLACEHOLDER}"\napi_key_env = "{_PLACEHOLDER}"',
    'store_env = "SPARE"',
    "[guards]\nmax_concurrency = 0\nfailures = 1.5\n[policy]\nattempts = true\nretry_window = -1\n",
    "stroe = 1\n[polcy]\nattempts = 2",
    "attempts = 3",
    '[tool.anyint-resilience]\nseedance = "yes"',
    'policy = 3\nguards = "x"\nfallbacks = {}',
    "a = 1\na = 2",
    "hosts = " + "[" * 80,
    'base_url = "https://u:p@h"\nhosts = [1, "http://h", "https://*"]',
    'spans = "never"\ndedupe = "x"\nstore_wait = 0\nunknown_window = 1979-05-27',
    "\ufeffseedance = true\r\n",
)
