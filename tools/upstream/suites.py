"""What is known of each client's own test suite: where it is, what it needs, and where it may differ with us.

Bounds here are pins on purpose: a suite is written for the tools of its day, and turns their warnings into errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["SUITES", "Difference", "Suite"]


@dataclass(frozen=True)
class Difference:
    """A test that may fail with us by design.

    Args:
        why: the reason, for the reader.
        peel: whether it must pass once it is shown what we wrapped in place of ours, which is the proof that nothing
            else is the matter.
        modes: where it may; everywhere if empty.
    """

    why: str
    peel: bool = False
    modes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One client's test suite.

    Args:
        client: the client, as it is installed and imported.
        version: the version that is the yardstick, as pip writes it.
        needs: what the tests want installed beside the client, with the client's own extras.
        needs_file: a file of requirements inside the source distribution.
        package: where the client's own code is in the source distribution; taken away, so that the installed one is
            tested.
        args: more arguments for pytest.
        workers: how many processes may run at once.
        stand_in: another client whose tests are run instead, if the source distribution has none.
        renamed: what is called otherwise in a stand-in's tests.
        cannot: tests that do not pass bare, or by chance only, and the reason. They count neither for nor against us.
        expected: tests that look at what we change by design.

    In both, a name without parameters stands for all of them.
    """

    client: str
    version: str
    needs: tuple[str, ...]
    package: str
    needs_file: str | None = None
    args: tuple[str, ...] = ()
    workers: int = 2
    stand_in: Suite | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, Difference] = field(default_factory=dict)


INTERNET = "asks the name of a host that is not this machine; it needs the internet"
TARPIT = "needs a network that swallows what is sent to 10.255.255.1; this one answers"
_PROXIES = "tests/client/test_proxies.py::"
_TRANSPORT = Difference(
    "asks the client, by a private method, for its transport, which is ours around its own", peel=True
)
_HTTPX_CANNOT = {
    f"{_PROXIES}test_async_proxy_close": INTERNET,
    f"{_PROXIES}test_sync_proxy_close": INTERNET,
}
_HTTPX_EXPECTED = {
    f"{_PROXIES}{name}": _TRANSPORT
    for name in ("test_proxies_environ", "test_proxy_with_mounts", "test_socks_proxy", "test_transport_for_request")
}

HTTPX = Suite(
    client="httpx",
    version="==0.28.*",
    needs=(
        "httpx[brotli,cli,http2,socks,zstd]",
        "chardet==5.2.0",
        "click<8.2",
        "cryptography==44.0.0",
        "pytest==8.3.4",
        "trio==0.27.0",
        "trustme==1.2.0",
        "uvicorn==0.32.1",
    ),
    package="httpx",
    workers=1,  # its server has a fixed port
    cannot={
        **_HTTPX_CANNOT,
        "tests/test_timeouts.py::test_write_timeout[trio]": "leaves a generator to the garbage collector, whose "
        "warning is an error; when that comes is chance",
    },
    expected=_HTTPX_EXPECTED,
)

HTTPX2 = Suite(
    client="httpx2",
    version="==2.16.*",
    needs=(
        "httpx2[brotli,cli,http2,socks,ws,zstd]",
        "certifi",
        "chardet==5.2.0",
        "click<8.5",
        "cryptography==44.0.0",
        "pytest==8.3.4",
        "sniffio",
        "trio==0.27.0",
        "trustme==1.2.0",
        "uvicorn==0.32.1",
        "zstandard",
    ),
    package="httpx2",
    args=("-W", "ignore:`httpx2.main` is deprecated:DeprecationWarning"),
    workers=1,
    stand_in=HTTPX,
    renamed={"httpx": "httpx2", "httpcore": "httpcore2"},
    cannot={
        **_HTTPX_CANNOT,
        "tests/test_config.py::test_load_ssl_with_keylog": "a difference between httpx and httpx2",
        "tests/test_exported_members.py::test_all_imports_are_exported": "a difference between httpx and httpx2",
    },
    expected=_HTTPX_EXPECTED,
)

_ADAPTERS = "tests/test_requests.py::TestRequests::test_session_get_adapter_prefix_"

REQUESTS = Suite(
    client="requests",
    version="==2.34.*",
    needs=("requests[socks]", "httpbin~=0.10.0", "pytest<10", "pytest-httpbin==2.1.0", "pytest-mock", "trustme"),
    package="src",
    cannot={
        "tests/test_requests.py::TestTimeout::test_connect_timeout": TARPIT,
        "tests/test_requests.py::TestTimeout::test_total_timeout_connect": TARPIT,
    },
    expected={
        **{
            _ADAPTERS + name: Difference(
                "asks the session for the adapter it mounted, which is ours around it", peel=True
            )
            for name in (
                "matching",
                "matching_is_case_insensitive",
                "matching_mixed_case",
                "with_trailing_slash",
                "without_trailing_slash",
            )
        },
        "tests/test_requests.py::test_urllib3_retries": Difference(
            "wants urllib3's own Retry at work; calls to AnyInt go without, so that attempts do not multiply",
            modes=("anyint",),
        ),
    },
)

_FUNCTIONAL = "tests/test_client_functional.py::"
_ONCE = Difference(
    "wants aiohttp to send once more after a lost connection; one attempt to AnyInt is one attempt", modes=("anyint",)
)

AIOHTTP = Suite(
    client="aiohttp",
    version="==3.14.*",
    needs=("aiohttp",),
    needs_file="requirements/test.txt",
    package="aiohttp",
    args=("--no-cov", "-o", "junit_logging=no", "-o", "junit_log_passing_tests=false"),
    cannot={
        f"tests/test_web_urldispatcher.py::test_static_{name}_without_read_permission": "wants to be refused a file; "
        "root, if that is who runs this, is not"
        for name in ("directory", "file")
    },
    expected={
        f"{_FUNCTIONAL}test_custom_headers": Difference(
            "sends an x-api-key to AnyInt, which goes into the header the route wants", modes=("anyint", "disabled")
        ),
        f"{_FUNCTIONAL}test_file_upload_retry_persistent_connection": _ONCE,
        f"{_FUNCTIONAL}test_handle_keepalive_on_closed_connection": _ONCE,
        "tests/test_test_utils.py::test_retry_persistent_connection_lowercase_method": _ONCE,
        f"{_FUNCTIONAL}test_error_in_performing_request": Difference(
            "is told of the server that the failed test before it, on closed connections, left open", modes=("anyint",)
        ),
    },
)

SUITES = {suite.client: suite for suite in (REQUESTS, HTTPX, HTTPX2, AIOHTTP)}
