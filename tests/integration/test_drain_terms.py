"""What tickets bring besides one rating, and what matches got of it, from the stream into Postgres and back.

The events are put into the stream by hand: whatever a script says there, the rows have to tell.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker.checker import Code
from matchmaker.model import parse_event
from matchmaker.store import reads
from tests.integration.recorded import Recorded

TERMS: dict[str, Any] = {
    "queues": ["ladder", "side"],
    "sides": {"bw": {"rating": 1500, "deviation": 80.5}, "sc2": {"rating": 1900, "choice": "zerg"}},
    "attributes": {"version": "1.2", "language": ["de", "en"], "level": 12.5},
    "accepts": {"level": [5, 20]},
    "pings": {"eu": 31, "us": 105.5},
    "region": "eu",
    "vetoes": {"map": ["Death\\Valley"]},
    "avoid": ["bob\\N", "ж"],
}
NOW = 1_700_000_000_000


def enqueued(player: str, at: int, **more: Any) -> dict[str, Any]:
    body = {"v": 1, "event": "enqueued", "at": at, "queue": "ladder", "ticket": f"t-{player}", "player": player}
    return {**body, "rating": 1500, **more}


def member(player: str, waited: int, **more: Any) -> dict[str, Any]:
    return {"ticket": f"t-{player}", "player": player, "rating": 1500, **more, "waited_ms": waited}


def matched(at: int, one: dict[str, Any], other: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"v": 1, "event": "matched", "at": at, "queue": "side", "rules": 1, "gap": 10, "value": 2.5}
    return {**body, **more, "teams": [[one], [other]]}


STORY = [
    enqueued("ann", NOW, deviation=80.5, data="x", **TERMS),
    enqueued("eve", NOW, **TERMS),
    enqueued("plain", NOW),
    enqueued("bob", NOW + 1, rating=1890, sides={"sc2": {"rating": 1890}}),
    matched(
        NOW + 500,
        member("bob", 499, rating=1890, side="sc2"),
        member("ann", 500, rating=1900, side="bw", choice="zerg", data="x"),
        price=7.5,
        region="eu",
        ping=45,
        server="frankfurt",
        picks={"map": "Ra\\dėon"},
        proposed=True,
    ),
    {**enqueued("eve", NOW), **TERMS, "event": "cancelled", "at": NOW + 9, "waited_ms": 9, "reason": "requested"},
    enqueued("late", NOW + 2),
    matched(NOW + 600, member("plain", 600), member("late", 598), queue="ladder"),
]


@pytest.fixture
def told(recorded: Recorded) -> Recorded:
    """A realm whose stream tells the story."""
    for number, body in enumerate(STORY):
        recorded.client.xadd(
            recorded.mm.calls.keys.events,
            {"event": body["event"], "body": json.dumps(body)},
            id=f"9999999999999-{number}",
        )
    return recorded


@pytest.mark.parametrize("batch_events", [1, 2, 5, 1000])
def test_terms_are_recorded_whatever_the_batches(told: Recorded, batch_events: int) -> None:
    """Given tickets with terms, when recorded in batches of any size, then their rows tell how they began and ended."""
    told.drain(batch_events=batch_events)
    with told.database.transaction() as cursor:
        cursor.execute("SELECT player, queue, rating, deviation, state, terms FROM tickets ORDER BY player")
        assert cursor.fetchall() == [
            ("ann", "ladder", 1500, 80.5, "matched", TERMS),
            ("bob", "ladder", 1890, None, "matched", {"sides": {"sc2": {"rating": 1890}}}),
            ("eve", "ladder", 1500, None, "cancelled", TERMS),
            ("late", "ladder", 1500, None, "matched", None),
            ("plain", "ladder", 1500, None, "matched", None),
        ]
        cursor.execute("SELECT player, side, choice, rating FROM teams ORDER BY player")
        assert cursor.fetchall() == [
            ("ann", "bw", "zerg", 1900),
            ("bob", "sc2", None, 1890),
            ("late", None, None, 1500),
            ("plain", None, None, 1500),
        ]
        cursor.execute("SELECT price, region, ping, server, picks, proposed FROM matches ORDER BY at_ms")
        assert cursor.fetchall() == [
            (7.5, "eu", 45, "frankfurt", {"map": "Ra\\dėon"}, True),
            (None, None, None, None, None, None),
        ]
    assert told.check().ok, str(told.check())


def test_the_same_events_again_change_nothing(told: Recorded) -> None:
    told.drain(batch_events=3)
    before = told.rows()
    with told.database.transaction() as cursor:
        cursor.execute("UPDATE realms SET recorded = '0-0', events = 0")
    assert told.drain(patience_seconds=20).events > 0
    assert told.rows() == before


def test_a_match_comes_back_as_the_event_told_it(told: Recorded) -> None:
    told.drain()
    wanted = {
        event.id: event.match
        for event in (parse_event(f"9999999999999-{number}", "", json.dumps(body)) for number, body in enumerate(STORY))
        if event.match is not None
    }
    assert len(wanted) == 2
    for match_id, match in wanted.items():
        assert reads.match(told.database, told.realm, match_id).match == match


A_MATCH = "match = (SELECT match FROM matches WHERE price IS NOT NULL)"


@pytest.mark.parametrize(
    "harm",
    [
        f"UPDATE matches SET price = price + 1 WHERE {A_MATCH}",
        f"UPDATE matches SET region = 'us' WHERE {A_MATCH}",
        f"UPDATE matches SET ping = NULL WHERE {A_MATCH}",
        f"UPDATE matches SET server = NULL WHERE {A_MATCH}",
        f"UPDATE matches SET picks = '{{}}' WHERE {A_MATCH}",
        f"UPDATE matches SET proposed = NULL WHERE {A_MATCH}",
        f"UPDATE teams SET side = 'sc2' WHERE {A_MATCH} AND team = 2",
        f"UPDATE teams SET choice = 'terran' WHERE {A_MATCH} AND team = 1",
        "UPDATE tickets SET terms = NULL WHERE player = 'bob'",
        "UPDATE tickets SET terms = jsonb_set(terms, '{region}', '\"us\"') WHERE player = 'ann'",
        "UPDATE tickets SET queue = 'side' WHERE player = 'ann'",
        "UPDATE tickets SET rating = 1900 WHERE player = 'ann'",
    ],
)
def test_the_checker_names_a_row_that_says_otherwise(told: Recorded, harm: str) -> None:
    told.drain()
    assert told.check().ok, str(told.check())
    with told.database.transaction() as cursor:
        cursor.execute(harm)
        assert cursor.rowcount == 1
    assert {violation.code for violation in told.check().violations} == {Code.ROW_DISAGREES}
