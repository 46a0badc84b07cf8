"""Check that the documents are true: blocks are run, commands, configuration and links looked up.

``python -m tools.check_docs`` checks all of them, ``--only docs/load.md`` some. Every ``python`` and ``bash`` block of
README.md and docs/ is run, alone, in an empty folder, with ``-W error``, against a fresh emulator whose URL and key are
in ANYINT_BASE_URL and ANYINT_API_KEY. Its process is a fork of one that has imported what all blocks import, which is
quick; a block that names a module it did not import may pass for that. On the line above a block may stand

- ``<!-- check: skip, REASON -->``: not run, but compiled and looked up; only where it truly cannot run;
- ``<!-- check: after -->``: this python block goes on where the one before it on the page ended: one program.

A ``text`` block right after a program is what it prints, or has a mark ``skip``: ``outputs`` says what may differ. A
``console`` block is for commands that nobody has here: they are looked up. So are commands in code within sentences,
with their options. ``toml`` is our configuration, but for a pyproject.toml of others.

Must not know what the site looks like: that is ``tools/site`` and ``mkdocs.yml``.
"""
