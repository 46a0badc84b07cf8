"""Fuzzing by atheris: what is fed to the parts that read what others wrote, and what must hold of every input.

Must not know any client. ``targets`` has the list; each target is a module with ``check(data)``, which raises where a
property does not hold, ``words()`` for the fuzzer's dictionary, and ``seeds()``. None of them needs atheris, so that
the corpus is replayed by plain pytest on every Python.
"""
