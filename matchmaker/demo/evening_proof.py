"""That ratings are what the match log says, and that everybody heard what was theirs: proofs, not samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from matchmaker.calls import Rated
from matchmaker.demo.evening_story import Story
from matchmaker.demo.evening_world import DATABASE_SECONDS, World
from matchmaker.model import event_order
from matchmaker.ratings import Key, RatedResult, RatingChange, Row, Skill, recompute
from matchmaker.rules import QueueRules
from matchmaker.runner import typed_errors

_STORED: Final = "SELECT queue, player, side, rating, deviation, volatility, games FROM ratings WHERE realm = %s"
_CHANGES: Final = """
SELECT match, queue, player, side, at_ms, game, before, deviation_before, volatility_before, rating, deviation,
    volatility
FROM rating_changes WHERE realm = %s AND part = 0 ORDER BY n, queue COLLATE "C", player COLLATE "C", side COLLATE "C"
"""

Numbers = tuple[Any, ...]


@dataclass(slots=True)
class Proof:
    """Ratings computed again out of the log and held against those that are stored, bit by bit.

    ``numbers`` were compared; ``differences`` are sentences, none if all is well. ``final`` are the ratings at the end.
    """

    changes: int = 0
    players: int = 0
    numbers: int = 0
    differences: list[str] = field(default_factory=list)
    final: dict[Key, Row] = field(default_factory=dict)

    def hold(self, where: str, what: str, computed: Numbers, stored: Numbers | None) -> None:
        """Equal means the same floats, not nearly the same."""
        self.numbers += len(computed)
        if computed != stored:
            self.differences.append(f"{where}: {what} is {stored}, computed {computed}")


def computed_again(
    log: Sequence[RatedResult], rules_of: Callable[[str, int], QueueRules], imported: Mapping[Key, Rated]
) -> tuple[dict[Key, Row], list[RatingChange]]:
    """Every rating at the end of the log, and every change on the way; begins with what was imported."""
    rows = {key: Row(Skill(rated.rating, rated.deviation)) for key, rated in imported.items()}
    changes = list(recompute(log, rules_of, rows))
    rows.update((change.key, change.row) for change in changes)
    return rows, changes


def prove_ratings(story: Story, world: World, imported: Mapping[Key, Rated]) -> Proof:
    """Computes all ratings out of the stream's log and compares them with Postgres and with Redis; nothing is
    rounded."""
    final, changes = computed_again(story.played, lambda *_: world.rules, imported)
    proof = Proof(len(changes), len(final), final=final)
    stored, told = _stored(world)
    for key, row in final.items():
        skill = row.skill
        numbers = (skill.rating, skill.deviation, skill.volatility, row.games)
        proof.hold("Postgres", _name(key), numbers, stored.pop(key, None))
    proof.differences += [f"Postgres: {_name(key)} should not be there" for key in stored]
    order = sorted(changes, key=lambda change: change.key)  # within a match; the matches stay in theirs
    by_match: dict[str, list[RatingChange]] = {}
    for change in order:
        by_match.setdefault(change.match, []).append(change)
    expected = [_numbers(change) for result in story.played for change in by_match.get(result.match, ())]
    if len(told) != len(expected):
        proof.differences.append(f"Postgres: {len(told):,} changes of ratings, computed {len(expected):,}")
    for one, other in zip(expected, told, strict=False):
        proof.hold("Postgres", f"what match {one[0]} did to {one[2]}", one, other)
    for side in sorted({side for _, _, side in final}):
        _hold_shown(proof, world, side)
    return proof


def _numbers(change: RatingChange) -> Numbers:
    before, after = change.before, change.after
    return (
        *(change.match, *change.key, change.at_ms, change.game),
        *(before.rating, before.deviation, before.volatility, after.rating, after.deviation, after.volatility),
    )


def _stored(world: World) -> tuple[dict[Key, Numbers], list[Numbers]]:
    """What the database has: ratings as they stand, and every change in its order."""
    with world.place.database.transaction(DATABASE_SECONDS, read_only=True) as cursor:
        cursor.execute(_STORED, (world.place.realm,))
        ratings = {(row[0], row[1], row[2]): tuple(row[3:]) for row in cursor.fetchall()}
        cursor.execute(_CHANGES, (world.place.realm,))
        return ratings, cursor.fetchall()


def _hold_shown(proof: Proof, world: World, side: str) -> None:
    """What enqueue reads, and leaderboards."""
    keys = world.mm.calls.keys
    with typed_errors():
        scores: Any = world.mm.redis.zrange(keys.ratings(world.queue, side), 0, -1, withscores=True)
        deviations: Any = world.mm.redis.hgetall(keys.deviations(world.queue, side))
    shown = {player.decode(): rating for player, rating in scores}
    for key, row in proof.final.items():
        if key[2] == side:
            text = deviations.get(key[1].encode(), b"").decode()
            stands = (shown.pop(key[1], None), float(text) if text else None)
            proof.hold("Redis", _name(key), (row.skill.rating, row.skill.deviation), stands)
    proof.differences += [f"Redis: {player} {side} should not be there" for player in shown]


def _name(key: Key) -> str:
    return " ".join(part for part in key if part)


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was published to players against what the stream tells of them."""

    expected: int
    missed: int
    duplicated: int
    faults: tuple[str, ...]


def check_hearing(events_of: Mapping[str, Sequence[str]], heard: Mapping[str, Sequence[str]]) -> Hearing:
    """Whether every player was told every event of theirs once, in order, and no other."""
    found: list[tuple[str, str]] = []
    for player in sorted(events_of.keys() | heard.keys()):
        found += _faults(player, events_of.get(player, ()), heard.get(player, ()))
    kinds = Counter(kind for kind, _ in found)
    expected = sum(map(len, events_of.values()))
    return Hearing(expected, kinds["missed"], kinds["duplicated"], tuple(text for _, text in found))


def _faults(player: str, wanted: Sequence[str], heard: Sequence[str]) -> Iterator[tuple[str, str]]:
    times, own = Counter(heard), set(wanted)
    yield from (("missed", f"{player} missed {event}") for event in wanted if event not in times)
    for event, number in times.items():
        if event not in own:
            yield "foreign", f"{player} heard {event}, which is not theirs"
        elif number > 1:
            yield "duplicated", f"{player} heard {event} {number} times"
    if list(times) != sorted(times, key=event_order):
        yield "order", f"{player} heard events out of order"
