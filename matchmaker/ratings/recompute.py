"""A season once more: ratings out of the log of its matches, the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from matchmaker.ratings.settling import settle_match
from matchmaker.ratings.skill import RatingSystem, Skill
from matchmaker.ratings.systems import starting, system_of
from matchmaker.rules import QueueRules

Key = tuple[str, str, str]
"""Queue, player, side ("" where the queue has none): what has a rating of its own."""


@dataclass(frozen=True, slots=True)
class RatedPlayer:
    """A player of a finished match, with the rating and deviation of the ticket, which a new player starts from."""

    player: str
    rating: float
    deviation: float | None = None
    side: str = ""


@dataclass(frozen=True, slots=True)
class RatedResult:
    """A finished match of a rated queue, as the log has it. ``at_ms``: when it finished, realm time."""

    match: str
    queue: str
    rules_version: int
    at_ms: int
    ranks: tuple[int, ...]
    teams: tuple[tuple[RatedPlayer, ...], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A player's rating as it stands: after ``games`` rated matches, the last of them finished at ``played_ms``."""

    skill: Skill
    games: int = 0
    played_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RatingChange:
    """What a match did to one player: ``game`` is its number among the player's rated ones, from 1."""

    match: str
    key: Key
    at_ms: int
    game: int
    rank: int
    before: Skill
    after: Skill

    @property
    def row(self) -> Row:
        """The player's rating from here on."""
        return Row(self.after, self.game, self.at_ms)


def settle_one(
    result: RatedResult, rules: QueueRules, system: RatingSystem, rows: Mapping[Key, Row]
) -> list[RatingChange]:
    """What one match does, team by team; who is not in ``rows`` starts as :func:`starting` says.

    Raises :class:`InvalidInput` as :func:`settle_match`.
    """
    keys = [[(result.queue, player.player, player.side) for player in team] for team in result.teams]
    before = [
        [
            rows.get(key) or Row(starting(rules, player.rating, player.deviation))
            for key, player in zip(*both, strict=True)
        ]
        for both in zip(keys, result.teams, strict=True)
    ]
    teams = [[(row.skill, row.played_ms) for row in team] for team in before]
    after = settle_match(system, rules, teams, result.ranks, result.at_ms)
    return [
        RatingChange(result.match, key, result.at_ms, row.games + 1, rank, row.skill, skill)
        for rank, *team in zip(result.ranks, keys, before, after, strict=True)
        for key, row, skill in zip(*team, strict=True)
    ]


def recompute(
    log: Iterable[RatedResult], rules_of: Callable[[str, int], QueueRules], start: Mapping[Key, Row]
) -> Iterator[RatingChange]:
    """Replay matches in the order in which they were settled, from the ratings of ``start`` (empty: from nothing).

    ``rules_of`` gives the rules of a queue in a version; matches of rules without ``rating`` change nothing. Memory: a
    row a player, not the log.
    """
    rows = dict(start)
    known: dict[tuple[str, int], tuple[QueueRules, RatingSystem | None]] = {}
    for result in log:
        version = (result.queue, result.rules_version)
        if version not in known:
            rules = rules_of(*version)
            known[version] = (rules, system_of(rules))
        rules, system = known[version]
        if system is None:
            continue
        for change in settle_one(result, rules, system, rows):
            rows[change.key] = change.row
            yield change
