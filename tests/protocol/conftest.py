"""The three clients, what they need installed, and a matcher beside them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from matchmaker.functions import unload
from tests.integration.matchers import MatcherProcess
from tests.integration.terminal import ROOT
from tests.protocol.drivers import CLIENT, Cli, Driver, Node, Socket
from tests.protocol.programs import node_and_npm

INSTALL_SECONDS = 50.0

Connect = Callable[[], Driver]
"""A new client on the test's realm."""


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of ``node/package-lock.json``, installed once for each content of it."""
    sources = [CLIENT.parent / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    cache = ROOT / "build" / "protocol-node"
    installed = cache / digest
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run of the suite may be about to install the same
        if not installed.is_dir():
            _install(sources, cache / f"{digest}.{os.getpid()}", installed)
    return installed / "node_modules"


def _install(sources: list[Path], folder: Path, installed: Path) -> None:
    """Complete or not at all: a folder of the final name is only ever a whole installation."""
    node, npm = node_and_npm()
    folder.mkdir()
    try:
        for source in sources:
            shutil.copy(source, folder)
        subprocess.run(
            [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
            cwd=folder,
            env={**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=INSTALL_SECONDS,
        )
        folder.rename(installed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["socket", "redis-cli", "ioredis"])
def connect(request: pytest.FixtureRequest, redis_url: str, realm: str) -> Iterator[Connect]:
    """Makes clients of one kind; the test runs once for each."""
    with ExitStack() as stack:

        def make() -> Driver:
            driver: Driver
            if request.param == "ioredis":
                modules = request.getfixturevalue("node_modules")
                driver = Node(redis_url, realm, node_and_npm()[0], modules)
            else:
                driver = (Cli if request.param == "redis-cli" else Socket)(redis_url, realm)
            stack.callback(driver.close)
            return driver

        yield make


@pytest.fixture
def start_matcher(redis_url: str, realm: str) -> Iterator[Callable[[], MatcherProcess]]:
    """Starts a matcher for the test's realm."""
    with ExitStack() as stack:

        def start() -> MatcherProcess:
            process = MatcherProcess("workers", redis_url, realm)
            stack.callback(process.close)
            return process

        yield start


@pytest.fixture(autouse=True)
def no_library(redis_client: redis.Redis) -> Iterator[None]:
    """Functions belong to the whole server: the suite's has none before and after."""
    unload(redis_client)
    yield
    unload(redis_client)
