"""Tickets, matches and events, as JSON and as lines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matchmaker import errors
from matchmaker.cli.tidings import returned, told
from matchmaker.model import Event, EventKind, Match, ReadyCheck, Result, Team, Ticket, TicketState
from matchmaker.words import plain, points, span

if TYPE_CHECKING:
    from matchmaker.client import Matchmaker

SPOKEN = {
    EventKind.ENQUEUED: "enqueued",
    EventKind.MATCHED: "match.found",
    EventKind.PROPOSED: "ready.check",
    EventKind.CANCELLED: "cancelled",
    EventKind.EXPIRED: "expired",
}
"""What `watch` calls the events of a player."""


class RealmClock:
    """From realm time to the clock on this machine's wall: the realm stands still over steps of its server's clock."""

    def __init__(self, mm: Matchmaker) -> None:
        self._mm = mm
        self._ahead_ms = 0
        self.now_ms = 0
        self.read()

    def read(self) -> None:
        """Asks the realm for its time, in one call that writes nothing."""
        self.now_ms = self._mm.runner.call(self._mm.calls.history("", "", "", 1)).now_ms
        self._ahead_ms = int(time.time() * 1000) - self.now_ms

    def refresh(self) -> None:
        """As :meth:`read`, content with the last answer while the server is away."""
        with contextlib.suppress(errors.ServerUnavailable):
            self.read()

    def wall(self, at_ms: int) -> str:
        """Local time of day of a moment, HH:MM:SS."""
        return time.strftime("%H:%M:%S", time.localtime((at_ms + self._ahead_ms) / 1000))


# -- JSON ----------------------------------------------------------------------------------------------------------


def match_json(match: Match) -> dict[str, Any]:
    """A match in the words of its event; of what only some rules give, what it has."""
    return {
        "id": match.id,
        "queue": match.queue,
        "rules": match.rules_version,
        "at_ms": match.at_ms,
        "gap": match.gap,
        "value": match.value,
        "teams": _teams_json(match.teams, match.at_ms),
        **_given(
            price=match.price,
            region=match.region,
            ping=match.ping if match.region else None,
            server=match.server,
            picks=match.picks,
            proposed=match.proposed,
            check=match.check,
            until_ms=match.until_ms,
        ),
    }


def _teams_json(teams: Sequence[Team], at_ms: int) -> list[list[dict[str, Any]]]:
    return [
        [
            {
                "ticket": ticket.id,
                "player": player.id,
                "rating": player.rating,
                "deviation": player.deviation,
                "data": ticket.data,
                "waited_ms": at_ms - ticket.enqueued_ms,
                **_given(side=ticket.side, choice=ticket.choice),
            }
            for ticket in team.tickets
            for player in ticket.players
        ]
        for team in teams
    ]


def check_json(check: ReadyCheck) -> dict[str, Any]:
    return {
        "id": check.id,
        "queue": check.queue,
        "rules": check.rules_version,
        "at_ms": check.at_ms,
        "until_ms": check.until_ms,
        "teams": _teams_json(check.teams, check.at_ms),
        "accepted": sorted(check.accepted),
        **_given(outcome=check.outcome, match=check.match_id),
    }


def result_json(result: Result) -> dict[str, Any]:
    return {
        "match": result.match_id,
        "queue": result.queue,
        "at_ms": result.at_ms,
        "outcome": result.outcome.value,
        "by": result.by,
        "teams": result.teams,
        **_given(who=result.who, reason=result.reason, ranks=result.ranks, left=result.left),
    }


def _given(**members: Any) -> dict[str, Any]:
    """Those that say anything."""
    return {name: value for name, value in members.items() if value or (value == 0 and name == "ping")}


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    return {
        "ticket": ticket.id,
        "state": ticket.state.value,
        "queue": ticket.queue,
        "player": ticket.player,
        "rating": ticket.rating,
        "deviation": ticket.players[0].deviation,
        "data": ticket.data,
        "enqueued_ms": ticket.enqueued_ms,
        "ended_ms": ticket.ended_ms,
        "reason": ticket.reason,
        "match": None if ticket.match is None else match_json(ticket.match),
        **_given(
            queues=ticket.queues if len(ticket.queues) > 1 else (),
            side=ticket.side,
            choice=ticket.choice,
            terms=ticket.terms,
            check=None if ticket.check is None else check_json(ticket.check),
        ),
    }


def event_json(event: Event) -> dict[str, Any]:
    """What the player's channel carried."""
    return {"id": event.id, "prev": event.prev, **event.body}


# -- lines ---------------------------------------------------------------------------------------------------------


def who(ticket: Ticket) -> str:
    """``alice (1520)``, ``alice (bw 1520 terran)``, and of one who offers two sides ``alice (bw 1520, sc2 1490)``."""
    return " + ".join(f"{plain(player.id)} ({_standing(ticket, player.rating)})" for player in ticket.players)


def _standing(ticket: Ticket, rating: float) -> str:
    if ticket.side:
        return _side(ticket.side, rating, ticket.choice)
    offered = ticket.terms.get("sides", {})
    return ", ".join(_side(name, one["rating"], one.get("choice", "")) for name, one in offered.items()) or points(
        rating
    )


def _side(name: str, rating: float, choice: str) -> str:
    return f"{name} {points(rating)} {plain(choice)}".rstrip()


def arrangement(match: Match) -> list[tuple[str, str]]:
    """What the match got beside its teams, each with its name: price, region, server, what was drawn."""
    rows = [("price", f"{points(match.price)} points")] if match.price else []
    if match.region:
        rows.append(("region", f"{match.region}, {points(match.ping or 0)} ms"))
    if match.server:
        rows.append(("server", plain(match.server)))
    rows += [(pool, plain(name)) for pool, name in match.picks.items()]
    return rows


def ticket_line(ticket: Ticket, now_ms: int | None = None) -> str:
    """``ticket 01J9…  waiting    alice (1520)  ladder  12 s``; ``now_ms`` is realm time, None to leave the wait out."""
    parts = [f"ticket {ticket.id}  {ticket.state:<9}", who(ticket), ", ".join(ticket.queues)]
    if ticket.ended_ms is not None:
        parts.append(f"after {span(ticket.ended_ms - ticket.enqueued_ms)}")
    elif now_ms is not None:
        parts.append(span(now_ms - ticket.enqueued_ms))
    if ticket.reason:
        parts.append(f"({plain(ticket.reason)})")
    return "  ".join(parts)


def match_line(clock: RealmClock, match: Match, about: str) -> str:
    """``12:01:07  match.found  01J9…  alice (1520) vs bob (1561)  gap 41``; ``about`` is the ticket it is told to."""
    rest = [
        f"{_against(_own_first(match, about))}  gap {points(match.gap)}",
        *(f"{name} {value}" for name, value in arrangement(match)),
        *([f"report until {clock.wall(match.until_ms)}"] if match.until_ms is not None else []),
    ]
    return _line(clock, match.at_ms, EventKind.MATCHED, about, "  ".join(rest))


def check_line(clock: RealmClock, check: ReadyCheck, about: str) -> str:
    """``12:01:07  ready.check  01J9…  alice (1520) vs bob (1561)  accept check 17…-0 until 12:01:27``."""
    rest = f"{_against(_own_first(check, about))}  accept check {check.id} until {clock.wall(check.until_ms)}"
    return _line(clock, check.at_ms, EventKind.PROPOSED, about, rest)


def _against(teams: Sequence[Team]) -> str:
    return " vs ".join(" + ".join(who(ticket) for ticket in team.tickets) for team in teams)


def _own_first(match: Match | ReadyCheck, about: str) -> list[Team]:
    return sorted(match.teams, key=lambda team: about not in [ticket.id for ticket in team.tickets])


def event_line(clock: RealmClock, event: Event, player: str) -> str:
    """One event as its player is told it."""
    if event.match is not None:
        own = next(ticket.id for ticket in event.match.tickets if player in [one.id for one in ticket.players])
        return match_line(clock, event.match, own)
    if event.check is not None:
        own = next(ticket.id for ticket in event.check.tickets if player in [one.id for one in ticket.players])
        return check_line(clock, event.check, own)
    ticket = event.ticket
    if ticket is None:
        return _line(clock, event.at_ms, event.kind, event.match_id or event.check_id, told(event, player))
    rest = f"{who(ticket)}  {', '.join(ticket.queues)}"
    if ticket.state is not TicketState.WAITING and ticket.ended_ms is not None:
        rest += f"  after {span(ticket.ended_ms - ticket.enqueued_ms)}  ({plain(ticket.reason)})"
    if event.kind is EventKind.RETURNED:
        rest += f"  waits on: {returned(event.body)}"
    return _line(clock, event.at_ms, event.kind, ticket.id, rest)


def _line(clock: RealmClock, at_ms: int, kind: EventKind, ticket: str, rest: str) -> str:
    return f"{clock.wall(at_ms)}  {SPOKEN.get(kind, kind.value):<11}  {ticket}  {rest}".rstrip()
