"""Which hosts a configuration may name, and which names a ``Host`` header may have: nothing that reads two ways."""

from __future__ import annotations

import pytest

from anyint_resilience import Resilience
from anyint_resilience.eavesdropping import reads_along
from anyint_resilience.router import Router, host_problem, is_loopback

TWO_WAYS = [
    # in other letters, some of which a client makes others of
    "https://gateway.api.anyint.аi",
    "https://ｇateway.api.anyint.ai",
    "https://gateway。api.anyint.ai",
    "https://straße.example",
    "https://gateway.example/ä",
    # what only one of two readers takes for a host
    "https://gateway.example%2f.evil.test",
    "https://gateway%2Eexample",
    "https://gateway.example\\.evil.test",
    "https://gateway.example\\@evil.test",
    "https:\\\\gateway.example",
    "https://gateway.example;evil.test",
    "https://gateway.example,evil.test",
    "https://gateway.example\t",
    "https://gateway.\nexample",
    "https://gateway.example\x00",
    "https://user@gateway.example",
    "https://@evil.test@gateway.example",
    "https://[::1%25eth0]",
    # a path that is another one when it is asked for
    "https://gateway.example/a/../b",
    "https://gateway.example/a/./b",
    "https://gateway.example/..",
    "https://gateway.example/%2e%2E/b",
    "https://gateway.example/.%2e",
    "https://gateway.example//b",
    "https://gateway.example/a//b",
]


@pytest.mark.parametrize("url", TWO_WAYS)
def test_a_base_url_that_two_readers_may_read_in_two_ways_is_refused(url: str) -> None:
    """The client and the router must agree on where it leads, or a key goes astray and a create unprotected."""
    assert host_problem(url) is not None
    for name in ("base_url", "hosts"):
        with pytest.raises(ValueError, match=name) as refused:
            Resilience(**{name: url if name == "base_url" else [url]})  # type: ignore[arg-type]
        assert url not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://xn--strae-oqa.example",
        "https://gate_way-1.example.",
        "https://gateway.example/a.b/..c/%2Fd/",
        "https://[2001:db8::1]:8443/a",
        "http://[::1]:8080",
        "https://10.0.0.1",
        "HTTPS://GATEWAY.example",
    ],
)
def test_a_base_url_that_leads_to_one_place_stands(url: str) -> None:
    """However it is written."""
    assert host_problem(url) is None


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("gateway.api.anyint.ai", True),
        ("api.anyint.ai:443", True),
        ("API.AnyInt.AI.:8443", True),
        (" api.anyint.ai ", True),
        ("gw.example", True),
        ("[2001:db8::1]", True),
        ("[2001:db8::1]:443", True),
        ("localhost:1", True),
        ("127.0.0.1", True),
        ("[::1]:80", True),
        ("evil.test", False),
        ("evil.test:443", False),
        ("api.anyint.ai.evil.test", False),
        ("api.anyint.ai@evil.test", False),
        ("api.anyint.ai:443@evil.test", False),
        ("evil.test, api.anyint.ai", False),
        ("evil.test api.anyint.ai", False),
        ("api.anyint.ai/evil.test", False),
        ("api.anyint.ai:443:443", False),
        ("api.anyint.ai..", False),
        ("[2001:db8::2]", False),
        ("", False),
        (":443", False),
        ("\xff", False),
    ],
)
def test_whom_a_host_header_names(host: str, known: bool) -> None:
    """A host of AnyInt's or of the configuration's, with any port, or this machine; all else is somebody else."""
    router = Router(urls=["https://gw.example:8443/x", "https://[2001:db8::1]"])
    assert router.knows(host.encode("latin-1")) is known


@pytest.mark.parametrize(
    "host", ["127.0.0.999", "127.0.0.256", "127.0.0.²", "127.0.0.", "127.0.0.1.", "127.1", "127..0.1"]
)
def test_what_is_no_address_of_this_machine_is_looked_up_and_may_be_any(host: str) -> None:
    """A resolver may answer for it as it likes."""
    assert not is_loopback(host)
    assert host_problem(f"http://{host}") is not None


def test_two_dots_at_its_end_make_another_name() -> None:
    """One says that it is whole; it is AnyInt's with that."""
    router = Router()
    assert router.plan("https", "api.anyint.ai.", None, "GET", b"/openai/v1/models") is not None
    assert router.plan("https", "api.anyint.ai..", None, "GET", b"/openai/v1/models") is None


@pytest.mark.parametrize(
    ("proxy", "reads"),
    [
        ("http://127.0.0.1:8888", False),
        ("localhost:8888", False),
        ("socks5h://[::1]:9050", False),
        ("http://user:password@localhost:3128", False),
        ("http://proxy.test:3128", True),
        ("proxy.test:3128", True),
        ("http://localhost@proxy.test", True),
        ("http://127.0.0.1.evil.test", True),
        ("http://[broken", True),
        ("", True),
    ],
)
def test_a_proxy_on_another_machine_reads_along(proxy: str, reads: bool) -> None:
    """One of this machine tells nobody that its user did not choose; what can't be read is on another."""
    assert reads_along(proxy) is reads
