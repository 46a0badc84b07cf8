"""What keeps the documents true: each lie on a page is found, and named with its line. Must not know our own pages."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if not (Path(__file__).resolve().parents[2] / "tools" / "check_docs").is_dir():
    pytest.skip("the tools are not part of the wheel", allow_module_level=True)

from tools.check_docs import __main__ as command
from tools.check_docs import blocks, links, looking, outputs, running

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a page. In its text ~~~ stands for a fence, so that this file has none."""

    def page(text: str, name: str = "page.md") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).replace("~~~", "```"), encoding="utf-8")
        return path

    return page


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


@pytest.mark.parametrize(
    ("language", "text", "problem"),
    [
        ("python", "x =\n", "does not compile"),
        ("bash", "ls 2>&1 | no-such-command-anywhere --help\n", "no command no-such-command-anywhere"),
        ("bash", "python -m nox -s nothing\n", "nox has no session nothing"),
        ("bash", "python -m pip install 'anyint-resilience[httpx,nope]'\n", "no extra nope"),
        ("bash", "anyint-resilience nothing-like-it\n", "is no command"),
        ("bash", "python -m anyint_resilience.nothing\n", "cannot import anyint_resilience.nothing"),
        ("json", "{'a': 1}\n", "not JSON"),
        ("toml", "a = \n", "not TOML"),
        ('toml title="anyint-resilience.toml"', "[policy]\nattemps = 3\n", "attemps"),
        ("toml", "[tool.anyint-resilience]\nnothing_like_it = 3\n", "nothing_like_it"),
    ],
)
def test_what_is_looked_up(write: Write, language: str, text: str, problem: str) -> None:
    """Syntax, names, commands, and our configuration as our loader reads it."""
    (block,) = blocks.read(write(f"~~~{language}\n{text}~~~\n")).blocks
    said = list(looking.CHECKS[block.language](block))
    assert len(said) == 1
    assert problem in said[0]
    assert said[0].startswith(f"{block.path}:")


def test_toml_of_others_is_only_parsed(write: Write) -> None:
    """Its keys are not ours."""
    (block,) = blocks.read(write("~~~toml\n[project]\nname = 'shop'\n~~~\n")).blocks
    assert list(looking.CHECKS["toml"](block)) == []


PAGE = """\
# A heading, with `code` & more

[one](#a-heading-with-code--more) [two](other.md#there) ![three](other.md) <a href="other.md">four</a>
[five][reference] `[six](nowhere.md)` [seven](https://example.com/a?b#c)

[reference]: other.md

~~~text
[eight](nowhere.md)
~~~
"""


def test_links_that_lead_somewhere_are_no_problem(write: Write) -> None:
    """In all their forms; what stands in code is no link."""
    write("# There\n", "other.md")
    assert list(links.check(write(PAGE))) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[one](nowhere.md)", "broken link nowhere.md"),
        ("[one](#nowhere)", "no heading for #nowhere"),
        ("[one](other.md#nowhere)", "no heading for other.md#nowhere"),
        ('<img src="nowhere.png">', "broken link nowhere.png"),
        ("[one](/other.md)", "begins with a slash"),
        ("[one](https:/example.com)", "is no address"),
        ("[one][it]\n\n[it]: nowhere.md", "broken link nowhere.md"),
    ],
)
def test_a_link_that_leads_nowhere_is_named_with_its_line(write: Write, link: str, problem: str) -> None:
    """Files, headings, forms."""
    write("# There\n", "other.md")
    path = write(f"# A heading\n\nWords, `code`\nand {link}\n")
    (said,) = links.check(path)
    assert problem in said
    assert said.startswith(f"{path}:{6 if 'it]:' in link else 4}: ")


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


# --- blocks that nobody would read, and outputs that do not come


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
    ],
)
def test_a_failure_in_a_thread_or_a_test_class_is_one(nursery: running.Nursery, write: Write, text: str) -> None:
    """Where the program itself would end well."""
    (said,) = ran(nursery, write(f"~~~python\n{text}~~~\n"))
    assert "it fails" in said


SHOWN = """\
200 3 models
POST /x: 2 attempt(s), waited 1.07 s
  1. +0.00 s: 429 -> backoff: request id req_ab12...; attempt 1 of 3
"""


TRIED = "2 attempt(s), waited 0.9 s\n  1. +0.1 s: 429 -> backoff: request id req_ff; attempt 1 of 3"


@pytest.mark.parametrize(
    ("printed", "good"),
    [
        (f"200 9 models\nPOST /x: {TRIED}", True),
        (f"first\n200 9 models\nmore\nPOST /x: {TRIED.replace('waited', chr(10) + '  waited')}\nlast", True),
        (f"200 9 models\nPOST /y: {TRIED}", False),
        (f"POST /x: {TRIED}\n200 9 models", False),
        ("", False),
    ],
)
def test_an_output_is_what_the_program_prints(write: Write, printed: str, good: bool) -> None:
    """Numbers, ids, line ends and what is left out may differ; words and their order may not."""
    page = blocks.read(write(f"~~~python\nprint()\n~~~\n\n~~~text\n{SHOWN}~~~\n"))
    ((_, block),) = outputs.expected(page).items()
    assert (list(outputs.unlike(block, printed)) == []) is good


def test_a_text_further_down_is_no_output(write: Write) -> None:
    """With words between, or a mark, it is about something else."""
    text = "~~~python\nprint()\n~~~\n\n{}\n~~~text\nhello\n~~~\n"
    for between in ("Elsewhere:", "<!-- check: skip, of another machine -->"):
        page = blocks.read(write(text.format(between)))
        assert (page.problems, outputs.expected(page)) == ([], {})
