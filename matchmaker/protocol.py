"""What in ``docs/protocol.md`` follows from the scripts; ``python -m matchmaker.protocol docs/protocol.md`` renews it.

Headers are the contract and are shown as they stand: whoever changes a script changes the page with it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from matchmaker.functions import flags_of, function_name, script_names
from matchmaker.rules import QueueRules
from matchmaker.scripts import header_of, script

BEGIN: Final = "<!-- From here on written by `python -m matchmaker.protocol docs/protocol.md`. -->"

GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "For players": ("enqueue", "cancel", "heartbeat", "status", "explain", "history"),
    "For players who were found": ("accept", "decline", "match", "report", "leave", "abort"),
    "For those who look on": ("snapshot",),
    "For matchers": ("pass", "tend", "peek", "overdue", "expire", "lapse"),
    "For recorders": ("rate",),
    "For operators": ("apply", "clear", "pair", "ring"),
}
"""Who calls what. A function that nobody is said to call is listed under :data:`OTHERS`."""

OTHERS: Final = "Others"

_SHARED: Final = ("SUBSCRIBE", "UNSUBSCRIBE")
_COMMAND: Final = re.compile(r'\b(?:redis\.)?p?call\("([A-Z]+)"')
_KEY: Final = re.compile(r"^-- KEYS\[(\d+)\] +(\S+) +(string|hash|zset|list|stream) +(.*)$", re.MULTILINE)
_LAST_KEY: Final = re.compile(r"^-- KEYS (?:1-|\[)(\d+)", re.MULTILINE)
_ARGUMENT: Final = re.compile(r"^-- ARGV\[\d+(…?)\] +([a-z]+(?: [a-z]+)*)(?=  |,|$)", re.MULTILINE)


def reference() -> str:
    """Keys, events, rights and functions, as Markdown."""
    return "\n".join([*_keys(), *_events(), *_rules(), *_rights(), *_functions()])


def renewed(text: str) -> str:
    """The page with its written part kept and the rest made anew."""
    written, mark, _ = text.partition(BEGIN)
    if not mark:
        raise ValueError(f"the page lacks its mark: {BEGIN}")
    return f"{written}{BEGIN}\n\n{reference()}"


def commands_of(names: Sequence[str]) -> list[str]:
    """Redis commands that these scripts, with their libraries, may run."""
    return sorted({command for name in names for command in _COMMAND.findall(script(name).source)})


def _read(name: str) -> str:
    return resources.files("matchmaker").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


def _library(name: str) -> str:
    """The header of a library, which has no shebang."""
    return header_of("\n" + _read(f"lib/{name}"))


def _plain(comment: str) -> str:
    """A comment without its dashes."""
    return "\n".join(line.removeprefix("--").removeprefix(" ") for line in comment.splitlines())


def _keys() -> Iterator[str]:
    yield "## Keys"
    yield ""
    yield "All begin with `mm:{<realm>}:`, braces included, and are passed in this order."
    yield ""
    yield "| KEYS | name after the prefix | type | holds |"
    yield "|---:|---|---|---|"
    for number, name, kind, meaning in _KEY.findall(_library("realm")):
        named = {"line": "line:<queue>", "due:line": "due:<queue>"}.get(name, name)
        if int(number) > 13:
            named = f"{name}:<queue>"
        yield f"| {number} | `{named}` | {kind} | {' '.join(meaning.split())} |"
    yield ""


def _events() -> Iterator[str]:
    yield "## Events"
    yield ""
    yield "```text"
    yield _plain(_library("events"))
    yield "```"
    yield ""


def _rules() -> Iterator[str]:
    yield "## Compiled rules"
    yield ""
    yield "What `mm1_apply` takes and the hash `rules` holds: the defaults, in their one canonical form."
    yield ""
    yield "```json"
    yield QueueRules().compiled()
    yield "```"
    yield ""


def _rights() -> Iterator[str]:
    yield "## Rights"
    yield ""
    yield "The server checks a function's own commands against the user who calls it, so a user's ACL names them."
    yield ""
    yield "| for | commands |"
    yield "|---|---|"
    for group, names in GROUPS.items():
        found = [f"+{command.lower()}" for command in commands_of(names)]
        yield f"| {group.removeprefix('For ')} | `+fcall +fcall_ro {' '.join(found)}` |"
    yield f"| listeners, besides | `{' '.join(f'+{command.lower()}' for command in _SHARED)} +ping` |"
    yield ""


def _functions() -> Iterator[str]:
    named = [name for names in GROUPS.values() for name in names]
    others = [name for name in script_names() if name not in named]
    yield "## Functions"
    yield ""
    for group, names in {**GROUPS, **({OTHERS: others} if others else {})}.items():
        yield f"### {group}"
        yield ""
        for name in names:
            yield from _function(name)


def _function(name: str) -> Iterator[str]:
    comment = header_of(_read(name))
    kept = [line for line in _plain(comment).splitlines() if not line.startswith(("@include", "@lazy"))]
    keys = max(int(number) for number in _LAST_KEY.findall(comment))
    words = [f"<{word}>" + (" …" if more else "") for more, word in _ARGUMENT.findall(comment)]
    flags = flags_of(name)
    yield f"#### `{function_name(name)}`"
    yield ""
    yield "```text"
    yield f"FCALL{'_RO' if 'no-writes' in flags else ''} {function_name(name)} {keys} <{keys} keys> {' '.join(words)}"
    yield ""
    yield "\n".join(kept).replace("as in lib/realm.lua", "as listed under Keys")
    yield "```"
    yield ""
    yield f"Flags: {', '.join(f'`{flag}`' for flag in flags) or 'none (refused when memory is full)'}."
    yield ""


def main(path: str) -> None:
    page = Path(path)
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
