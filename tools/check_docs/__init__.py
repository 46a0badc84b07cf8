"""Check that the documents are true: blocks are run, commands, configuration and links looked up.

``python -m tools.check_docs`` checks all of them, ``--only docs/load.md`` some. Every ``python`` and ``bash`` block of
README.md and docs/ is run, alone, in a fresh process in an empty folder, with ``-W error``, against a fresh emulator
whose URL and key stand in ANYINT_BASE_URL and ANYINT_API_KEY. On the line above a block may stand

- ``<!-- check: skip, REASON -->``: not run, but compiled and looked up; only where it truly cannot run;
- ``<!-- check: after -->``: this python block goes on where the one before it on the page ended: one program.

Must not know what the site looks like: that is ``tools/site`` and ``mkdocs.yml``.
"""
