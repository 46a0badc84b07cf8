"""Who asks gunicorn and uvicorn, and fills celery's queue, at a fixed pace; bare, and must not know our layer.

``SOAK_SETTING=... SOAK_BROKER=... SOAK_SOCKETS=gunicorn=PATH,uvicorn=PATH python -m hostile.soak.asking``
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

import httpx
from celery import Celery

from .journal import Journal
from .mixed import until_told
from .setting import Setting

__all__ = ["main"]

READY = 60.0  # seconds until a server answers
SLOWER = {"gunicorn": 0.25, "uvicorn": 0.25, "celery": 0.35}
"""Of a user's period, so long is it from one question to the next."""


def ask(name: str, path: str, setting: Setting, journal: Journal, over: threading.Event) -> None:
    """Ask one server until it is over; any answer but a good one is wrong."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=path), timeout=60.0, base_url="http://soak") as client:
        end = time.monotonic() + READY
        while True:
            try:
                client.get("/")
                break
            except httpx.TransportError as error:
                if time.monotonic() > end or over.wait(0.2):
                    journal.wrong(f"{name} does not answer", error)
                    return
        while not over.wait(setting.period * SLOWER[name]):
            try:
                answer = client.get("/")
                journal.count(f"{name} {answer.status_code}")
                if answer.status_code != 200:
                    journal.wrong(f"{name} answered {answer.status_code}")
            except httpx.HTTPError as error:  # noqa: PERF203  # each question is one of its own
                journal.wrong(f"{name} did not answer", error)


def fill(setting: Setting, journal: Journal, over: threading.Event) -> None:
    """Send tasks until it is over, and say how many."""
    app = Celery("soak", broker=os.environ["SOAK_BROKER"])
    app.conf.update(task_ignore_result=True, task_default_queue="soak")
    count = 0
    while not over.wait(setting.period * SLOWER["celery"]):
        app.send_task("soak.call", args=[count])
        journal.count(f"sent {count}")
        count += 1
    app.close()


def main() -> int:
    """Ask until told to end."""
    logging.disable()
    setting, over = Setting.from_env(), until_told()
    journal = Journal(setting.path(f"journal-{setting.label}.jsonl"))
    sockets = dict(it.split("=", 1) for it in os.environ["SOAK_SOCKETS"].split(","))
    threads = [threading.Thread(target=ask, args=(*it, setting, journal, over)) for it in sockets.items()]
    threads.append(threading.Thread(target=fill, args=(setting, journal, over)))
    for thread in threads:
        thread.start()
    over.wait()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
