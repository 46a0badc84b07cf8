"""What ``explain`` is asked about: the request and its outcome, out of options, bare words and a pasted answer.

Must not decide anything.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any, Final

from ..contract.matching import RouteTable
from ..policy.model import FaultKind
from .given import read
from .guessing import method_for
from .pasted import read_pasted
from .terminal import Problem, clean, shortened

__all__ = ["Asked", "asked"]

_READ: Final = 64 * 1024  # the policy looks no further
_KINDS: Final = {kind.value for kind in FaultKind}
_METHODS: Final = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


@dataclass(kw_only=True)
class Asked:
    """A request and its outcome: an exception's kind, or an answer. ``notes`` are for whoever asks."""

    method: str = ""
    url: str = ""
    status: int | None = None
    exception: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    notes: list[str] = field(default_factory=list)


def asked(options: argparse.Namespace, table: RouteTable) -> Asked:
    """Return what the options ask about; raises Problem where they say too little, or two things at once."""
    given = _options(options)
    for word in options.words:
        name, value = _sorted(word)
        if given[name] is not None:
            raise Problem(f"{clean(word)!r} is a second {name}")
        given[name] = value
    found = Asked(status=given["status"], exception=given["exception"], headers=list(options.header))
    method, url = given["method"], given["URL"]
    if options.pasted is not None:
        was, path = _paste(options, found)
        method, url = method or was, url or path
    elif options.body_file is not None:
        found.body = read(options.body_file, _READ, f"cannot read --body-file {options.body_file!r}")
    elif options.body is not None:
        found.body = str(options.body).encode("utf-8", "surrogateescape")
    if url is None:
        raise Problem(
            "which request was it? give its path, such as /openai/v1/videos ('anyint-resilience routes' has all)"
        )
    if found.exception is not None and (found.headers or found.body or options.body is not None):
        raise Problem("an exception has no --header and no body; give a status instead of an exception")
    if found.exception is None and found.status is None:
        raise Problem("what came of it? give a status such as 429, an exception such as read_timeout, or --from FILE")
    found.method, found.url = method or method_for(table, url), url
    return found


def _options(options: argparse.Namespace) -> dict[str, Any]:
    if options.body is not None and options.body_file is not None:
        raise Problem("--body and --body-file are two bodies; give one")
    if options.pasted is not None:
        others = {"--body": options.body, "--body-file": options.body_file, "--exception": options.exception}
        for name, value in others.items():
            if value is not None:
                raise Problem(f"--from brings the whole answer; leave {name} out")
    return {"method": options.method, "URL": options.url, "status": options.status, "exception": options.exception}


def _sorted(word: str) -> tuple[str, Any]:
    """Tell what a bare word is by its looks."""
    if len(word) == 3 and word.isascii() and word.isdigit() and word[0] != "0":
        return "status", int(word)
    if word in _KINDS:
        return "exception", word
    if word.upper() in _METHODS:
        return "method", word.upper()
    if "/" in word:
        return "URL", word
    from difflib import get_close_matches  # late: only a mistyped word needs it

    near = get_close_matches(word.lower(), _KINDS, n=1)
    hint = f"; did you mean {near[0]}?" if near else " (of exceptions: see --help)"
    raise Problem(f"{shortened(word)} is no method, path, status or kind of exception{hint}")


def _paste(options: argparse.Namespace, found: Asked) -> tuple[str | None, str | None]:
    """Put the pasted answer in; return what is known of its request."""
    raw = read(options.pasted, _READ, f"cannot read --from {options.pasted!r}")
    if found.exception is not None:
        raise Problem("--from brings an answer; leave the exception out")
    pasted = read_pasted(raw)
    if pasted is None:
        if found.status is None:
            raise Problem(
                "--from: there is no status line such as 'HTTP/1.1 429'; curl -i prints one, or give a status too"
            )
        found.body = raw
        return None, None
    if found.status is not None and found.status != pasted.status:
        raise Problem(f"the pasted answer has the status {pasted.status}; leave {found.status} out")
    found.status, found.body = pasted.status, pasted.body
    found.headers = [*pasted.headers, *found.headers]
    coded = {value.lower() for name, value in pasted.headers if name.lower() == "content-encoding"}
    if coded & {"gzip", "br", "zstd", "deflate"} and not pasted.body.lstrip().startswith((b"{", b"[")):
        found.notes.append("its body is compressed and was not read: curl --compressed prints it as text")
    return pasted.method, pasted.path
