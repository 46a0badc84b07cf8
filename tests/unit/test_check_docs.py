"""What keeps the documents true: each lie on a page is found, and named with its line. Must not know our own pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.brief import once
from tests.unit.check_docs_kit import written
from tools.check_docs import __main__ as command
from tools.check_docs import blocks, looking, running

pytestmark = once

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a page, and return its path."""
    return partial(written, tmp_path)


@pytest.fixture(scope="module")
def nursery() -> Iterator[running.Nursery]:
    if not hasattr(os, "fork"):
        pytest.skip("blocks are run where there is fork")
    with running.Nursery([]) as started:
        yield started


def ran(nursery: running.Nursery, path: Path, seconds: float = 30.0) -> list[str]:
    """Run a page, and return what is said of each of its programs; nothing of one that went well."""
    page = blocks.read(path)
    assert page.problems == []
    return [running.problem(nursery.run(program, seconds)).replace(f"{path}", "page") for program in page.programs()]


FAILS = """\
    # A page

    ~~~python
    import os

    os.environ["THERE"]
    ~~~
"""


def test_a_block_that_fails_is_named_with_its_line(nursery: running.Nursery, write: Write) -> None:
    """With the line of the page that failed, the block's own, and what it said."""
    (said,) = ran(nursery, write(FAILS))
    assert said.startswith("page:6: it fails, exit 1 (the block begins in line 3)\n")
    assert "KeyError: 'THERE'" in said
    assert "tools/check_docs" not in said


def test_a_block_that_does_what_it_should_is_no_problem(nursery: running.Nursery, write: Write) -> None:
    """It has an emulator of its own, a key, an empty folder; await at its top level is fine, and so is exit(0)."""
    page = write(
        """
        ~~~python
        import os, urllib.request

        ask = urllib.request.Request(os.environ["ANYINT_BASE_URL"] + "/openai/v1/models")
        ask.add_header("Authorization", "Bearer " + os.environ["ANYINT_API_KEY"])
        with urllib.request.urlopen(ask) as answer:
            assert answer.status == 200
        assert os.listdir() == []
        open("left behind", "w").close()
        ~~~
        ~~~python
        import asyncio, os, sys

        assert os.listdir() == []
        await asyncio.sleep(0)
        sys.exit(0)
        ~~~
        ~~~bash
        test -z "$(ls)"
        python -c 'import os; assert os.environ["ANYINT_API_KEY"]'
        ~~~
        """
    )
    assert ran(nursery, page) == ["", "", ""]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('__import__("warnings").warn("old", DeprecationWarning)', "DeprecationWarning: old"),
        ("__import__('asyncio').sleep(1)", "was never awaited"),
        ("raise SystemExit('no')", "no"),
        ("__import__('os').abort()", "it died of signal 6"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_what_fails_a_block(nursery: running.Nursery, write: Write, line: str, words: str) -> None:
    """A warning is an error, also one that nobody can catch."""
    (said,) = ran(nursery, write(f"~~~python\n{line}\n~~~\n"))
    assert words in said


def test_after_goes_on_where_the_block_before_ended(nursery: running.Nursery, write: Write) -> None:
    """As one program, whose lines are still the page's; the next block without the mark knows nothing of it."""
    page = write(
        """
        ~~~python
        known = 1
        ~~~
        Words, and something else in between.
        ~~~text
        nothing
        ~~~
        <!-- check: after -->
        ~~~python
        assert known == 1
        assert known == 2
        ~~~
        ~~~python
        assert "known" not in globals()
        ~~~
        """
    )
    (said, fine) = ran(nursery, page)
    assert said.startswith("page:12: it fails, exit 1 (the block begins in line 2)")
    assert fine == ""


def test_a_block_that_hangs_is_killed_with_all_it_started(nursery: running.Nursery, write: Write) -> None:
    """It is said after the time it had; what it started dies with it."""
    page = write(
        """
        ~~~bash
        sleep 600 &
        echo $!
        wait
        ~~~
        """
    )
    (said,) = ran(nursery, page, seconds=1.0)
    assert said.startswith("page:2: it ran for over 1.0 s and was killed")
    started = int(said.split()[-1])
    gone = Path("/proc", str(started))
    assert not gone.exists() or "(sleep) Z" in (gone / "stat").read_text()


def test_bash_stops_at_its_first_failure_and_names_its_line(nursery: running.Nursery, write: Write) -> None:
    """Also in the middle of a pipe."""
    (said,) = ran(nursery, write("~~~bash\ntrue\nfalse | cat\necho never\n~~~\n"))
    assert said.startswith("page:3: it fails, exit 1")
    assert "never" not in said


def test_tests_in_a_block_are_run_by_pytest(nursery: running.Nursery, write: Write) -> None:
    """A function that nobody calls would show nothing."""
    (said,) = ran(nursery, write("\n~~~python\ndef test_it(tmp_path):\n    assert tmp_path is None\n~~~\n"))
    assert said.startswith("page:4: it fails, exit 1 (the block begins in line 2)")
    assert "1 failed" in said


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- check: skip -->\n~~~python\n~~~\n", "2: `check: skip` wants a reason"),
        ("<!-- check: skip, no -->\n~~~python\n~~~\n", "2: `check: skip` wants a reason"),
        ("<!-- check: after -->\n~~~python\n~~~\n", "2: `check: after` wants a python block before it"),
        ("~~~python\n~~~\n<!-- check: after -->\n~~~bash\n~~~\n", "4: `check: after` is for python blocks"),
        (
            "<!-- check: skip, it installs -->\n~~~python\n~~~\n<!-- check: after -->\n~~~python\n~~~\n",
            "5: `check: after` goes on after a block that is not run",
        ),
        ("<!-- check: run -->\n~~~python\n~~~\n", "2: every python and bash block is run"),
        ("<!-- check: skipp, it installs -->\n~~~python\n~~~\n", "2: no mark `check: skipp`"),
        ("<!-- check: after -->\n\n~~~python\n~~~\n", "1: a mark stands on the line above its block"),
        ("Words <!-- check: skip, it installs -->\n~~~python\n~~~\n", "2: a mark has its line for itself"),
        (
            "<!-- check: skip, it installs --> <!-- check: after -->\n~~~python\n~~~\n",
            "2: a mark has its line for itself",
        ),
        ("~~~python\n", "1: this block never ends"),
    ],
)
def test_a_mark_that_cannot_be_obeyed_is_a_problem(write: Write, text: str, problem: str) -> None:
    """Nothing is left alone by mistake."""
    path = write(text)
    (said,) = blocks.read(path).problems
    assert said.startswith(f"{path}:{problem}")


def test_a_skipped_block_is_looked_up_and_not_run(write: Write) -> None:
    """It compiles, and what it takes from us is there."""
    page = blocks.read(write("<!-- check: skip, it is long -->\n~~~python\nfrom anyint_resilience import Nope\n~~~\n"))
    assert page.problems == []
    assert list(page.programs()) == []
    (said,) = looking.CHECKS["python"](page.blocks[0])
    assert said.endswith(":2: anyint_resilience has no Nope")


def test_a_page_of_an_sdk_that_is_not_here_is_compiled_only(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is run where that is installed; asked for by name it must be run."""
    page = blocks.read(write("~~~python\nimport no_such_sdk\n~~~\n", "sdks/none.md"))
    monkeypatch.setattr(command, "SDKS", page.path.parent)
    programs, left = command._programs([page], insist=False)
    assert programs == []
    assert left == [f"{page.path}: compiled only, no no_such_sdk here: `nox -s sdk` runs it"]
    programs, left = command._programs([page], insist=True)
    assert (len(programs), left) == (1, [])


def test_a_module_that_starts_a_thread_is_imported_by_the_block_itself(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork of a process that has it would lose the thread."""
    if not hasattr(os, "fork"):
        pytest.skip("blocks are run where there is fork")
    module = "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
    (tmp_path / "threaded.py").write_text(module)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    page = write("~~~python\nimport threading, threaded\nassert threading.active_count() == 2\n~~~\n")
    (result,) = running.run(list(blocks.read(page).programs()))
    assert running.problem(result) == ""


def test_the_command_says_what_is_wrong_and_fails(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 with a problem, 0 without, 2 for a page that is not there."""
    if not hasattr(os, "fork"):
        pytest.skip("blocks are run where there is fork")
    wrong, right = write(FAILS), write("~~~python\nprint(1)\n~~~\n", "right.md")
    assert command.main(["--only", str(wrong), str(right)]) == 1
    said = capsys.readouterr().out
    assert f"{wrong}:6: it fails, exit 1" in said
    assert "1 problem in 2 code blocks in 2 documents, 2 of them run as 2 programs" in said
    assert command.main(["--only", str(right)]) == 0
    assert command.main(["--only", str(right) + "x"]) == 2


# --- blocks that nobody would read


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("~~~py\nx = 1\n~~~\n", "no language 'py'"),
        ("~~~\nx = 1\n~~~\n", "no language ''"),
        ('=== "a"\n\n\t~~~python\n\tx = 1\n\t~~~\n', "indented with blanks"),
        ("> ~~~python\n> x = 1\n> ~~~\n", "in no quote"),
        ("<!-- check: skip, ---- -->\n~~~python\nx = 1\n~~~\n", "wants a reason"),
    ],
)
def test_a_block_that_would_be_passed_over_is_a_problem(write: Write, text: str, problem: str) -> None:
    """What a page shows as a program is one, or says why not."""
    assert any(problem in it for it in blocks.read(write(text)).problems)


@pytest.mark.parametrize(
    "text",
    [
        "import threading\n\nthread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\n",
        "class TestIt:\n    def test_a(self):\n        assert 1 == 2\n",
        "import asyncio\n\nasync def fail(): 1 / 0\n\ntask = asyncio.create_task(fail())\nawait asyncio.sleep(0)\n",
    ],
)
def test_a_failure_that_is_not_the_programs_own_is_one(nursery: running.Nursery, write: Write, text: str) -> None:
    """Where the program itself would end well."""
    (said,) = ran(nursery, write(f"~~~python\n{text}~~~\n"))
    assert "it fails" in said
