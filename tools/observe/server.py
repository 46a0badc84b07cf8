"""A Prometheus of our own: started in a temporary folder on a free loopback port, asked over its HTTP API, stopped.

Must not know what is measured.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from programs import RULE_FILES, Problem

__all__ = ["Point", "Prometheus", "Series"]

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: {job}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
JOB = "observed"
READY_SECONDS = 20.0
TRIES = 3  # a port that was free a moment ago may be taken by now
Point = tuple[float, float]
Series = tuple[dict[str, str], list[Point]]


class Prometheus:
    """One running server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = build_opener(ProxyHandler({})).open  # loopback, whatever the environment says of proxies

    @classmethod
    @contextlib.contextmanager
    def running(cls, program: str, scraped_port: int) -> Iterator[Prometheus]:
        """Start one that scrapes this port every second and knows our rules; stop it whatever happens.

        Raises:
            Problem: if it does not become ready; with the end of its log.
        """
        with tempfile.TemporaryDirectory(prefix="anyint-observe-") as name:
            folder = Path(name)
            rules = json.dumps([str(path) for path in RULE_FILES])
            config = CONFIG.format(rules=rules, job=JOB, port=scraped_port)
            (folder / "prometheus.yml").write_text(config, encoding="utf-8")
            said = ""
            for _ in range(TRIES):
                server, process = cls._start(program, folder)
                try:
                    if server._ready(process):
                        yield server
                        return
                finally:
                    _stop(process)
                said = (folder / "log").read_text(encoding="utf-8")
                if "address already in use" not in said:
                    break
            raise Problem(f"prometheus did not become ready:\n{said[-2000:]}")

    @classmethod
    def _start(cls, program: str, folder: Path) -> tuple[Prometheus, subprocess.Popen[bytes]]:
        port = _free_port()
        words = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        words += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return cls(f"http://127.0.0.1:{port}"), process

    def _ready(self, process: subprocess.Popen[bytes]) -> bool:
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(Problem):
                if self.ask("query", query="up == 1")["result"]:  # it takes some seconds to its first scrape
                    return True
            time.sleep(0.1)
        return False

    def ask(self, path: str, **query: str | float) -> Any:
        """Return the ``data`` of an API answer.

        Raises:
            Problem: with Prometheus' own words, if it refuses the query; or if it does not answer.
        """
        url = f"{self.url}/api/v1/{path}?{urlencode(query)}"
        try:
            with self._open(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            said = error.read().decode(errors="replace")
            raise Problem(f"{error.code}: {_error_in(said)}") from None
        except OSError as error:
            raise Problem(f"Prometheus does not answer: {error}") from None

    def over_time(self, expr: str, start: float, end: float, step: float = 1.0) -> list[Series]:
        """Run a range query; NaN is left out, and so is a series with nothing else."""
        found = self.ask("query_range", query=expr, start=start, end=end, step=step)["result"]
        read = ((row["metric"], [(float(at), float(value)) for at, value in row["values"]]) for row in found)
        kept = ((metric, [(at, value) for at, value in points if not math.isnan(value)]) for metric, points in read)
        return [(metric, points) for metric, points in kept if points]

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule that was loaded, with its query and its health."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


def _error_in(text: str) -> str:
    """Return the API's own words, or what else came: plain text while it starts."""
    try:
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        return text.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
