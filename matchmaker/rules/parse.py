"""``queues.toml`` → rules. A file is taken whole or refused whole, with everything that is wrong with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from matchmaker.errors import RulesInvalid
from matchmaker.model import NAME_PATTERN
from matchmaker.rules.model import QueueRules
from matchmaker.rules.problems import Problems

MAX_FILE_BYTES: Final = 1_000_000

_MAX_LINE_SHOWN: Final = 60
_NAME_IN_WORDS: Final = "a queue name: 1 … 64 of a-z, 0-9, _ and -, the first a letter or digit"

# tomllib takes time and memory in the square of the number of parts of a dotted key: 400 kB of `a.a.a…` take many
# gigabytes. Rules need two parts, so a run of 33 is refused before it is parsed. Possessive, hence linear.
_DEEP_KEY: Final = re.compile(r"""(?:\.[ \t]*+(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+){32}""")


def load_rules(path: str | Path) -> dict[str, QueueRules]:
    """Read a rules file: queue → rules, in the order of the file. Raises :class:`RulesInvalid`."""
    file = str(path)
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _whole_file(file, "file", file, f"a file that can be read; {reason}") from error
    if len(content) > MAX_FILE_BYTES:
        raise _too_large(file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _whole_file(file, f"line {line}", content[error.start : error.start + 8], "UTF-8 text") from error
    return parse_rules(text, file)


def parse_rules(text: str, file: str) -> dict[str, QueueRules]:
    """Parse the text of a rules file; ``file`` is its name in messages. Raises :class:`RulesInvalid`."""
    if len(text) > MAX_FILE_BYTES:
        raise _too_large(file)
    deep = _DEEP_KEY.search(text)
    if deep:
        line = text.count("\n", 0, deep.start()) + 1
        raise _whole_file(file, f"line {line}", deep.group()[:_MAX_LINE_SHOWN], "a key of at most 32 dotted parts")
    try:
        tables = tomllib.loads(text)
    except RecursionError as error:
        raise _whole_file(file, "file", "nested too deep", "tables and arrays a few levels deep") from error
    except ValueError as error:  # TOMLDecodeError, or an integer too long for Python
        raise _syntax_error(text, file, error) from error
    return rules_from(tables, file)


def rules_from(tables: Mapping[str, Any], file: str = "rules") -> dict[str, QueueRules]:
    """Validate tables that are already parsed: queue → its fields. Raises :class:`RulesInvalid`."""
    problems = Problems(file)
    rules: dict[str, QueueRules] = {}
    if not tables:
        problems.add("", "file", "", "at least one queue: a table such as [ladder]")
    for key, table in tables.items():
        queue = str(key)
        if not isinstance(table, Mapping):
            problems.add("", queue, table, _instead_of_value(queue, table))
            continue
        if not re.fullmatch(NAME_PATTERN, queue):
            problems.add(queue, "name", queue, _NAME_IN_WORDS)
        try:
            rules[queue] = QueueRules.model_validate(dict(table))
        except ValidationError as error:
            problems.add_faults(queue, error)
    if problems.found:
        raise RulesInvalid(problems.found)
    return rules


def _instead_of_value(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"one table [{name}], in single brackets"
    return "tables only: the fields of a queue stand below its header, such as [ladder]"


def _whole_file(file: str, field: str, value: object, bound: str) -> RulesInvalid:
    problems = Problems(file)
    problems.add("", field, value, bound)
    return RulesInvalid(problems.found)


def _too_large(file: str) -> RulesInvalid:
    return _whole_file(file, "file", "larger", f"at most {MAX_FILE_BYTES:,} bytes")


def _syntax_error(text: str, file: str, error: ValueError) -> RulesInvalid:
    """Names the line and shows it. tomllib tells positions only in its message."""
    lines = text.split("\n")
    message = str(error)
    position = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if position:
        line, message = int(position[1]), f"{message[: position.start()]}, column {position[2]}"
    elif message.endswith(" (at end of document)"):
        line, message = len(text.rstrip("\n").split("\n")), message.removesuffix(" (at end of document)")
    else:  # the limit on the digits of an integer: the one fault that tomllib does not place
        digits = re.search(r"\d{4000}", text.replace("_", ""))
        before = text.replace("_", "")[: digits.start()] if digits else ""
        line, message = before.count("\n") + 1, "an integer has too many digits"
    return _whole_file(file, f"line {line}", lines[line - 1].strip()[:_MAX_LINE_SHOWN], f"valid TOML; {message}")
