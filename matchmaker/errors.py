"""Every error this package raises: one root, one class a cause, a stable code each.

A message names the field, the value and the bound, so that whoever receives it knows what to change. ``code`` never
changes between versions and is what other languages, logs and exit codes key on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """``repr(value)``, cut to a length that a message can carry."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of over 4,300 digits, endless nesting
        text = f"a value too large to show ({type(value).__name__})"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


class MatchmakerError(Exception):
    """Root of everything this package raises on purpose."""

    code: ClassVar[str] = "error"


# -- what the caller sent ------------------------------------------------------------------------------------------


class InvalidInput(MatchmakerError):
    """A value was refused before anything changed.

    ``field`` is the dotted name of the input, ``value`` what was sent, ``bound`` what would have been accepted.
    With ``missing`` nothing was sent, and the message says so.
    """

    code = "invalid_input"

    def __init__(self, field: str, value: object, bound: str, *, missing: bool = False) -> None:
        why = f"is missing (allowed: {bound})" if missing else f"{shown(value)} {_why_refused(value, bound)}"
        super().__init__(f"{field}: {why}")
        self.field = field
        self.value = value
        self.bound = bound


def _why_refused(value: object, bound: str) -> str:
    """``is not a finite number (allowed −5 … 5)``: a bound on numbers tells what it is apart from its range."""
    kind, _, limits = bound.partition(", ")
    if kind != "a finite number" or not limits:
        return f"is refused (allowed: {bound})"
    if isinstance(value, float):
        out_of_range = math.isfinite(value)
    else:
        out_of_range = isinstance(value, int) and not isinstance(value, bool)
    return f"is {'out of range' if out_of_range else f'not {kind}'} (allowed {limits})"


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One thing wrong with a rules file. ``queue`` is empty when the file as a whole is at fault."""

    file: str
    queue: str
    field: str
    value: object
    bound: str

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.queue, self.field) if part)
        return f"{where}: {shown(self.value)} is refused (allowed: {self.bound})"


class RulesInvalid(MatchmakerError):
    """A rules file was refused whole; ``problems`` lists every fault in it and nothing changed."""

    code = "rules_invalid"

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnknownQueue(MatchmakerError):
    """The realm has no queue of that name, or is closing it."""

    code = "unknown_queue"

    def __init__(self, queue: str, realm: str) -> None:
        super().__init__(f"queue: {shown(queue)} is not a queue of realm {realm!r} (apply rules that name it first)")
        self.queue = queue
        self.realm = realm


class UnknownRealm(MatchmakerError):
    """Nobody has applied rules to this realm yet, so it does not exist."""

    code = "unknown_realm"

    def __init__(self, realm: str) -> None:
        super().__init__(f"realm: {shown(realm)} does not exist on this server (apply rules to create it)")
        self.realm = realm


class UnknownTicket(MatchmakerError):
    """No such ticket waits, and none ended within the realm's ``retain``."""

    code = "unknown_ticket"

    def __init__(self, ticket: str) -> None:
        super().__init__(f"ticket: {shown(ticket)} is neither waiting nor among the tickets that ended lately")
        self.ticket = ticket


class UnknownMatch(MatchmakerError):
    """No such match is among the realm's recent ones."""

    code = "unknown_match"

    def __init__(self, match: str) -> None:
        super().__init__(f"match: {shown(match)} is not known: neither made lately nor recorded")
        self.match = match


class AlreadyWaiting(MatchmakerError):
    """The player has a live ticket in this realm; ``ticket`` and ``queue`` name it."""

    code = "already_waiting"

    def __init__(self, player: str, ticket: str, queue: str) -> None:
        super().__init__(f"player: {shown(player)} already waits in {queue!r} with ticket {ticket}")
        self.player = player
        self.ticket = ticket
        self.queue = queue


class TicketReused(MatchmakerError):
    """The ticket id was used before for another player or queue; an id never lives twice."""

    code = "ticket_reused"

    def __init__(self, ticket: str, player: str, queue: str) -> None:
        super().__init__(f"ticket: {shown(ticket)} was already used by player {shown(player)} in {queue!r}")
        self.ticket = ticket
        self.player = player
        self.queue = queue


class TicketsChanged(MatchmakerError):
    """A proposed match was refused because some of its tickets no longer wait; nothing changed."""

    code = "tickets_changed"

    def __init__(self, tickets: Sequence[str]) -> None:
        super().__init__("tickets no longer waiting: " + ", ".join(tickets))
        self.tickets = tuple(tickets)


class PlayerInMatch(MatchmakerError):
    """The player is in an open match of this realm; queues whose results are awaited take it again afterwards."""

    code = "in_match"

    def __init__(self, player: str, match: str) -> None:
        super().__init__(f"player: {shown(player)} is in match {match}, which is not finished")
        self.player = player
        self.match = match


class Penalised(MatchmakerError):
    """The player let others down lately, and may not join before ``until_ms`` (realm time), in ``seconds``."""

    code = "penalised"

    def __init__(self, player: str, until_ms: int, seconds: float) -> None:
        super().__init__(
            f"player: {shown(player)} is barred for {seconds:,.0f} s more (allowed: from {until_ms} ms on)"
        )
        self.player = player
        self.until_ms = until_ms
        self.seconds = seconds


class MatchFunctionFailed(MatchmakerError):
    """A match function of the user's raised something, or answered nothing that can be read; nobody was matched."""

    code = "match_function_failed"

    def __init__(self, function: str, fault: Exception) -> None:
        self.reason = f"{type(fault).__name__}: {fault}"
        super().__init__(f"{function} failed: {self.reason}")
        self.function = function


# -- ready checks and open matches ---------------------------------------------------------------------------------


class UnknownCheck(MatchmakerError):
    """No such ready check runs, and none ended within the realm's ``retain``."""

    code = "unknown_check"

    def __init__(self, check: str) -> None:
        super().__init__(f"check: {shown(check)} is neither a ready check that runs nor one that ended lately")
        self.check = check


class CheckOver(MatchmakerError):
    """The ready check has ended: ``outcome`` is ``matched``, ``declined``, ``no_answer`` or ``cancelled``."""

    code = "check_over"

    def __init__(self, check: str, outcome: str) -> None:
        super().__init__(f"check: {shown(check)} is over ({outcome})")
        self.check = check
        self.outcome = outcome


class NotInMatch(MatchmakerError):
    """The player has no part in the match, or is not asked in the ready check; ``match`` is its id."""

    code = "not_in_match"

    def __init__(self, match: str, player: str) -> None:
        super().__init__(f"player: {shown(player)} is not part of {match}")
        self.field = "player"
        self.match = match
        self.player = player


class AlreadyReported(MatchmakerError):
    """Who reports has told another result of the match before: ``ranks``, one a team; the first report stands."""

    code = "already_reported"

    def __init__(self, match: str, player: str, ranks: Sequence[int]) -> None:
        told = ", ".join(map(str, ranks))
        super().__init__(
            f"ranks: {shown(player)} has reported match {match} otherwise already (ranks {told}); that report stands"
        )
        self.field = "ranks"
        self.match = match
        self.player = player
        self.ranks = tuple(ranks)


class MatchOver(MatchmakerError):
    """The match has ended: ``outcome`` is ``played``, ``aborted`` or ``abandoned``, or ``disputed`` to a leave."""

    code = "match_over"

    def __init__(self, match: str, outcome: str) -> None:
        super().__init__(f"match: {shown(match)} is over ({outcome})")
        self.match = match
        self.outcome = outcome


class TooLate(MatchmakerError):
    """Players may abort the match for ``seconds`` from its making, and only before anybody reported."""

    code = "too_late"

    def __init__(self, match: str, seconds: float) -> None:
        super().__init__(
            f"match: {shown(match)} is no longer for a player to abort (allowed: for {seconds:g} s, before any report)"
        )
        self.match = match
        self.seconds = seconds


# -- what became of a wait -------------------------------------------------------------------------------------------


class TicketCancelled(MatchmakerError):
    """The awaited ticket was cancelled; ``reason`` says by what."""

    code = "ticket_cancelled"

    def __init__(self, ticket: str, reason: str) -> None:
        super().__init__(f"ticket {ticket} was cancelled ({reason})")
        self.ticket = ticket
        self.reason = reason


class TicketExpired(MatchmakerError):
    """The awaited ticket expired; ``reason`` is ``max_wait`` or ``heartbeat``."""

    code = "ticket_expired"

    def __init__(self, ticket: str, reason: str) -> None:
        super().__init__(f"ticket {ticket} expired ({reason})")
        self.ticket = ticket
        self.reason = reason


class WaitTimeout(MatchmakerError, TimeoutError):
    """The time given to a wait passed; the ticket still waits."""

    code = "wait_timeout"

    def __init__(self, ticket: str, seconds: float) -> None:
        super().__init__(f"ticket {ticket} found no match within {seconds:g} s and still waits")
        self.ticket = ticket
        self.seconds = seconds


class EventsLost(MatchmakerError):
    """Events after the given one may be older than the realm remembers; read the player's state and start anew."""

    code = "events_lost"

    def __init__(self, player: str, after: str) -> None:
        super().__init__(f"player {shown(player)}: events after {after} are older than the realm remembers")
        self.player = player
        self.after = after


class ListenerClosed(MatchmakerError):
    """The listener was unsubscribed or its service closed; no further event will come."""

    code = "listener_closed"


# -- the realm and its server ----------------------------------------------------------------------------------------


class BacklogFull(MatchmakerError):
    """The realm takes no new tickets: too many unread events, or the server is short of memory."""

    code = "backlog_full"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the realm takes no new tickets: {reason}")
        self.reason = reason


class UpgradeNeeded(MatchmakerError):
    """The realm's stored schema is not the one this program writes; nothing was written."""

    code = "upgrade"

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"the realm's schema is {found}, this program writes {wanted}: run one version everywhere")
        self.found = found
        self.wanted = wanted


class TimeModeMismatch(MatchmakerError):
    """A realm in virtual time was called without ``now``, or one in server time with it."""

    code = "time_mode"

    def __init__(self, found: str) -> None:
        super().__init__(f"the realm runs in {found} time: {'pass' if found == 'virtual' else 'do not pass'} a clock")
        self.found = found


class ServerUnsuitable(MatchmakerError):
    """The Redis server cannot keep this project's promises; the message says which setting to change."""

    code = "server_unsuitable"


class ServerUnavailable(MatchmakerError):
    """The Redis server did not answer within the client's bounded retries."""

    code = "server_unavailable"


class RatingUnknown(MatchmakerError):
    """The player has no rating in the queue, none was given, and there is no database to look it up in."""

    code = "rating_unknown"

    def __init__(self, player: str, queue: str) -> None:
        super().__init__(
            f"rating: player {shown(player)} has none in queue {queue!r}: give one, or a database to look it up in "
            "(MATCHMAKER_DATABASE_URL for commands, database=… in Python)"
        )
        self.player = player
        self.queue = queue


class DatabaseUnavailable(MatchmakerError):
    """Postgres did not answer in time. What needs it is refused or tried again; matching goes on."""

    code = "database_unavailable"


class DatabaseUnsuitable(MatchmakerError):
    """Postgres answers but refuses: a password, a right, a full disk. The message says what to change."""

    code = "database_unsuitable"


class DatabaseSchema(MatchmakerError):
    """The database's tables are not those this program works with; the message says which side to upgrade."""

    code = "database_schema"

    def __init__(self, found: str, wanted: str, remedy: str) -> None:
        super().__init__(f"the database's schema is {found}, this program works with {wanted}: {remedy}")
        self.found = found
        self.wanted = wanted


class UnknownPlayer(MatchmakerError):
    """The database has no such player in this realm, or the realm no rating of the player in the ``queue`` named."""

    code = "unknown_player"

    def __init__(self, player: str, realm: str, queue: str = "") -> None:
        what = f"has no rating in queue {queue!r} of" if queue else "is not known in"
        super().__init__(f"player: {shown(player)} {what} realm {realm!r}")
        self.player = player
        self.realm = realm
        self.queue = queue


class EmbeddedServerError(MatchmakerError):
    """The embedded server could not be started or found; the message says what to install or change."""

    code = "embedded_server"


class ScriptFault(MatchmakerError):
    """A script answered something its header does not list: a defect of this project, with the details in it."""

    code = "script_fault"

    def __init__(self, script: str, reply: object, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"script {script}: unexpected reply {shown(reply)} {dict(details or {})}".rstrip(" {}"))
        self.script = script
        self.reply = reply
