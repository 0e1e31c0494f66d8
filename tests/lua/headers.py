"""What a script's header states, read from the text people read."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

from matchmaker.scripts import header_of

LUA: Final = resources.files("matchmaker") / "lua"

_SECTION: Final = re.compile(r"^-- (KEYS|ARGV|Reply|Events|@include|Guarantee)\b")
_ARGUMENT: Final = re.compile(r"^-- ARGV\[(\d+)(…?)\] ", re.MULTILINE)
_CODE: Final = re.compile(r"^--   ([a-z_]+)(?=  |$)", re.MULTILINE)


def script_names() -> list[str]:
    """Every script, by the name of its file."""
    return sorted(entry.name[:-4] for entry in LUA.iterdir() if entry.name.endswith(".lua"))


def library_names() -> list[str]:
    """Every library, as ``@include`` names it."""
    return sorted(f"lib/{entry.name[:-4]}" for entry in (LUA / "lib").iterdir() if entry.name.endswith(".lua"))


def text_of(name: str) -> str:
    return (LUA / f"{name}.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Header:
    """``keys``: how many KEYS a call brings. ``arguments``: the highest ARGV described, ``open_ended`` if more like it
    may follow. ``codes``: first words of replies. ``events``: those it may emit."""

    name: str
    flags: frozenset[str]
    keys: int
    arguments: tuple[int, ...]
    open_ended: bool
    codes: frozenset[str]
    events: frozenset[str]
    includes: tuple[str, ...]
    body: str


def _section(lines: list[str], title: str) -> str:
    """The lines from one title to the next, the title's own included; "" when it is not there."""
    found: list[str] = []
    for line in lines:
        begins = _SECTION.match(line)
        if begins and (begins[1] == title or found):
            if begins[1] != title:
                break
            found.append(line)
        elif found:
            found.append(line)
    return "\n".join(found)


@functools.cache
def header(name: str) -> Header:
    """The header of one script."""
    text = text_of(name)
    shebang = text.split("\n", 1)[0]
    comment = header_of(text)
    lines = comment.splitlines()
    flags = re.search(r"flags=(\S+)", shebang)
    keys = re.search(r"^-- KEYS 1-(\d+)  as in lib/realm\.lua$", comment, re.MULTILINE)
    arguments = _ARGUMENT.findall(comment)
    # What stands in brackets explains an event.
    events = re.sub(r"\([^)]*\)", "", _section(lines, "Events").removeprefix("-- Events:"))
    return Header(
        name,
        frozenset(flags[1].split(",") if flags else ()),
        int(keys[1]) if keys else 0,
        tuple(int(number) for number, _ in arguments),
        any(more for _, more in arguments),
        frozenset(_CODE.findall(_section(lines, "Reply"))),
        frozenset(re.findall(r"[a-z]+", events)) - {"none"},
        tuple(re.findall(r"lib/\w+", _section(lines, "@include"))),
        text[len(shebang) + 1 + len(comment) :],
    )
