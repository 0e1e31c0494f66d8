"""Makes and refreshes the checkout's ``.venv``; called by ``_env.sh`` with the name of one extra.

Standard library only, for it runs on whatever interpreter was found. It installs when the project's metadata changed
since the extra was last installed, and is silent otherwise. One at a time: a file lock, which dies with its holder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Written before the environment is filled, so that only what this program made is ever removed by it.
STATE = VENV / "matchmaker-setup.json"
# What would install somewhere else than into the environment.
MISLEADING = ("PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER", "PIP_REQUIRE_VIRTUALENV")


class SetupFailed(Exception):
    """Tells the person at the terminal what to do."""


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def works() -> bool:
    """Whether ``.venv`` has an interpreter of the right version, and pip."""
    try:
        return run(PYTHON, "-c", "import sys, pip; assert sys.version_info >= (3, 11)").returncode == 0
    except OSError:
        return False


def state() -> dict[str, Any]:
    """What the last runs left: ``root``, ``complete``, ``extras`` (extra -> digest). Empty when unknown."""
    try:
        kept = json.loads(STATE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def save(kept: dict[str, Any]) -> None:
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    fresh.replace(STATE)


def make() -> None:
    """Makes the environment when it is missing, was left half made, or stands in a checkout that was moved here."""
    kept = state()
    if kept.get("complete") and kept.get("root") == str(ROOT) and works():
        return
    if VENV.exists() and not kept:
        if works():  # somebody's own environment: use it as it is
            save({"root": str(ROOT), "complete": True, "extras": {}})
            return
        raise SetupFailed(f"{VENV} exists and does not work (Python 3.11 or newer, with pip): remove it and try again")
    say(f"making {VENV} …")
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    fresh = {"root": str(ROOT), "complete": False, "extras": {}}
    save(fresh)
    try:
        venv.create(VENV, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:
        raise SetupFailed(f"no environment could be made with {sys.executable}: {error}") from error
    save({**fresh, "complete": True})


def digest() -> str:
    """Changes whenever an installation may have to."""
    content = b"\0".join((ROOT / name).read_bytes() for name in ("setup.cfg", "pyproject.toml"))
    return hashlib.sha256(content).hexdigest()


def install(extra: str) -> None:
    kept, wanted = state(), digest()
    if kept["extras"].get(extra) == wanted:
        return
    say(f"installing matchmaker[{extra}] into {VENV} …")
    result = run(PYTHON, "-m", "pip", "install", "--quiet", "--no-input", "--editable", f".[{extra}]")
    if result.returncode:
        say(result.stdout)
        raise SetupFailed(f"pip could not install matchmaker[{extra}]; what it said is above")
    save({**kept, "extras": {**kept["extras"], extra: wanted}})


def main() -> int:
    try:
        with (ROOT / ".venv.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another setup of this checkout …")
                fcntl.flock(lock, fcntl.LOCK_EX)
            make()
            install(sys.argv[1])
    except SetupFailed as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        say(f"error: the environment could not be set up: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
