"""The layers of a client, as the doctor sees them: which there are, and what they come to together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from anyint_resilience.cli.doctor import layers
from anyint_resilience.cli.doctor.layers import Layer, Part, part_of
from anyint_resilience.cli.doctor.paths import SDKS
from anyint_resilience.cli.doctor.retries import Sums, sums_of
from anyint_resilience.cli.doctor.shapes import Anatomy
from anyint_resilience.config import Resilience


@pytest.mark.parametrize(
    ("module", "name", "is_one"),
    [
        ("shop.http", "RetryingTransport", True),
        ("shop.http", "HTTPRetryTransport", True),
        ("shop.http", "with_backoff", True),
        ("shop.http", "make.<locals>.retry_middleware", True),
        ("tenacity.asyncio", "Wrapped", True),
        ("httpx_retries.transport", "Transport", True),
        ("backoffice.clients", "LoggingTransport", False),
        ("my_retry_demo", "LoggingTransport", False),
        ("shop.http", "NoRetryTransport", False),
        ("shop.http", "no_retry", False),
        ("shop.http", "RetrylessTransport", False),
        ("shop.http", "make_retry.<locals>.log", False),
    ],
)
def test_a_retry_layer_is_known_by_whole_words(module: str, name: str, is_one: bool) -> None:
    """A part of a word, or of a module's name, makes none."""
    made = type("Made", (), {})
    made.__module__, made.__qualname__ = module, name
    assert (layers._layer(made()).kind == "retry") is is_one


def test_whatever_sends_is_found_in_a_transport() -> None:
    """Under any name, in slots too; what the library's own transports stand on is none."""
    httpx = pytest.importorskip("httpx")

    class Kept(httpx.BaseTransport):  # type: ignore[misc]
        def __init__(self, inner: Any) -> None:
            self.__it = inner

    class Slotted:
        __slots__ = ("__it", "other")

        def __init__(self, inner: Any) -> None:
            self.__it = inner

        def handle_request(self, request: Any) -> Any: ...

    wire = httpx.HTTPTransport(retries=2)
    client = httpx.Client(transport=Kept(Slotted(Kept(wire))))
    found = part_of("calls", "httpx", client, "https://api.anyint.ai/openai/v1/models")
    assert [it.name.rpartition(".")[2] for it in found.layers] == [
        "Kept",
        "Slotted",
        "Kept",
        "HTTPTransport(retries=2)",
    ]
    assert not found.layers[-1].dark
    client = httpx.Client(transport=Kept(None))
    assert part_of("calls", "httpx", client, "https://api.anyint.ai/").layers[-1].dark
    wire.close()


KEY = "sk-plan-Zq81xPw77Kt-secretly9"
OURS = Resilience(api_key=KEY)
OUR = Layer("ours", "ResilientTransport", 3, OURS)
WIRE = Layer("wire", "HTTPTransport", 1)
OPENAI, _, GENAI = SDKS


@pytest.mark.parametrize(
    ("layers", "library", "sdk", "retries", "sums"),
    [
        ([OUR, WIRE], "httpx", None, None, (3, 3)),
        ([Layer("wire", "w", 6)], "httpx", None, None, (1, 6)),
        ([Layer("wire", "w", 6)], "requests", None, None, (6, 6)),
        ([OUR, Layer("wire", "w", 6)], "requests", None, None, (3, 3)),
        ([Layer("retry", "r", 11), OUR, WIRE], "httpx", None, None, (33, 33)),
        ([Layer("retry", "r", None), OUR, WIRE], "httpx", None, None, (None, None)),
        ([OUR, OUR, WIRE], "httpx", None, None, (9, 9)),
        ([OUR, WIRE], "httpx2", OPENAI, 2, (3, 6)),
        ([OUR, WIRE], "httpx2", OPENAI, 0, (3, 3)),
        ([WIRE], "httpx2", OPENAI, 2, (3, 3)),
        ([OUR, WIRE], "httpx2", GENAI, 4, (15, 15)),
    ],
)
def test_layers_multiply(
    layers: list[Layer], library: str, sdk: object, retries: int | None, sums: tuple[int | None, int | None]
) -> None:
    """3 + 2 + 1 under an SDK that obeys us, a product under any other layer, and urllib3's left out below us."""
    part = Part("calls", library, None, layers)
    found = Anatomy("a client", [part], sdk, retries=retries)  # type: ignore[arg-type]
    assert sums_of(found, part) == Sums(*sums)


@pytest.mark.parametrize(
    ("says", "attempts"),
    [
        ({"attempts": 4}, 4),
        ({"total": 4}, 5),
        ({"retry": SimpleNamespace(total=0)}, 1),
        ({"attempts": True}, None),
        ({"attempts": -1}, None),
        ({"attempts": "3"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_how_often_something_sends_is_read_where_it_says_so(says: dict[str, Any], attempts: int | None) -> None:
    """By the usual names, and by numbers only."""
    assert layers.attempts_of(SimpleNamespace(**says)) == attempts


def test_a_chain_without_an_end_has_one() -> None:
    """Transports that hold each other, or very many of them, are not gone through for ever."""
    httpx = pytest.importorskip("httpx")

    class Kept(httpx.BaseTransport):
        inner: Any = None

    first, second = Kept(), Kept()
    first.inner, second.inner = second, first
    deep = Kept()
    for _ in range(100):
        outer = Kept()
        outer.inner, deep = deep, outer
    for transport, count in ((first, 2), (deep, 12)):
        client = httpx.Client(transport=transport)
        assert len(part_of("calls", "httpx", client, "https://api.anyint.ai/").layers) == count
