"""Options of ``enqueue`` that say what a ticket brings besides one rating: ``--side bw=1500:terran`` and the like."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import click

from matchmaker.cli.numbers import plain_number
from matchmaker.errors import InvalidInput
from matchmaker.model import Side

_HELP: Final = (
    ("--side", "NAME=RATING[:CHOICE]", "A side that the player offers, and the rating there. May be repeated."),
    ("--attribute", "NAME=VALUE", "What the rules compare; of one name several values make a set. May be repeated."),
    ("--accept", "NAME=LOW..HIGH", "The lowest and highest number accepted of an opponent. May be repeated."),
    ("--ping", "REGION=MS", "Measured milliseconds to a region. May be repeated."),
    ("--veto", "POOL=NAME", "What of a pool is not to be drawn. May be repeated."),
    ("--avoid", "PLAYER", "A player never to meet. May be repeated."),
)


def with_terms(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as ``terms_of`` wants them."""
    command = click.option("--region", metavar="NAME", help="Where the player is.")(command)
    for name, metavar, words in reversed(_HELP):
        command = click.option(name, metavar=metavar, multiple=True, help=words)(command)
    return command


def terms_of(options: Mapping[str, Any], deviation: Any, texts: Collection[str] = ()) -> dict[str, Any]:
    """The options as keywords of a :class:`~matchmaker.model.TicketRequest`, what was not given left out.

    :param deviation: counts for every side.
    :param texts: attributes that are texts even where they look like numbers.
    :raises InvalidInput: an option that is not of its form; what is in it, the request checks.
    """
    found: dict[str, Any] = {
        "sides": {name: _side(rest, deviation) for name, rest in _pairs("side", options["side"], "bw=1500:terran")},
        "attributes": _attributes(_pairs("attribute", options["attribute"], "language=en"), texts),
        "accepts": {name: _span(rest) for name, rest in _pairs("accept", options["accept"], "level=5..20")},
        "pings": {name: plain_number(rest) for name, rest in _pairs("ping", options["ping"], "eu=31")},
        "vetoes": _several(_pairs("veto", options["veto"], "map=Radeon")),
        "avoid": list(options["avoid"]),
        "region": options["region"],
    }
    return {name: value for name, value in found.items() if value not in ({}, [], None)}


def _pairs(option: str, given: Sequence[str], example: str) -> list[tuple[str, str]]:
    pairs = []
    for text in given:
        name, sign, rest = text.partition("=")
        if not (name and sign and rest):
            raise InvalidInput(option, text, f"a name, = and what it has, as in {example}")
        pairs.append((name, rest))
    names = [name for name, _ in pairs]
    if option in ("side", "accept", "ping") and len(set(names)) < len(names):
        raise InvalidInput(option, list(given), "each name once")
    return pairs


def _side(text: str, deviation: Any) -> Side:
    rating, _, choice = text.partition(":")
    return Side(plain_number(rating), deviation, choice)


def _span(text: str) -> Any:
    low, dots, high = text.partition("..")
    if not dots:
        raise InvalidInput("accept", text, "the lowest and highest number, as in 5..20")
    return [plain_number(low), plain_number(high)]


def _several(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _attributes(pairs: Sequence[tuple[str, str]], texts: Collection[str]) -> dict[str, Any]:
    """Of each name its values: several a set, what looks like a number a number."""
    return {
        name: given if len(given) > 1 else given[0] if name in texts else plain_number(given[0])
        for name, given in _several(pairs).items()
    }


def text_attributes(compiled: Iterable[str]) -> set[str]:
    """The attributes that any of these queues, by their compiled rules, compares as texts."""
    found: set[str] = set()
    for rules in compiled:
        constraints = json.loads(rules).get("constraints", {})
        found |= {*constraints.get("same", ()), *constraints.get("any_of", ())}
    return found
