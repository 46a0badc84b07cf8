"""What a fork does to become one block's process: its folder, environment and output, then the program.

Must not know documents, nor who waits for it.
"""

from __future__ import annotations

import ast
import asyncio
import atexit
import contextlib
import gc
import inspect
import linecache
import logging
import os
import shutil
import signal
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["become", "environment"]

# In a page's line 1 there is never code: what is put there moves nothing.
SHELL_HEAD = "set -Eeuo pipefail; trap 'echo \"line $LINENO: $BASH_COMMAND: exit $?\" >&2' ERR"
LEFT_ALONE = ("LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")


def environment(folder: Path, url: str, key: str = "test-key") -> dict[str, str]:
    """The variables a block sees: none of the caller's that could change what it does."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(LEFT_ALONE)}
    kept["PATH"] = os.pathsep.join((os.path.dirname(sys.executable), kept.get("PATH", os.defpath)))
    return {
        **kept,
        "HOME": str(folder),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INDEX": "1",  # what is installed already will do: a document changes nothing here
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "error",
        "ANYINT_BASE_URL": url,
        "ANYINT_API_KEY": key,
    }


def become(job: dict[str, Any], *, folder: Path, output: Path, url: int) -> NoReturn:
    """Run the job's program as this process, once its gateway's URL stands on the pipe ``url``."""
    code = 70
    try:
        os.setsid()  # a group of its own, that can be killed with all it started
        _redirect(output)
        where = os.read(url, 4096).decode()
        os.close(url)
        if not where:
            os._exit(code)  # the keeper is gone
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment(folder, where))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = RUNS[job["kind"]](job["text"], job["file"])
    except BaseException:  # nobody stands above
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _redirect(output: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
        os.set_inheritable(target, True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


# --- python


def _python(text: str, file: str) -> int:
    """The program as ``python -W error`` runs it: exit code, threads and exit handlers included."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv, sys.path[0] = [file], ""
    linecache.clearcache()
    lost: list[str] = []
    threading.excepthook = lambda what: lost.append(f"in {what.thread}: {what.exc_value!r}")
    sys.unraisablehook = lambda what: lost.append(_unraisable(what)) if _counts(what) else None
    logging.getLogger("asyncio").addFilter(lambda said: _listen(said, lost))
    code = _exit_code(text, file, module)
    threading._shutdown()  # type: ignore[attr-defined] # as the interpreter does: waits for the program's threads
    atexit._run_exitfuncs()
    vars(module).clear()  # as it does, too: what is only now let go may have something to say
    gc.collect()
    for words in lost:
        print(words, file=sys.stderr)
    return code or (1 if lost else 0)


def _exit_code(text: str, file: str, module: types.ModuleType) -> int:
    try:
        code = compile(text, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, vars(module)))
        else:
            exec(code, vars(module))
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:  # a program may end as it likes
        _print(error, file)
        return 1
    return 0


def _print(error: BaseException, file: str) -> None:
    """The traceback, from the program's own frames on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace or error.__traceback__)


def _counts(what: sys.UnraisableHookArgs) -> bool:
    """Such as a coroutine that nobody awaits. A client left open is none: a short example may end with it."""
    return not isinstance(what.exc_value, ResourceWarning)


def _unraisable(what: sys.UnraisableHookArgs) -> str:
    return f"nobody could catch this, in {what.object!r}: {what.exc_value!r}"


def _listen(said: logging.LogRecord, lost: list[str]) -> bool:
    """Hear of a task's exception that nobody took, which asyncio only logs."""
    if "exception was never retrieved" in said.getMessage():
        lost.append(f"a task failed and nobody looked: {said.exc_info[1] if said.exc_info else said.getMessage()!r}")
    return True


# --- others


def _become(*words: str) -> NoReturn:
    _flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores, and what it starts should not
    os.execv(words[0], words)


def _pytest(text: str, file: str) -> int:
    """Pytest on it, in a fresh interpreter: it rewrites asserts, and wants modules that nobody has imported."""
    name = f"test_{Path(file).stem.replace('-', '_')}.py"
    Path(name).write_text(text, encoding="utf-8")
    _become(sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", name)


def _bash(text: str, file: str) -> int:
    """Bash on it; it stops at the first command that fails, and names its line."""
    _become(shutil.which("bash") or "/bin/bash", "-c", SHELL_HEAD + text, file)


RUNS = {"python": _python, "pytest": _pytest, "bash": _bash}
