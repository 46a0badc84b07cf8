"""The celery application: each task makes a call through our layer; must not know who sends tasks.

Its configuration is made, and used, in the parent of the prefork pool; the workers go on with it.

    celery -A hostile.soak.celery_app worker --pool prefork --max-tasks-per-child 25
"""

from __future__ import annotations

import os

from celery import Celery

from . import web
from .surfaces import BLOCKING, Blocking

__all__ = ["TASK", "app"]

TASK = "soak.call"

app = Celery("soak", broker=os.environ["SOAK_BROKER"])
app.conf.update(
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_default_queue="soak",
)


@app.task(name=TASK)
def call(number: int) -> None:
    """Make a call."""
    worker = web._worker()
    if not worker.surfaces:
        worker.surfaces = [Blocking(name, web.setting.url, web.anyint, web.journal) for name in BLOCKING]
    surface, job = worker.next()
    surface.make(job)
    web.journal.count(f"task {number}")
