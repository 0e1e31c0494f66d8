"""Starts a guard: ``python -I -S __main__.py valkey|postgres REQUEST``."""

from __future__ import annotations

import json
import sys
from types import ModuleType


def main(kind: str, text: str) -> int:
    # An empty stand-in for the package above: the guards are found under their own names, and its __init__, which
    # imports a great deal that is not installed for this interpreter (-S), is not run.
    package = ModuleType("matchmaker")
    package.__path__ = [__file__.rpartition("_guards")[0]]
    sys.modules["matchmaker"] = package

    from matchmaker._guards import common

    if kind == "postgres":
        from matchmaker._guards import cluster, postgres

        wanted = cluster.Request(**json.loads(text))
        return common.run(wanted, lambda watch: postgres.serve(wanted, watch))
    from matchmaker._guards import valkey

    request = valkey.Request(**json.loads(text))
    return common.run(request, lambda watch: valkey.serve(request, watch))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
