"""The fuzzer's corpora and seeds, replayed on every Python without it: each property holds of each input."""

from __future__ import annotations

import pytest

from hostile.fuzz.corpora import MOST_BYTES, MOST_FILES
from hostile.fuzz.running import dictionary, named
from hostile.fuzz.targets import CORPUS, LONGEST, TARGETS, inputs_of, target

pytest.importorskip("redis", reason="redis-py is not here: pip install redis")  # whose wire forms are read, too

EVERY = pytest.mark.parametrize("name", TARGETS)


def broken(name: str, inputs: list[tuple[str, bytes]]) -> list[str]:
    """Return what did not hold, by the names of the inputs."""
    check, found = target(name).check, []
    for label, data in inputs:
        try:
            check(data)
        except Exception as error:
            found.append(f"{label}: {error!r} of {data[:200]!r}")
    return found


@EVERY
def test_every_input_of_the_corpus_keeps_the_properties(name: str) -> None:
    """What the fuzzer found to reach something new, and what it once broke."""
    inputs = list(inputs_of(name))
    assert len(inputs) > 20
    assert broken(name, inputs) == []


@EVERY
def test_every_seed_keeps_the_properties(name: str) -> None:
    """The rows of the contract, and what tests have in them: from these the fuzzer begins."""
    seeds = [(named(data), data) for data in target(name).seeds()]
    assert len(seeds) > 20
    assert all(len(data) <= LONGEST for _, data in seeds)
    assert broken(name, seeds) == []


@EVERY
def test_a_corpus_is_small_and_named_by_what_is_in_it(name: str) -> None:
    """It is in the repository, and replayed time and again."""
    inputs = list(inputs_of(name))
    assert len(inputs) <= MOST_FILES
    assert sum(len(data) for _, data in inputs) <= MOST_BYTES
    assert all(label == named(data) for label, data in inputs)


@EVERY
def test_a_dictionary_is_one_that_libfuzzer_reads(name: str) -> None:
    """Each line is a word in quotes, in printable ASCII."""
    lines = dictionary(target(name).words()).splitlines()
    assert len(lines) > 20
    assert all(line.isascii() and line.isprintable() and line[0] == line[-1] == '"' for line in lines)


def test_there_is_no_corpus_without_a_target() -> None:
    """One whose target was renamed would never be replayed."""
    assert sorted(it.name for it in CORPUS.iterdir()) == sorted(TARGETS)
