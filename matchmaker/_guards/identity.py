"""As whom a guard runs a server that refuses to be root, and how its child becomes that user."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matchmaker._guards.common import StartFailed, die_with_me

# From <linux/sched.h>.
_CLONE_NEWUSER, _CLONE_NEWIPC = 0x10000000, 0x08000000
# What root is called within its namespace: any number but 0.
_INNER_ID = 1000


class Identity(NamedTuple):
    """``namespaced``: within a user namespace of its own, where root has another name, and with System V memory of its
    own, which goes with the last process however that ends."""

    uid: int
    gid: int
    namespaced: bool

    @property
    def other(self) -> bool:
        """Whether it is somebody other than ourselves, which only root can arrange."""
        return self.uid != os.geteuid()

    def own(self, file: Path | int) -> None:
        """Hands a file of ours over to the server's user."""
        if self.other:
            os.chown(file, self.uid, self.gid)


def as_identity(identity: Identity) -> Callable[[], None]:
    """For a child to call before it becomes the server; on Linux the server is then killed when this process is gone.

    The kernel keeps that promise across the change into a namespace. Across a change of user it would not: first that.
    """
    die = die_with_me()
    unshare: Callable[[int], int] | None = None
    if identity.namespaced:
        import ctypes

        unshare = ctypes.CDLL(None, use_errno=True).unshare

    def prepare() -> None:
        if identity.other:
            os.setgroups([])
            os.setgid(identity.gid)
            os.setuid(identity.uid)
        if unshare is not None:
            if unshare(_CLONE_NEWUSER | _CLONE_NEWIPC) != 0:
                raise PermissionError
            for name, text in (
                ("setgroups", "deny"),
                ("uid_map", f"{identity.uid or _INNER_ID} {identity.uid} 1"),
                ("gid_map", f"{identity.gid or _INNER_ID} {identity.gid} 1"),
            ):
                Path("/proc/self", name).write_text(text, encoding="ascii")
        if die is not None:
            die()

    return prepare


def _possible(identity: Identity, *needed: tuple[Path, int]) -> bool:
    """Tries it in a child: whether we can become that user, and whether that one has the access that is needed."""
    prepare = as_identity(identity)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            prepare()
            code = 0 if all(os.access(path, mode) for path, mode in needed) else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def choose_identity(folder: Path, data: Path, program: Path) -> Identity:
    """Ourselves, if possible in a namespace. Root is the owner of existing data, else ``nobody`` where there are no
    namespaces. Raises StartFailed when that one cannot get at the folder or the program."""
    own = Identity(os.geteuid(), os.getegid(), namespaced=False)
    made = data.stat() if data.exists() else None
    needed = (folder, os.R_OK | os.W_OK | os.X_OK), (program, os.R_OK | os.X_OK)
    if own.uid != 0 or made is None or made.st_uid == 0:
        namespaced = own._replace(namespaced=True)
        if sys.platform.startswith("linux") and _possible(namespaced):
            return namespaced
        if own.uid != 0:
            return own
        import pwd

        nobody = pwd.getpwnam("nobody")
        other = Identity(nobody.pw_uid, nobody.pw_gid, namespaced=False)
    else:
        other = Identity(made.st_uid, made.st_gid, namespaced=False)
    _hand_over(folder, other, everything=made is not None and made.st_uid != other.uid)
    if not _possible(other, *needed):
        raise StartFailed(
            f"Postgres does not run as root, and user {other.uid}, as whom it would, cannot use {folder} or {program}: "
            "name a folder that this user can reach, or run as an ordinary user"
        )
    return other


def _hand_over(folder: Path, identity: Identity, everything: bool) -> None:
    identity.own(folder)
    if everything:
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                os.chown(Path(parent, name), identity.uid, identity.gid, follow_symlinks=False)
