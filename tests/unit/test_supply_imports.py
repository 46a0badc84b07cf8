"""What imports do beside importing, seen by an audit hook in a fresh interpreter, over every module there is.

Must not know what any module is for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from tests.brief import once

pytestmark = once

PACKAGES = ("anyint_resilience", "anyint_resilience_aiohttp", "anyint_resilience_httpx", "anyint_resilience_httpx2",
            "anyint_resilience_pytest", "anyint_resilience_requests")  # fmt: skip
NOT_ON_310 = ("anthropic", "httpx2", "openai")

WATCH = """
import importlib, json, os, pkgutil, sys, threading
seen, doing, name = [], "nothing", ""
NETWORK = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.getnameinfo",
           "socket.sendmsg", "socket.sendto", "http.client.", "urllib.", "ftplib.", "smtplib.")
PROGRAMS = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "pty.")
FILES = ("os.chmod", "os.link", "os.mkdir", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.symlink",
         "os.truncate", "os.unsetenv", "shutil.", "sqlite3.connect", "tempfile.")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC

def note(kind, event, args):
    seen.append([kind, name, event, repr(args)])

def watch(event, args):
    if event == "open":
        if args[2] & WRITES and args[0] != os.devnull:
            note("file", event, args)
    elif event.startswith(NETWORK):
        note("network", event, args)
    elif event.startswith(PROGRAMS):
        note("program", event, args)
    elif event.startswith(FILES):
        note("file", event, args)

sys.addaudithook(watch)
imported, failed = [], []

def load(one):
    global name
    name = one
    try:
        module = importlib.import_module(one)
    except ModuleNotFoundError as error:
        failed.append([one, error.name])
        return
    imported.append(one)
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), one + "."):
        if not found.name.endswith(".__main__"):
            load(found.name)

before = sorted(os.environ)
for package in sys.argv[1].split(","):
    load(package)
{after}
threads = [it.name for it in threading.enumerate() if it is not threading.main_thread()]
changed = sorted(set(before) ^ set(os.environ))
print(json.dumps({"seen": seen, "imported": imported, "failed": failed, "threads": threads, "changed": changed}))
"""


def watched(packages: str = ",".join(PACKAGES), after: str = "") -> Any:
    """Import all of these packages' modules, do something more, and return what was seen."""
    # What Python itself would write: what it compiled.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = (sys.executable, "-c", WATCH.replace("{after}", after), packages)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()  # nothing else was printed
    return json.loads(line)


def of(kind: str, result: Any) -> list[Any]:
    """Return what was seen of one kind, but for what others ask: urllib3 whether there is IPv6, trio for pthread."""
    rows = [row for row in result["seen"] if row[0] == kind]
    others = {"socket.bind": "('::1', 0)", "subprocess.Popen": "'/sbin/ldconfig', '-p'"}
    return [row for row in rows if row[2] not in others or others[row[2]] not in row[3]]


@pytest.fixture(scope="module")
def everything() -> Any:
    return watched()


def test_every_module_is_imported(everything: Any) -> None:
    """Each module of all packages can be imported on its own, but those whose client or SDK this Python cannot have."""
    missing = [name for name in everything["failed"] if find_spec(name[1]) is not None or name[1] not in NOT_ON_310]
    assert missing == []
    assert len(everything["imported"]) > 200
    assert {name.split(".")[0] for name in everything["imported"]} >= set(PACKAGES) - {"anyint_resilience_httpx2"}


@pytest.mark.parametrize("kind", ["network", "program", "file"])
def test_no_import_reaches_out(everything: Any, kind: str) -> None:
    """No import of ours asks the network, starts a program, or writes, makes or removes a file."""
    assert of(kind, everything) == []


def test_no_import_starts_a_thread_or_sets_a_variable(everything: Any) -> None:
    """After all imports there is one thread, and the environment is what it was."""
    assert everything["threads"] == []
    assert everything["changed"] == []


@pytest.mark.parametrize(
    ("after", "kind", "event"),
    [
        ("import socket; socket.getaddrinfo('127.0.0.1', 9)", "network", "socket.getaddrinfo"),
        ("import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'', ('127.0.0.1', 9)); s.close()",
         "network", "socket.sendto"),
        ("import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9)); s.close()",
         "network", "socket.connect"),
        ("import subprocess; subprocess.run([sys.executable, '-c', ''])", "program", "subprocess.Popen"),
        ("import tempfile; tempfile.TemporaryFile().close()", "file", "open"),
        ("import sqlite3; sqlite3.connect(':memory:').close()", "file", "sqlite3.connect"),
    ],
    ids=["getaddrinfo", "sendto", "connect", "program", "file", "sqlite"],
)  # fmt: skip
def test_the_watch_sees(after: str, kind: str, event: str) -> None:
    """The hook sees what it is to see: else its silence said nothing."""
    rows = watched("json", after)["seen"]
    assert any(row[0] == kind and row[2] == event for row in rows)


@pytest.mark.parametrize(
    "statement",
    [
        "import anyint_resilience as a; a.Resilience(api_key='k')",
        "import anyint_resilience as a, anyint_resilience_httpx as h, httpx\nh.wrap(httpx.Client(), a.Resilience())",
        "import anyint_resilience as a, anyint_resilience_requests as r\nr.wrap(r.requests.Session(), a.Resilience())",
    ],
    ids=["configuration", "httpx", "requests"],
)
def test_to_configure_asks_nobody(statement: str) -> None:
    """A configuration and a client do not use the network before the first request."""
    assert of("network", watched("json", statement)) == []
