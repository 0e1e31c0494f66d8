"""From events to rows: what a batch of the stream means for the tables, as text that COPY reads. No I/O.

A ticket that began and ended within the batch becomes one row: as it was enqueued, with its end. Bodies are those of
``lua/lib/events.lua``; a kind that is not known here (a newer program wrote it) is kept whole in the table ``events``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from matchmaker.errors import InvalidInput
from matchmaker.store.copying import NULL, as_json, as_text
from matchmaker.store.lifecycle_rows import (
    CheckRow,
    Finished,
    ReportRow,
    add_declined,
    add_matched,
    add_proposed,
    add_returned,
    finished,
    reported,
)
from matchmaker.terms import MEMBERS

_PLAYERS_REMEMBERED = 200_000
_MOST_MS = 2**53
_TERMS = frozenset((*MEMBERS, "queues"))
_OF_A_RULE = frozenset(("price", "region", "ping", "server", "picks", "proposed"))
_NO_RULE = f"\t{NULL}" * 6
_NO_SIDE = f"\t{NULL}" * 2

Ticket = tuple[str, int]
"""A ticket's id and when it was enqueued: an id may come again once the realm has forgotten it."""


def _number(value: float | None) -> str:
    return NULL if value is None else repr(value)


def _optional(value: str | None) -> str:
    return as_text(value) if value else NULL


def _terms(body: dict[str, Any]) -> str:
    """What the ticket brought besides one rating."""
    if _TERMS.isdisjoint(body):
        return NULL
    return as_json({name: body[name] for name in ("queues", *MEMBERS) if name in body})


def _of_rules(body: dict[str, Any]) -> str:
    """What the rules of its queue gave to a match, each led by a tab."""
    if _OF_A_RULE.isdisjoint(body):
        return _NO_RULE
    region, server, picks = _optional(body.get("region")), _optional(body.get("server")), body.get("picks")
    return (
        f"\t{_number(body.get('price'))}\t{region}\t{_number(body.get('ping'))}\t{server}"
        f"\t{as_json(picks) if picks else NULL}\t{'t' if body.get('proposed') else NULL}"
    )


@dataclass(slots=True)
class Batch:
    """Rows of one transaction, a COPY line each, the realm's column left out.

    ``tickets`` go by id, so that a later event of the batch replaces what an earlier one said; ``rules`` are the
    (queue, version, event, ms) whose text the realm still has to be asked for; ``removed`` the queues that went.
    ``termed`` are the queue, the numbers and the terms with which tickets began, where an end tells others: of those
    with terms.
    """

    events: int = 0
    last: str = ""
    tickets: dict[Ticket, str] = field(default_factory=dict)
    termed: dict[Ticket, tuple[str, str, str, str]] = field(default_factory=dict)
    players: dict[str, str] = field(default_factory=dict)
    matches: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    rules: list[tuple[str, int, str, int]] = field(default_factory=list)
    removed: list[tuple[str, int, int]] = field(default_factory=list)
    checks: dict[str, CheckRow] = field(default_factory=dict)
    reports: list[ReportRow] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows it writes, those of new players aside."""
        plain = len(self.tickets) + len(self.matches) + len(self.teams) + len(self.kept) + len(self.rules)
        return plain + len(self.checks) + len(self.reports) + len(self.finished)


class Reader:
    """Turns entries of one realm's stream into batches. Remembers which players it has told of."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._fresh: set[str] = set()
        self._by_kind: dict[bytes, Callable[[Batch, str, dict[str, Any]], None]] = {
            b"enqueued": self._enqueued,
            b"matched": self._matched,
            b"cancelled": self._ended,
            b"expired": self._ended,
            b"rules": self._rules,
            b"proposed": self._proposed,
            b"declined": self._declined,
            b"returned": self._returned,
            b"reported": self._reported,
            b"finished": self._finished,
        }

    def read(self, batch: Batch, entry: bytes, fields: dict[bytes, bytes]) -> None:
        """Adds what one entry of the stream says."""
        event = entry.decode()
        batch.events += 1
        batch.last = event
        kind, text = fields.get(b"event", b""), fields.get(b"body", b"")
        if kind == b"rated":
            return  # announced from the rows of `rating_changes`
        try:
            body: Any = from_json(text)
            handler = self._by_kind.get(kind)
            if handler is None:
                self._keep(batch, event, kind.decode("utf-8", "replace"), body)
            else:
                handler(batch, event, body)
        except (InvalidInput, ValueError, KeyError, TypeError, AttributeError):
            # A stream that somebody else wrote into: kept as it came, and everything after it is still recorded.
            self._keep(batch, event, "unreadable", {"text": text.decode("utf-8", "backslashreplace")})

    def written(self) -> None:
        """The batch is in the database: its players need not be told again."""
        if len(self._known) > _PLAYERS_REMEMBERED:
            self._known.clear()
        self._known |= self._fresh
        self._fresh.clear()

    # -- kinds of event ------------------------------------------------------------------------------------------------

    def _player(self, batch: Batch, player: str, line: str, since_ms: int) -> None:
        if player not in self._known and player not in self._fresh:
            self._fresh.add(player)
            batch.players[player] = f"{line}\t{since_ms}"

    def _enqueued(self, batch: Batch, event: str, body: dict[str, Any]) -> None:
        at, ticket, player = int(body["at"]), str(body["ticket"]), str(body["player"])
        name, queue, terms = as_text(player), str(body["queue"]), _terms(body)
        rating, deviation = _number(body["rating"]), _number(body.get("deviation"))
        if terms != NULL:
            batch.termed[ticket, at] = queue, rating, deviation, terms
        batch.tickets[ticket, at] = (
            f"{ticket}\t{at}\t{queue}\t{name}\twaiting\t{rating}\t{deviation}\t{as_text(body.get('data', ''))}"
            f"\t{NULL}\t\t{NULL}\t{terms}"
        )
        self._player(batch, player, name, at)

    def _matched(self, batch: Batch, event: str, body: dict[str, Any]) -> None:
        at, queue = int(body["at"]), str(body["queue"])
        tickets, teams = {}, []
        for number, team in enumerate(body["teams"], 1):
            for place, member in enumerate(team, 1):
                ticket, player, waited = str(member["ticket"]), str(member["player"]), int(member["waited_ms"])
                name, rating = as_text(player), _number(member["rating"])
                deviation = _number(member.get("deviation"))
                side = (
                    f"\t{as_text(member['side'])}\t{_optional(member.get('choice'))}" if "side" in member else _NO_SIDE
                )
                teams.append(
                    f"{event}\t{number}\t{place}\t{ticket}\t{name}\t{rating}\t{deviation}\t{at}\t{waited}{side}"
                )
                life = ticket, at - waited
                began = batch.termed.get(life) if batch.termed else None
                first, rating, deviation, terms = began or (queue, rating, deviation, NULL)
                tickets[life] = (
                    f"{ticket}\t{at - waited}\t{first}\t{name}\tmatched\t{rating}\t{deviation}\t"
                    f"{as_text(member.get('data', ''))}\t{at}\t\t{event}\t{terms}"
                )
                self._player(batch, player, name, at - waited)
        if "check" in body:
            add_matched(batch.checks, event, body)
        batch.matches.append(
            f"{event}\t{queue}\t{int(body['rules'])}\t{at}\t{_number(body['gap'])}\t{_number(body['value'])}"
            f"{_of_rules(body)}"
        )
        batch.tickets.update(tickets)
        batch.teams += teams

    def _ended(self, batch: Batch, event: str, body: dict[str, Any]) -> None:
        at, ticket, player = int(body["at"]), str(body["ticket"]), str(body["player"])
        began, name = at - int(body["waited_ms"]), as_text(player)
        kind = str(body["event"])
        told = str(body["queue"]), _number(body["rating"]), _number(body.get("deviation")), _terms(body)
        queue, rating, deviation, terms = batch.termed.get((ticket, began), told)
        batch.tickets[ticket, began] = (
            f"{ticket}\t{began}\t{queue}\t{name}\t{kind}\t{rating}\t{deviation}\t{as_text(body.get('data', ''))}\t{at}"
            f"\t{as_text(body['reason'])}\t{event}\t{terms}"
        )
        self._player(batch, player, name, began)
        self._keep(batch, event, kind, body)

    def _rules(self, batch: Batch, event: str, body: dict[str, Any]) -> None:
        at, queue, version = int(body["at"]), str(body["queue"]), int(body["version"])
        if body["change"] == "removed":
            batch.removed.append((queue, version, at))
        else:
            batch.rules.append((queue, version, event, at))
        self._keep(batch, event, "rules", body)

    # -- ready checks and results --------------------------------------------------------------------------------------

    @staticmethod
    def _proposed(batch: Batch, event: str, body: dict[str, Any]) -> None:
        add_proposed(batch.checks, event, body)

    def _declined(self, batch: Batch, event: str, body: dict[str, Any]) -> None:
        add_declined(batch.checks, body)
        self._keep(batch, event, "declined", body)

    def _returned(self, batch: Batch, event: str, body: dict[str, Any]) -> None:
        add_returned(batch.checks, body)
        self._keep(batch, event, "returned", body)

    @staticmethod
    def _reported(batch: Batch, _: str, body: dict[str, Any]) -> None:
        batch.reports.append(reported(body))

    @staticmethod
    def _finished(batch: Batch, event: str, body: dict[str, Any]) -> None:
        batch.finished.append(finished(event, body))

    @staticmethod
    def _keep(batch: Batch, event: str, kind: str, body: Any) -> None:
        told = body if isinstance(body, dict) else {}
        at = told.get("at")
        at_ms = at if isinstance(at, int) and abs(at) < _MOST_MS else int(event.partition("-")[0])
        queue = as_text(str(told.get("queue", "")).replace("\0", "\ufffd"))
        kind = kind.replace("\0", "\ufffd")
        batch.kept.append(f"{event}\t{as_text(kind)}\t{queue}\t{at_ms}\t{as_json(body)}")


def rules_field(queue: str, version: int) -> str:
    """Where the realm's hash ``rules`` keeps the text of a version (see :meth:`Keys.rules`)."""
    return f"v:{queue}:{version}"
