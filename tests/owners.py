"""Processes that own an embedded server, run as every user that the suite can be."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import Process

ROOT = Path(__file__).parent.parent
SOON = 15.0  # seconds in which a process must be gone; more than the guard gives a server to end


# Whether this user may run the interpreter, as the owner of a server has to.
PROBE = """
import os, subprocess, sys, matchmaker.embedded
assert os.geteuid() != 0
subprocess.run([sys.executable, "-c", ""], check=True)
"""


def identities() -> list[list[str]]:
    """Command prefixes under which the suite can run an owner: as whoever runs it and, for root, as somebody else.

    Which way of becoming somebody else works depends on the machine: nobody may not reach the interpreter, or user
    namespaces may be switched off.
    """
    ways = [["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], ["unshare", "--user", "--map-user=1000"]]
    found: list[list[str]] = [[]]
    for way in ways if os.geteuid() == 0 else []:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            command = [*way, sys.executable, "-c", PROBE]
            subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=True)
            found.append(way)
    return found


IDENTITIES = identities()


class Owner:
    """A process of its own that owns an embedded server. ``program`` says on its first line, as JSON, at least the
    server's ``url``, ``pid``, ``guard`` and ``folder``, and lives until its input ends or somebody kills it."""

    def __init__(self, program: str, prefix: list[str], *arguments: str) -> None:
        command = [*prefix, sys.executable, "-c", program, *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.said: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.server = Process(self.said["pid"])
        self.guard = Process(self.said["guard"])

    def close(self, *, keep: bool = False) -> None:
        self.process.kill()
        self.process.communicate()
        assert self.server.ended(SOON)
        assert self.guard.ended(SOON)
        for process in (self.server, self.guard):
            process.close()
        if not keep:
            shutil.rmtree(self.said["folder"], ignore_errors=True)  # left when owner and guard were both killed


def script(path: Path, *lines: str) -> Path:
    """An executable that stands in for a server program."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path
