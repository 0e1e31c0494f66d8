"""Every field of ``queues.toml``, from the schema; ``python -m matchmaker.rules.reference docs/rules.md`` renews it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from matchmaker.rules.fields import BOUND
from matchmaker.rules.lifecycle_fields import SYSTEMS
from matchmaker.rules.pieces import KEY
from matchmaker.rules.schema import json_schema
from matchmaker.rules.willingness import KINDS

BEGIN: Final = "<!-- From here on written by `python -m matchmaker.rules.reference docs/rules.md`. -->"
END: Final = "<!-- Written to here. -->"

_HEAD: Final = ("| field | takes | default | meaning |", "|---|---|---|---|")

Node = Mapping[str, Any]


def reference() -> str:
    """Fields of a queue, of each kind of willingness and of each rating system, as Markdown."""
    schema = json_schema()
    definitions = schema["$defs"]
    lines = ["### A queue", "", *_HEAD, *_fields(definitions, "", "QueueRules")]
    lines += ["", *_names(definitions["QueueRules"]["properties"])]
    for kind, table in KINDS.items():
        common = " (the default; `kind` may be left out)" if kind == "linear" else ""
        lines += ["", f'### `willingness` of kind = "{kind}"{common}', "", *_HEAD]
        lines += _fields(definitions, "", table.__name__)
    for system, ratings in SYSTEMS.items():
        lines += ["", f'### `rating` of system = "{system}"', "", *_HEAD]
        lines += _fields(definitions, "", ratings.__name__)
        lines += ["", *_names(definitions[ratings.__name__]["properties"])]
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    """The page with what stands between its marks made anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks its marks: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _names(fields: Node) -> Iterator[str]:
    """What the names that a file chooses may be made of."""
    bounds = {node[KEY]: node["propertyNames"][BOUND] for node in fields.values() if KEY in node}
    yield from (f"- `<{key}>`: {bound}." for key, bound in bounds.items())


def _rows(definitions: Node, place: str, node: Node, *, default: str) -> Iterator[str]:
    """The row of a field, and those of what it holds."""
    inner = _resolved(node)
    yield f"| `{place}` | {inner.get(BOUND, 'a table, see below')} | {default} | {inner['description']} |"
    named = inner.get("patternProperties")
    if named:
        (entry,) = named.values()
        key = f"{place}.<{inner[KEY]}>" if not place.endswith(f"<{inner[KEY]}>") else f"{place}.<other {inner[KEY]}>"
        yield from _rows(definitions, key, entry, default="")
    if "$ref" in inner:
        yield from _fields(definitions, f"{place}.", inner["$ref"].rpartition("/")[2])


def _fields(definitions: Node, prefix: str, table: str) -> Iterator[str]:
    definition = definitions[table]
    for name, node in definition["properties"].items():
        if "const" not in node:
            default = "has to be given" if name in definition.get("required", ()) else _default(node)
            yield from _rows(definitions, prefix + name, node, default=default)


def _resolved(node: Node) -> Node:
    """Without the "or nothing" of a field that may be left out."""
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    return {**options[0], **{key: value for key, value in node.items() if key != "anyOf"}} if options else node


def _default(node: Node) -> str:
    value = node.get("default")
    if isinstance(value, Mapping):
        plain = all(isinstance(one, int | float) for one in value.values())
        return (
            "`{ " + ", ".join(f"{key} = {one:.15g}" for key, one in value.items()) + " }`" if plain else "its defaults"
        )
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value:.15g}`" if isinstance(value, int | float) else "none"


def main(path: str) -> None:
    page = Path(path)
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
