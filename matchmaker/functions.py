"""The scripts as one library of Redis Functions: any client in any language calls them by name.

The library's functions are the scripts themselves, each wrapped as it stands with its libraries, so FCALL of
``mm1_enqueue`` does what EVALSHA of ``enqueue.lua`` does. Their names carry the protocol's major version: the libraries
of two major versions live side by side on one server. Python goes on with EVALSHA and needs no library.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any, Final

import redis

from matchmaker import __version__
from matchmaker.errors import ServerUnsuitable
from matchmaker.runner import as_text, typed_errors
from matchmaker.scripts import SCHEMA, script
from matchmaker.server import fields_of

LIBRARY: Final = "mm1"
"""Name of the library; its number is the major version of the protocol (``docs/protocol.md``)."""

_FLAGS: Final = re.compile(r"flags=(\S+)")

# What a client may ask to learn whom it talks to; it needs no more rights than any other call.
_VERSION: Final = """{register}
return {{ "version", "{version}", "{schema}" }}
end}}
"""
_STATED: Final = re.compile(r'^return { "version", "([^"]*)", "[^"]*" }$', re.MULTILINE)


class LibraryState(StrEnum):
    """What a server has under the library's name."""

    ABSENT = "absent"
    CURRENT = "current"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """The library a server has, beside ours. Digests are the SHA-1 of the library's text; ``version`` is the package's,
    and, as ``digest``, "" where no library (or somebody else's) is loaded."""

    library: str
    state: LibraryState
    version: str
    digest: str
    own_version: str
    own_digest: str


def script_names() -> list[str]:
    """Every script, by the name of its file."""
    folder = resources.files("matchmaker").joinpath("lua")
    return sorted(entry.name.removesuffix(".lua") for entry in folder.iterdir() if entry.name.endswith(".lua"))


def function_name(name: str, library: str = LIBRARY) -> str:
    """The function of a script: ``mm1_enqueue``."""
    return f"{library}_{name}"


def flags_of(name: str) -> list[str]:
    """What the server is told about a script: ``allow-oom``, ``no-writes``."""
    found = _FLAGS.search(script(name).source.split("\n", 1)[0])
    return found[1].split(",") if found else []


@functools.cache
def library_source(library: str = LIBRARY, version: str = __version__) -> str:
    """The text that FUNCTION LOAD takes."""
    return "\n".join(_parts(library, version))


def _parts(library: str, version: str) -> Iterator[str]:
    yield f"#!lua name={library}"
    for name in script_names():
        body = script(name).source.split("\n", 1)[1]
        # The arguments bear the names that scripts know them by; nothing is shared between functions, so none of the
        # bounds of Lua (200 locals, 60 outer ones) is nearer than in the script.
        yield f"{_register(name, flags_of(name), library)}\n{body}\nend}}"
    yield _VERSION.format(register=_register("version", ["no-writes"], library), version=version, schema=SCHEMA)


def _register(name: str, flags: Sequence[str], library: str) -> str:
    """The line before a function's body."""
    named = ", ".join(f'"{flag}"' for flag in flags)
    return (
        f'redis.register_function{{function_name = "{function_name(name, library)}", flags = {{ {named} }}, '
        "callback = function(KEYS, ARGV)"
    )


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def load(client: redis.Redis, *, replace: bool = True) -> None:
    """Loads the library, in one atomic step in place of one that is there.

    :raises ServerUnsuitable: the server has no functions, this user may not load any, another library has functions of
        these names, or (without ``replace``) there is a library of this name.
    """
    _command(client, "LOAD", *(["REPLACE"] if replace else []), library_source())


def unload(client: redis.Redis) -> bool:
    """Removes the library; answers whether it was there. Whoever calls its functions gets an error from then on."""
    if status(client).state is LibraryState.ABSENT:
        return False
    _command(client, "DELETE", LIBRARY)
    return True


def status(client: redis.Redis) -> LibraryStatus:
    """What the server has, compared by its whole text."""
    found = [fields_of(one) for one in _command(client, "LIST", "LIBRARYNAME", LIBRARY, "WITHCODE")]
    state, code, version = LibraryState.ABSENT, "", ""
    if found:
        code = found[0]["library_code"]
        state = LibraryState.CURRENT if code == library_source() else LibraryState.DIFFERS
        stated = _STATED.search(code)
        version = stated[1] if stated else ""
    return LibraryStatus(
        library=LIBRARY,
        state=state,
        version=version,
        digest=_digest(code) if code else "",
        own_version=__version__,
        own_digest=_digest(library_source()),
    )


def _command(client: redis.Redis, *args: str) -> Any:
    with typed_errors():
        try:
            return as_text(client.execute_command("FUNCTION", *args))
        except redis.exceptions.ResponseError as fault:
            if "unknown command" in str(fault).lower():
                raise ServerUnsuitable(
                    "the Redis server has no functions, FUNCTION is unknown to it: take Redis 7 or Valkey 8, or newer"
                ) from fault
            raise
