"""Assembles the Lua scripts, and names what they can answer.

A script file begins with a shebang and a header; ``-- @include lib/a lib/b`` lines in the header name the library files
that stand before its body. ``-- @lazy name: lib/c lib/d`` names files that most calls do without: they become the
function ``load_name``, which makes what they define and answers the function ``name`` among it. Every call makes a
script's functions anew, and those of constraints are many.

``Reply`` lists every code a header lists, and :func:`refusal` is the one place that turns a refusing code into an
error; a test holds headers, enum and factory together.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from matchmaker import errors

SCHEMA = "3"
"""The newest version of a realm's stored form that scripts write (``lua/lib/realm.lua``)."""

SCHEMAS = ("1", "2", SCHEMA)
"""Versions that scripts work on: a realm is of the first one until it has a queue with constraints or a ticket in
several queues, and of the third from its first queue with ready checks or results on. They refuse to write into any
other."""

_INCLUDE = re.compile(r"^-- @include (.+)$", re.MULTILINE)
_LAZY = re.compile(r"^-- @lazy (\w+): (.+)$", re.MULTILINE)


class Reply(StrEnum):
    """First word of every script's reply."""

    # how a ticket stands
    WAITING = "waiting"
    MATCHED = "matched"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PROPOSED = "proposed"
    # how a ready check or a match stands
    CHECKING = "checking"
    OPEN = "open"
    DISPUTED = "disputed"
    FINISHED = "finished"
    # what was done
    ACCEPTED = "accepted"
    DECLINED = "declined"
    REPORTED = "reported"
    LEFT = "left"
    LAPSED = "lapsed"
    RATED = "rated"
    GAP = "gap"
    PASSED = "passed"
    PEEKED = "peeked"
    OVERDUE = "overdue"
    APPLIED = "applied"
    CLEARED = "cleared"
    PAGE = "page"
    RUNG = "rung"
    EXPLAINED = "explained"
    # how far back a history goes
    REACHED = "reached"
    START = "start"
    FORGOTTEN = "forgotten"
    MORE = "more"
    # asked of the wrong line
    ELSEWHERE = "elsewhere"
    # refusals
    INVALID = "invalid"
    ALREADY_WAITING = "already_waiting"
    TICKET_REUSED = "ticket_reused"
    CHANGED = "changed"
    IN_MATCH = "in_match"
    PENALISED = "penalised"
    CHECK_OVER = "check_over"
    STRANGER = "stranger"
    ALREADY_REPORTED = "already_reported"
    MATCH_OVER = "match_over"
    TOO_LATE = "too_late"
    UNKNOWN_CHECK = "unknown_check"
    RATING_UNKNOWN = "rating_unknown"
    UNKNOWN_QUEUE = "unknown_queue"
    UNKNOWN_TICKET = "unknown_ticket"
    UNKNOWN_MATCH = "unknown_match"
    UNKNOWN_REALM = "unknown_realm"
    BACKLOG_FULL = "backlog_full"
    TIME_MODE = "time_mode"
    UPGRADE = "upgrade"


def refusal(realm: str, reply: Sequence[str]) -> errors.MatchmakerError | None:
    """The error that a reply stands for; None for a reply that refuses nothing."""
    return _of_lifecycle(reply) or _of_any(realm, reply)


def _of_lifecycle(reply: Sequence[str]) -> errors.MatchmakerError | None:
    """The refusals that ready checks and open matches brought."""
    match reply:
        case [Reply.IN_MATCH, player, match]:
            return errors.PlayerInMatch(player, match)
        case [Reply.PENALISED, player, until_ms, left_ms]:
            return errors.Penalised(player, int(until_ms), int(left_ms) / 1000)
        case [Reply.CHECK_OVER, check, outcome]:
            return errors.CheckOver(check, outcome)
        case [Reply.STRANGER, match, player]:
            return errors.NotInMatch(match, player)
        case [Reply.ALREADY_REPORTED, match, who, ranks]:
            return errors.AlreadyReported(match, who, json.loads(ranks))
        case [Reply.MATCH_OVER, match, outcome]:
            return errors.MatchOver(match, outcome)
        case [Reply.TOO_LATE, match, abort_ms]:
            return errors.TooLate(match, int(abort_ms) / 1000)
        case [Reply.UNKNOWN_CHECK, check]:
            return errors.UnknownCheck(check)
    return None


def _of_any(realm: str, reply: Sequence[str]) -> errors.MatchmakerError | None:
    match reply:
        case [Reply.INVALID, field, bound]:
            return errors.InvalidInput(field, "the value sent", bound)
        case [Reply.ALREADY_WAITING, ticket, queue, player]:
            return errors.AlreadyWaiting(player, ticket, queue)
        case [Reply.TICKET_REUSED, ticket, player, queue]:
            return errors.TicketReused(ticket, player, queue)
        case [Reply.CHANGED, *tickets]:
            return errors.TicketsChanged(tickets)
        case [Reply.RATING_UNKNOWN, player, queue]:
            return errors.RatingUnknown(player, queue)
        case [Reply.UNKNOWN_QUEUE, queue]:
            return errors.UnknownQueue(queue, realm)
        case [Reply.UNKNOWN_TICKET, ticket]:
            return errors.UnknownTicket(ticket)
        case [Reply.UNKNOWN_MATCH, match]:
            return errors.UnknownMatch(match)
        case [Reply.UNKNOWN_REALM]:
            return errors.UnknownRealm(realm)
        case [Reply.BACKLOG_FULL, reason]:
            return errors.BacklogFull(reason)
        case [Reply.TIME_MODE, found]:
            return errors.TimeModeMismatch(found)
        case [Reply.UPGRADE, found, wanted]:
            return errors.UpgradeNeeded(found, wanted)
    return None


@dataclass(frozen=True, slots=True)
class Script:
    """One assembled script. ``sha`` is what EVALSHA wants."""

    name: str
    source: str
    sha: str


def header_of(text: str) -> str:
    """The comment block a script file begins with, shebang left out."""
    lines = text.splitlines()[1:]
    length = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:length])


def _read(name: str) -> str:
    return resources.files("matchmaker").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


@functools.cache
def script(name: str) -> Script:
    """The script ``lua/<name>.lua`` with its libraries."""
    text = _read(name)
    shebang, body = text.split("\n", 1)
    libraries = [lib for line in _INCLUDE.findall(header_of(text)) for lib in line.split()]
    lazy: dict[str, list[str]] = {}
    for wanted, libs in _LAZY.findall(header_of(text)):
        lazy.setdefault(wanted, []).extend(libs.split())
    loaders = [
        "\n".join([f"local function load_{wanted}()", *map(_read, libs), f"return {wanted}", "end"])
        for wanted, libs in lazy.items()
    ]
    source = "\n".join([shebang, *map(_read, libraries), *loaders, body])
    # The server names a script by the SHA-1 of its text; nothing here is a secret.
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
