"""Fixtures for tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from matchmaker import Matchmaker, parse_rules
from matchmaker.cli import main
from tests.integration.terminal import Cli, Result

RULES = "[ladder]\n[casual]\nmax_gap = 100\n"


@pytest.fixture
def bare_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Runs commands here, with no server set and an empty data folder."""
    monkeypatch.delenv("MATCHMAKER_REDIS_URL", raising=False)
    monkeypatch.delenv("MATCHMAKER_REALM", raising=False)
    monkeypatch.setenv("MATCHMAKER_DATA_DIR", str(tmp_path / "data"))

    def run(*args: object) -> Result:
        code = main([str(arg) for arg in args])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


@pytest.fixture
def cli(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, redis_url: str, realm: str) -> Cli:
    """Runs commands here, on the suite's server and a realm of the test's own."""
    monkeypatch.setenv("MATCHMAKER_REDIS_URL", redis_url)
    monkeypatch.setenv("MATCHMAKER_REALM", realm)
    return bare_cli


@pytest.fixture
def mm(redis_url: str, realm: str) -> Iterator[Matchmaker]:
    """The same realm from Python, with the queues ladder and casual."""
    with Matchmaker(redis_url, realm) as matchmaker:
        matchmaker.apply_rules(parse_rules(RULES, "test"))
        yield matchmaker


@pytest.fixture
def environment(redis_url: str, realm: str, tmp_path: Path) -> dict[str, str]:
    """For processes: the suite's server and the test's realm."""
    return {
        "MATCHMAKER_REDIS_URL": redis_url,
        "MATCHMAKER_REALM": realm,
        "MATCHMAKER_DATA_DIR": str(tmp_path / "data"),
    }
