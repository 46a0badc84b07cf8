"""One real Redis server for tests, on loopback and in a temporary folder; knows nothing of what is tested on it.

Whoever imports this needs neither redis-py nor a server: what is missing is found when a server is started.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

HOST = "127.0.0.1"
PATIENCE = 20.0  # real seconds until a server that is not ready is an error
# Below the range that connections take their own ports from; a node's bus stands 10,000 above its port.
PORTS = range(10_000, 22_000)
PLAIN = {"save": "", "appendonly": "no", "daemonize": "no", "loglevel": "notice", "repl-diskless-sync-delay": "0"}
# As strict as Python 3.13 wants it: a certificate that signed itself says what its key may be used for.
CERTIFICATE = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
    "-addext subjectAltName=IP:127.0.0.1,DNS:localhost -addext keyUsage=critical,digitalSignature,keyCertSign"
)


def missing() -> str:
    """What a test with Redis lacks here, and how to get it. Empty: nothing."""
    if shutil.which("redis-server") is None:
        return "no redis-server on PATH: apt-get install redis-server"
    if importlib.util.find_spec("redis") is None:
        return "no redis package: pip install redis"
    return ""


def until(ready: Callable[[], bool], what: str, log: Callable[[], str] = str) -> None:
    """Wait on real time until ``ready()``; an error of redis-py counts as not yet.

    Raises:
        AssertionError: it did not come in time; with the end of ``log()``.
    """
    from redis import RedisError

    last: Exception | None = None
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if ready():
                return
        except RedisError as error:
            last = error
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {PATIENCE} s (last error: {last!r})\n{log()}")


class Server:
    """One redis-server that keeps nothing on disk: ``with Server(maxmemory="2mb") as server: ...``.

    Settings are those of redis.conf, ``_`` for ``-``; ``requirepass`` is put into the URL too. It is killed at the end,
    at the latest when the interpreter ends.
    """

    scheme = "redis"
    query = ""

    def __init__(self, **settings: object) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-kit-"))
        self.settings = {**PLAIN, **{name.replace("_", "-"): str(value) for name, value in settings.items()}}
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """Where it is, as redis-py takes it."""
        password = self.settings.get("requirepass")
        return f"{self.scheme}://{f':{password}@' if password else ''}{HOST}:{self.port}/0{self.query}"

    @property
    def log(self) -> str:
        """The end of what it has written."""
        path = self.folder / "log"
        return "".join(path.read_text(errors="replace").splitlines(keepends=True)[-15:]) if path.exists() else ""

    @property
    def alive(self) -> bool:
        """Whether the process is there; stopped counts."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and wait until it answers: on a free port, and again on the port it had before, empty.

        Raises:
            RuntimeError: there is no redis-server or no redis-py here.
            AssertionError: it did not start; with the end of its log.
        """
        if missing():
            raise RuntimeError(missing())
        if self.alive:
            return self
        for port in [self.port] if self.port else random.SystemRandom().sample(PORTS, 20):
            self.port = port
            self._launch()
            until(lambda: not self.alive or self._answers(), f"redis-server on {port}", lambda: self.log)
            if self.alive:
                return self
        raise AssertionError(f"redis-server ended at once\n{self.log}")

    def _launch(self) -> None:
        (self.folder / "log").write_text("")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )

    def command(self) -> list[str]:
        """The command that starts it."""
        words = [word for name, value in {**self.settings, **self.listening()}.items() for word in (f"--{name}", value)]
        return ["redis-server", *words]

    def listening(self) -> dict[str, str]:
        """The settings by which it listens."""
        return {"bind": HOST, "port": str(self.port)}

    def _answers(self) -> bool:
        """Whether this very process answers on the port, and not one of another test."""
        assert self._process is not None
        return f"process_id:{self._process.pid}\r\n" in self.cli("INFO", "server")

    def cli(self, *words: object) -> Any:
        """One command on a connection of its own; the answer as it came, text decoded.

        Raises:
            redis.RedisError: the server said no, or did not answer within 2 s.
        """
        import redis

        pool = redis.ConnectionPool.from_url(self.url, protocol=2, decode_responses=True, socket_timeout=2)
        connection = pool.make_connection()
        try:
            connection.send_command(*words)
            return connection.read_response()
        finally:
            connection.disconnect()

    def info(self, section: str, name: str) -> str:
        """One value of ``INFO``; empty where there is none."""
        lines = dict(line.partition(":")[::2] for line in self.cli("INFO", section).splitlines())
        return lines.get(name, "")

    def kill(self) -> None:
        """SIGKILL; what it knew is gone. ``start()`` brings it back on the same port."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGSTOP: connections stay open and get no answer, until ``go_on()``."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        """SIGCONT: it answers all that was asked meanwhile."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its folder."""
        atexit.unregister(self.close)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()


class TlsServer(Server):
    """A server that listens for TLS alone, with a certificate that signed itself; needs the command openssl."""

    scheme = "rediss"

    def listening(self) -> dict[str, str]:
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        if not certificate.exists():
            words = ["openssl", *CERTIFICATE.split(), "-keyout", str(key), "-out", str(certificate)]
            subprocess.run(words, check=True, capture_output=True)
        self.query = f"?ssl_ca_certs={certificate}"
        files = {"tls-cert-file": str(certificate), "tls-key-file": str(key), "tls-ca-cert-file": str(certificate)}
        return {"bind": HOST, "port": "0", "tls-port": str(self.port), "tls-auth-clients": "no", **files}
