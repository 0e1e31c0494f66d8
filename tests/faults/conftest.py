"""What the fault tests share: a ladder to load, processes to kill, a server of one's own to break.

``MATCHMAKER_TEST_PROFILE=nightly`` (``make chaos``) runs the same tests at length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from matchmaker.embedded import EmbeddedServer
from tests.faults.recorders import StartRecorder, recorders
from tests.faults.scene import LADDER, Scene
from tests.servers import StartServer


class OwnScene(Protocol):
    """The ``own_scene`` fixture: options of a new server in, a scene on it out."""

    def __call__(self, *extra_args: str, rules: str = LADDER) -> tuple[EmbeddedServer, Scene]: ...


@pytest.fixture
def scene(redis_url: str, realm: str, tmp_path: Path) -> Iterator[Scene]:
    """A ladder on the suite's server; only its own processes may be broken."""
    stage = Scene(redis_url, realm, tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def own_scene(own_server: StartServer, tmp_path: Path) -> Iterator[OwnScene]:
    """A ladder on a server that may be broken."""
    with ExitStack() as stack:

        def start(*extra_args: str, rules: str = LADDER) -> tuple[EmbeddedServer, Scene]:
            server = own_server(*extra_args)
            stage = Scene(server.url, "fault", tmp_path, rules)
            stack.callback(stage.close)
            return server, stage

        yield start


@pytest.fixture
def scene_at(tmp_path: Path) -> Iterator[Callable[[str], Scene]]:
    """A ladder on a server that the test has already."""
    with ExitStack() as stack:

        def make(url: str) -> Scene:
            stage = Scene(url, "fault", tmp_path)
            stack.callback(stage.close)
            return stage

        yield make


# -- records -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorder() -> Iterator[StartRecorder]:
    """Starts recorders as processes; they end with the test."""
    with recorders() as start:
        yield start
