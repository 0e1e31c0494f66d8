"""The newcomer's commands on machines where something is missing: a clear word, and nothing of the user's removed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMANDS = ("test", "demo", "bench")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Given the scripts in a fresh checkout, in a folder whose name has spaces."""
    folder = tmp_path / "a check out"
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def run(checkout: Path, command: str, *, path: Path | None = None, python: str | None = None) -> tuple[int, str]:
    """Exit code and everything said, from another folder and with nothing to read."""
    environment = {
        "PATH": str(path) if path else os.environ["PATH"],
        **({"MATCHMAKER_PYTHON": python} if python else {}),
    }
    done = subprocess.run(
        [checkout / "scripts" / command],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def bare_path(folder: Path, *interpreters: tuple[str, str]) -> Path:
    """A PATH with what any system has, and the given stand-ins for interpreters: name, what it does."""
    folder.mkdir()
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    for name, does in interpreters:
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_without_python_it_says_what_is_needed(checkout: Path, tmp_path: Path, command: str) -> None:
    code, said = run(checkout, command, path=bare_path(tmp_path / "bin", ("python3", "exit 1")))
    assert code == 1
    assert "no Python 3.11 or newer" in said
    assert "python3.13" in said


def test_a_python_that_was_named_is_the_only_one_tried(checkout: Path) -> None:
    code, said = run(checkout, "test", python="no-such-python")
    assert code == 1
    assert "no-such-python" in said


def test_a_python_that_cannot_make_environments_is_passed_over_or_named(checkout: Path, tmp_path: Path) -> None:
    """Given Debian's python3 without its venv package, when nothing better is there, then the package is named."""
    halved = 'case "$*" in *ensurepip*) exit 1 ;; esac'
    code, said = run(checkout, "test", path=bare_path(tmp_path / "bin", ("python3.12", halved), ("python3", "exit 1")))
    assert code == 1
    assert "python3.12 cannot make virtual environments" in said
    assert "python3-venv" in said

    whole = 'case "$*" in *_setup.py*) echo "set up by python3"; exit 7 ;; esac'
    code, said = run(checkout, "test", path=bare_path(tmp_path / "bin2", ("python3.12", halved), ("python3", whole)))
    assert (code, said) == (7, "set up by python3\n")


def test_an_environment_of_the_users_own_that_does_not_work_is_not_removed(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "theirs").write_text("")
    code, said = run(checkout, "demo", python=sys.executable)
    assert code == 1
    assert ".venv exists and does not work" in said
    assert (checkout / ".venv" / "theirs").exists()


def test_what_pip_says_is_shown_when_it_fails(checkout: Path) -> None:
    """Given metadata that cannot be installed, when the environment is made, then pip's words are there to read."""
    (checkout / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'no_such_backend'\n")
    code, said = run(checkout, "demo", python=sys.executable)
    assert code == 1
    assert "no_such_backend" in said
    assert "pip could not install matchmaker[plots]" in said


def test_the_commands_in_the_makefile_and_procfile_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert {"help", "test", "lint", "demo", "bench", "chaos"} <= targets
    for named in re.findall(r"\bscripts/([a-z]+)", makefile):
        assert os.access(ROOT / "scripts" / named, os.X_OK), named
    checked = subprocess.run(
        [sys.executable, "-m", "honcho", "check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Valid procfile detected" in checked.stderr


def test_what_is_installed_is_complete(checkout: Path, tmp_path: Path) -> None:
    """Given the wheel that `pip install .` makes, then every file of the packages is in it: Lua, migrations and all."""
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout / name)
    for package in ("matchmaker", "workers"):
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path / "wheels"),
        str(checkout),
    ]
    made = subprocess.run(pip, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(next((tmp_path / "wheels").glob("*.whl"))) as wheel:
        installed = set(wheel.namelist())
    for package in ("matchmaker", "workers"):
        for file in (ROOT / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert str(file.relative_to(ROOT)) in installed
