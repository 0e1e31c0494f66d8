"""Matches from found to finished, written into the stream of a realm as its scripts write them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from matchmaker import Matchmaker, parse_rules
from matchmaker.store import season
from matchmaker.store.connect import Database
from tests.integration.recorded import Recorded

RULES = parse_rules(
    """
[elo]
results = { by = "players" }
rating = { system = "elo", k = 32 }
[glicko]
results = { by = "players" }
rating = { system = "glicko2", deviation_growth_per_day = 20 }
[open]
results = { by = "players" }
rating = { system = "openskill", model = "plackett_luce" }
[plain]
results = { by = "players" }
""",
    "played",
)
DAY_MS = 86_400_000
BEGAN_MS = 1_700_000_000_000


@dataclass
class Season:
    """Writes events of matches; every id is later than the one before. ``at_ms`` is the season's clock."""

    client: redis.Redis
    stream: str
    at_ms: int = BEGAN_MS
    finished: list[str] = field(default_factory=list)
    """Matches in the order in which they were finished."""

    def add(self, kind: str, queue: str, **body: Any) -> str:
        """One event, a ms after the one before; answers its id."""
        self.at_ms += 1
        told = {"v": 1, "event": kind, "at": self.at_ms, "queue": queue, **body}
        found: Any = self.client.xadd(self.stream, {"event": kind, "body": json.dumps(told)})
        return str(found.decode())

    def match(
        self, queue: str, teams: Sequence[Sequence[str | tuple[str, str]]], *, rules: int = 1, **more: Any
    ) -> tuple[str, list[list[dict[str, Any]]]]:
        """A match of these players, or players and sides, who all come with a rating of 1500; its id and its teams."""
        members = [
            [_member(f"t{self.at_ms}-{i}-{j}", one) for j, one in enumerate(team)] for i, team in enumerate(teams)
        ]
        match = self.add("matched", queue, rules=rules, gap=0.0, value=1.0, teams=members, until=self.at_ms + 9, **more)
        return match, members

    def play(
        self,
        queue: str,
        teams: Sequence[Sequence[str | tuple[str, str]]],
        ranks: Sequence[int] = (1, 2),
        *,
        rules: int = 1,
        outcome: str = "played",
        **more: Any,
    ) -> str:
        """A match from found to finished, reported by the first of either side; answers its id."""
        match, members = self.match(queue, teams, rules=rules)
        matched_ms = self.at_ms
        if outcome == "played":
            for team in members[:2]:
                self.add("reported", queue, match=match, by="player", who=team[0]["player"], ranks=list(ranks))
            more["ranks"] = list(ranks)
        self.finish(queue, match, members, rules=rules, matched_ms=matched_ms, outcome=outcome, **more)
        return match

    def finish(
        self, queue: str, match: str, members: Sequence[Sequence[Mapping[str, Any]]], *, rules: int = 1, **more: Any
    ) -> str:
        """The end of a match alone; answers the event's id."""
        teams = [
            [
                {name: one[name] for name in ("player", "ticket", "side", "rating", "deviation") if name in one}
                for one in team
            ]
            for team in members
        ]
        told = {"match": match, "rules": rules, "by": "players", "teams": teams, "matched_ms": self.at_ms, **more}
        self.finished.append(match)
        return self.add("finished", queue, **told)


def _member(ticket: str, who: str | tuple[str, str]) -> dict[str, Any]:
    player, side = (who, "") if isinstance(who, str) else who
    member = {"ticket": ticket, "player": player, "rating": 1500.0, "waited_ms": 5}
    return member | {"side": side} if side else member


@dataclass
class Played:
    """A realm with results, its season and its records."""

    recorded: Recorded
    season: Season

    @property
    def mm(self) -> Matchmaker:
        return self.recorded.mm

    @property
    def database(self) -> Database:
        return self.recorded.database

    def told(self) -> list[dict[str, Any]]:
        """The ``rated`` events of the realm, oldest first."""
        entries: Any = self.season.client.xrange(self.season.stream)
        return [json.loads(fields[b"body"]) for _, fields in entries if fields[b"event"] == b"rated"]

    def shown(self, queue: str, side: str = "") -> dict[str, float]:
        """Ratings as the realm shows them."""
        name = self.mm.calls.keys.ratings(queue) + (f":{side}" if side else "")
        found: Any = self.season.client.zrange(name, 0, -1, withscores=True)
        return {player.decode(): rating for player, rating in found}

    def stored(self, queue: str, side: str = "") -> dict[str, float]:
        """Ratings as the database has them."""
        with self.database.transaction() as cursor:
            cursor.execute(
                "SELECT player, rating FROM ratings WHERE realm = %s AND queue = %s AND side = %s",
                (self.recorded.realm, queue, side),
            )
            return dict(cursor.fetchall())


def season_of(client: redis.Redis, mm: Matchmaker) -> Season:
    """A season in a realm that has the rules."""
    return Season(client, mm.calls.keys.events)


def a_season(played: Played, matches: int = 60, seed: int = 7) -> None:
    """Matches of every kind of queue among eight players, some after weeks, some not played, some drawn or in teams."""
    rng = random.Random(seed)
    for _ in range(matches):
        queue = rng.choice(("elo", "glicko", "open", "plain"))
        names = rng.sample([f"p\\{i}" for i in range(8)], 4)
        played.season.at_ms += rng.choice((1000, DAY_MS * 3))
        if rng.random() < 0.1:
            played.season.play(queue, [names[:1], names[1:2]], outcome=rng.choice(("aborted", "abandoned")))
        elif queue == "open":
            played.season.play(queue, [names[:2], names[2:]], rng.choice(((1, 2), (2, 1), (1, 1))))
        else:
            sides = [[(names[0], "bw")], [(names[1], "sc2")]] if queue == "glicko" else [names[:1], names[1:2]]
            played.season.play(queue, sides, rng.choice(((1, 2), (2, 1), (1, 1))))


def judge(played: Played) -> None:
    """Every rated match has one number, one event and its changes; the realm shows what the database has; and the whole
    season computed anew gives the same bits."""
    recorded = played.recorded
    rated = recorded.count("results", "n IS NOT NULL")
    assert [one["n"] for one in played.told()] == list(range(1, rated + 1))
    assert recorded.value("SELECT settled FROM realms") == rated
    numbers = "SELECT array_agg(match ORDER BY n) FROM results WHERE n IS NOT NULL"
    rated_queues = {one["match"]: one["n"] for one in played.told()}
    assert recorded.value(numbers) == [match for match in played.season.finished if match in rated_queues]
    assert recorded.count("results") == len(set(played.season.finished))
    for queue in ("elo", "glicko", "open", "plain"):
        for side in ("", "bw", "sc2"):
            assert played.shown(queue, side) == played.stored(queue, side)
    assert recorded.count("ratings", "games <> won + lost + drawn") == 0
    games = "(SELECT count(*) FROM rating_changes c WHERE (c.queue, c.player, c.side) = (r.queue, r.player, r.side))"
    assert recorded.value(f"SELECT count(*) FROM ratings r WHERE games <> {games}") == 0
    with played.database.transaction() as cursor:
        for queue in ("elo", "glicko", "open"):
            found = season.replay(cursor, recorded.realm, queue, 1, rated)
            assert found.differences == []
            assert found.matches == recorded.count("results", f"n IS NOT NULL AND queue = '{queue}'") > 0
