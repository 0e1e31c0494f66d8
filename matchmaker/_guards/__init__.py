"""Guards: small processes, each of which owns one embedded server, so that it never outlives whoever asked for it.

:mod:`matchmaker.embedded` and :mod:`matchmaker.embedded_postgres` run :data:`LAUNCHER` as a script, not as a module:
``python -I -S LAUNCHER KIND REQUEST``. That way nothing else of the package is imported and a guard is up in 30 ms.
:mod:`~matchmaker._guards.common` is what they share; REQUEST is a JSON object, the fields of that kind's ``Request``.
"""

from __future__ import annotations

import os

LAUNCHER = os.path.join(os.path.dirname(__file__), "__main__.py")  # noqa: PTH118, PTH120  (pathlib costs 10 ms)
