"""What finished matches do to the rows of players: ratings with their counts, and who met whom. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from matchmaker.ratings import RatedPlayer, RatedResult, RatingChange, Row, Skill
from matchmaker.store.copying import as_line
from matchmaker.store.lifecycle_rows import Finished

Key = tuple[str, str, str]
"""Queue, player, side."""


@dataclass(slots=True)
class Standing:
    """A row of ``ratings``: what a player is worth, and out of which matches. ``highest`` is None before the first."""

    row: Row
    won: int = 0
    lost: int = 0
    drawn: int = 0
    highest: float | None = None

    def take(self, change: RatingChange, *, shared: bool) -> None:
        """After one more match. ``shared``: another team has the same rank."""
        self.row = change.row
        if change.rank > 1:
            self.lost += 1
        elif shared:
            self.drawn += 1
        else:
            self.won += 1
        rating = change.after.rating
        self.highest = rating if self.highest is None else max(self.highest, rating)

    def line(self, key: Key) -> str:
        """As ``new_ratings`` has it."""
        queue, player, side = key
        skill, row = self.row.skill, self.row
        return as_line(
            *(queue, player, side, skill.rating, skill.deviation, skill.volatility),
            *(row.games, self.won, self.lost, self.drawn, row.played_ms, self.highest),
        )


def standing_of(
    columns: tuple[float, float | None, float | None, int, int, int, int, int | None, float | None],
) -> Standing:
    """From the columns of ``ratings``, in the order of :meth:`Standing.line`."""
    rating, deviation, volatility, games, won, lost, drawn, played_ms, highest = columns
    return Standing(Row(Skill(rating, deviation, volatility), games, played_ms), won, lost, drawn, highest)


def rated_result(one: Finished) -> RatedResult:
    """As the rating systems see it."""
    teams = tuple(
        tuple(RatedPlayer(member.player, member.rating, member.deviation, member.side) for member in team)
        for team in one.teams
    )
    return RatedResult(one.match, one.queue, one.rules, one.at_ms, one.ranks, teams)


def keys_of(one: Finished) -> Iterator[Key]:
    """Whose ratings the match may change."""
    return ((one.queue, member.player, member.side) for team in one.teams for member in team)


def change_line(realm: str, n: int, change: RatingChange) -> str:
    """As ``rating_changes`` has it."""
    queue, player, side = change.key
    before, after = change.before, change.after
    return as_line(
        *(realm, n, queue, player, side, change.match, change.at_ms, change.game),
        *(before.rating, before.deviation, before.volatility),
        *(after.rating, after.deviation, after.volatility, change.rank),
    )


@dataclass(slots=True)
class Meeting:
    """How often either of two players was before the other, in this batch."""

    one_won: int = 0
    other_won: int = 0
    drawn: int = 0
    last_match: str = ""
    last_ms: int = 0


Meetings = dict[tuple[str, str, str], Meeting]
"""By queue and the two players, in the order of their ids."""


def add_meetings(meetings: Meetings, played: Finished) -> None:
    """Every player of a team met every player of every other one."""
    sides = zip(played.ranks, played.teams, strict=True)
    for (rank, team), (other_rank, other_team) in combinations(sides, 2):
        for member in team:
            for opponent in other_team:
                one, other = member.player, opponent.player
                ahead = other_rank - rank
                if other < one:
                    one, other, ahead = other, one, -ahead
                meeting = meetings.setdefault((played.queue, one, other), Meeting())
                meeting.one_won += ahead > 0
                meeting.other_won += ahead < 0
                meeting.drawn += ahead == 0
                meeting.last_match, meeting.last_ms = played.match, played.at_ms
