"""What scripts answer of ready checks and open matches, parsed. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matchmaker import errors
from matchmaker.model import Match, ReadyCheck, Report, Result, parse_event
from matchmaker.reports import Accepted, Declined, Lapsed, MatchState, OpenMatch, Pending
from matchmaker.scripts import Reply


def parse_accepted(check: str, reply: Sequence[str]) -> Accepted | Match:
    """How a ready check stands after an accept.

    :raises CheckOver: its match was made, and is older than the realm remembers.
    """
    if reply[0] == Reply.ACCEPTED:
        _, _, accepted, needed = reply
        return Accepted(check, int(accepted), int(needed))
    _, match_id, body = reply
    match = parse_event(match_id, "", body).match if body else None
    if match is None:
        raise errors.CheckOver(check, str(Reply.MATCHED))
    return match


def parse_declined(reply: Sequence[str]) -> Declined:
    _, check, ticket, until_ms = reply
    return Declined(check, ticket, int(until_ms) if until_ms else None)


def parse_told(reply: Sequence[str]) -> Pending | Result:
    """How a match stands after a report or a leave."""
    if reply[0] == Reply.FINISHED:
        return parse_finished(reply)
    return Pending(reply[1], MatchState.DISPUTED if reply[0] == Reply.DISPUTED else MatchState.OPEN)


def parse_finished(reply: Sequence[str]) -> Result:
    _, _, event_id, body = reply
    result = parse_event(event_id, "", body).result
    if result is None:
        raise ValueError(body)
    return result


def parse_lapsed(reply: Sequence[str]) -> Lapsed:
    _, now, ended, due, due_line, ends = reply
    return Lapsed(int(now), int(ended), _moment(due), due_line, _moment(ends))


def parse_state(reply: Sequence[str]) -> OpenMatch | Result | ReadyCheck:
    """How a match or a ready check stands, or how it ended."""
    code, id_, text, body = reply
    state = json.loads(text)
    if code == Reply.CHECKING:
        check = parse_event(id_, "", body).check
        if check is None:
            raise ValueError(body)
        return replace(check, accepted=frozenset(state["accepted"]), until_ms=int(state["until"]))
    if code == Reply.CHECK_OVER:
        at_ms = int(id_.partition("-")[0])
        return ReadyCheck(
            id_,
            state["queue"],
            rules_version=0,
            at_ms=at_ms,
            until_ms=at_ms,
            teams=(),
            accepted=frozenset(state["accepted"]),
            outcome=state["outcome"],
            match_id=state.get("match"),
        )
    if code == Reply.FINISHED:
        return parse_finished((code, id_, state["event"], body))
    match = parse_event(id_, "", body).match if body else None
    return open_match_of(id_, state, match)


def open_match_of(id_: str, state: Mapping[str, Any], match: Match | None = None) -> OpenMatch:
    """The open match that the realm's JSON describes."""
    told = {**state["reports"], **state["told"]}
    return OpenMatch(
        id=id_,
        queue=state["queue"],
        rules_version=int(state["rules"]),
        at_ms=int(state["at"]),
        until_ms=int(state["until"]),
        state=MatchState(state["state"]),
        teams=tuple(tuple(team) for team in state["teams"]),
        reports={who: Report(tuple(map(int, one["ranks"])), tuple(one.get("left", ()))) for who, one in told.items()},
        left=tuple(sorted(state["left"])),
        match=match,
    )


def told_check(check: ReadyCheck, told: ReadyCheck | None) -> ReadyCheck:
    """A check that is over with what its event, where the realm still has it, says of its beginning."""
    if told is None:
        return check
    return replace(check, rules_version=told.rules_version, at_ms=told.at_ms, until_ms=told.until_ms, teams=told.teams)


def _moment(text: str) -> int | None:
    return int(float(text)) if text else None
