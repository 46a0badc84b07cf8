"""What comes with the package and what goes out with it: bounds, licences, known holes, the built files.

Each module is a program: ``bounds`` (the lowest versions that are promised), ``licences``, ``holes`` (pip-audit),
``building`` (the same bytes twice), ``record`` (what was tested, for docs/dependencies.md).
"""
