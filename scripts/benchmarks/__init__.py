"""The measurements behind docs/benchmarks.md: one module a row, each against something measured in the same run.

``python -m scripts.benchmarks --list`` names the rows; a row's docstring says what is measured, against what, and why
that is fair. Nothing here is part of the package: it starts servers of its own and ends them.
"""
