"""What must hold of rows, bodies and tasks: what is asked for stays what it was, whatever a path, a model or an id is.

Must not know how the fuzzer works, nor any client.
"""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import urlsplit

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import PREFIXES, Route
from anyint_resilience.contract.words import Family
from anyint_resilience.policy.named import features_in, with_model, with_path
from anyint_resilience.policy.request import glance, operation_of, same_json
from anyint_resilience.router import Router
from anyint_resilience.tasks.handle import CREATES, TaskHandle
from anyint_resilience.tasks.updates import query_route

from .shapes import pick

__all__ = ["TABLE", "bodies_keep_their_shape", "rows_keep_their_shape", "tasks_stay_where_they_are"]

TABLE: Final = RouteTable(seedance=True)


def urlpath(url: str) -> str:
    """Return what may be a path of a URL, in the plainest way."""
    return "/" + url.partition("://")[2].partition("/")[2].partition("?")[0]


def rows_keep_their_shape(method: str, url: str, model: str) -> None:
    """Every method and path has a row, of the family of its first segment; another model has the same one."""
    path = urlpath(url)
    route = TABLE.match(method, path)
    families = {**PREFIXES, "doubao": Family.SEEDANCE}
    named = route.family is Family.SEEDANCE  # one of its rows has a prefix that others may have
    assert named or route.family is families.get(path.strip("/").split("/")[0])
    assert TABLE.match(method.lower(), path) is TABLE.match(method.upper(), path) or not method.isascii()
    other = with_path(route, path, model)
    if other is not None and model:
        assert TABLE.match(method, other) is route, (path, other)


def bodies_keep_their_shape(method: str, url: str, body: bytes, model: str) -> None:
    """Another model is all that changes in a body, and what it asks for does not."""
    route = TABLE.match(method, urlpath(url))
    operation = operation_of(route, body)
    assert glance(route, body) is operation
    features_in(body, ("tools", "stream", "model"))
    assert same_json(same_json(body)) == same_json(body)
    made = with_model(body, route.family, model)
    if made is not None:
        field = "model_name" if route.family is Family.KLING else "model"
        before, after = json.loads(body), json.loads(made)
        assert {**before, field: model} == after or json.dumps({**before, field: model}) == json.dumps(after)
        assert with_model(made, route.family, model) == made


def _handle(row: Route, task_id: str, gateway: str) -> TaskHandle | None:
    assert row.family is not None
    said = ""
    try:
        return TaskHandle(family=row.family, route=row.name, task_id=task_id, gateway=gateway, created_at=1.0)
    except ValueError as error:
        said = str(error)
    assert "canary" not in said
    return None


def tasks_stay_where_they_are(task_id: str, url: str, router: Router) -> None:
    """What asks for a task asks its own gateway, by its own row, whatever its id and its gateway are."""
    row = pick(tuple(CREATES.values()), task_id)
    gateway = url.partition("?")[0]
    handle = _handle(row, task_id, gateway)
    if handle is None:
        return
    assert TaskHandle.from_json(handle.to_json()) == handle
    assert query_route(handle).query is None or handle.path.startswith("/")
    assert TABLE.match("GET", handle.path.partition("?")[0]).name == query_route(handle).name
    try:
        asked, home = urlsplit(handle.url), urlsplit(gateway)
        places = (asked.scheme, asked.hostname, asked.port), (home.scheme, home.hostname, home.port)
    except ValueError:  # no URL that anybody could ask
        return
    assert places[0] == places[1]
    plan = router.plan(asked.scheme, asked.hostname or "", asked.port, "GET", asked.path.encode("utf-8", "replace"))
    assert plan is None or asked.username is None
