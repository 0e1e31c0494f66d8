"""What the command line makes of a ticket's terms, and how it tells of them."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from matchmaker.cli import shapes
from matchmaker.cli.terms import terms_of, text_attributes
from matchmaker.errors import InvalidInput
from matchmaker.model import Event, Side, parse_event
from matchmaker.rules import QueueRules

NOTHING: dict[str, Any] = dict.fromkeys(("side", "attribute", "accept", "ping", "veto", "avoid"), ())


def given(*, deviation: float | None = None, texts: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    return terms_of({**NOTHING, "region": None, **options}, deviation, texts)


def test_nothing_given_is_nothing() -> None:
    assert given() == {}


def test_every_option_is_read() -> None:
    assert given(
        deviation=80.0,
        side=("bw=1500", "sc2=-19.5:zerg:2"),
        attribute=("version=1.2b", "language=de", "language=en", "level=12"),
        accept=("level=5..20",),
        ping=("eu=31",),
        veto=("map=Death Valley", "map=a=b"),
        avoid=("bob",),
        region="eu",
    ) == {
        "sides": {"bw": Side(1500.0, 80.0), "sc2": Side(-19.5, 80.0, "zerg:2")},
        "attributes": {"version": "1.2b", "language": ["de", "en"], "level": 12.0},
        "accepts": {"level": [5.0, 20.0]},
        "pings": {"eu": 31.0},
        "vetoes": {"map": ["Death Valley", "a=b"]},
        "avoid": ["bob"],
        "region": "eu",
    }


def test_a_number_is_a_text_where_the_queue_compares_texts() -> None:
    rules = QueueRules.model_validate({"same": ("version",), "any_of": {"year": {}}, "range": {"level": {}}})
    texts = text_attributes([rules.compiled(), QueueRules().compiled()])
    assert texts == {"version", "year"}
    options: dict[str, Any] = {"attribute": ("version=1.2", "level=1.2")}
    assert given(texts=tuple(texts), **options) == {"attributes": {"version": "1.2", "level": 1.2}}


@pytest.mark.parametrize(
    ("option", "values", "bound"),
    [
        ("side", ("bw",), "as in bw=1500:terran"),
        ("side", ("=1500",), "as in bw=1500:terran"),
        ("side", ("bw=1", "bw=2"), "each name once"),
        ("attribute", ("language=",), "as in language=en"),
        ("accept", ("level=5",), "as in 5..20"),
        ("accept", ("level",), "as in level=5..20"),
        ("ping", ("eu",), "as in eu=31"),
        ("veto", ("map",), "as in map=Radeon"),
    ],
)
def test_an_option_of_another_form_is_refused(option: str, values: tuple[str, ...], bound: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        given(**cast(dict[str, Any], {option: values}))
    assert refused.value.field == option
    assert bound in refused.value.bound


# -- outputs -----------------------------------------------------------------------------------------------------------


class Clock:
    """Stands in for realm time on the wall, which is all that lines want of it."""

    @staticmethod
    def wall(_: int) -> str:
        return "12:00:00"


def event(**body: Any) -> Event:
    return parse_event("1-0", "", json.dumps({"v": 1, "at": 5000, "queue": "ladder", **body}))


SIDES = {"bw": {"rating": 1500, "choice": "zerg"}, "sc2": {"rating": 1600.5}}
OFFER = event(event="enqueued", ticket="t", player="ann", rating=1500, sides=SIDES, queues=["ladder", "casual"])
MATCH = event(
    event="matched",
    rules=1,
    gap=3,
    value=1,
    price=2.5,
    teams=[
        [{"ticket": "t", "player": "ann", "rating": 1500, "side": "bw", "choice": "zerg", "waited_ms": 7}],
        [{"ticket": "u", "player": "bob", "rating": 1503, "side": "sc2", "waited_ms": 7}],
    ],
    region="eu",
    ping=45,
    server="frankfurt",
    picks={"map": "Radeon"},
)


def line(told: Event) -> str:
    return shapes.event_line(cast(shapes.RealmClock, Clock()), told, "ann")


def test_a_waiting_ticket_says_what_it_offers_and_where() -> None:
    assert line(OFFER) == "12:00:00  enqueued     t  ann (bw 1500 zerg, sc2 1600.5)  ladder, casual"
    assert OFFER.ticket is not None
    said = shapes.ticket_json(OFFER.ticket)
    assert said["queues"] == ("ladder", "casual")
    assert said["terms"]["sides"]["sc2"] == {"rating": 1600.5}
    assert "side" not in said


def test_a_match_says_who_plays_what_and_where() -> None:
    assert line(MATCH) == (
        "12:00:00  match.found  t  ann (bw 1500 zerg) vs bob (sc2 1503)  gap 3  price 2.5 points  region eu, 45 ms"
        "  server frankfurt  map Radeon"
    )
    assert MATCH.match is not None
    said = shapes.match_json(MATCH.match)
    assert (said["price"], said["region"], said["ping"], said["server"]) == (2.5, "eu", 45, "frankfurt")
    assert said["picks"] == {"map": "Radeon"}
    assert "proposed" not in said
    (ann,), (bob,) = said["teams"]
    assert (ann["side"], ann["choice"], bob["side"]) == ("bw", "zerg", "sc2")
    assert "choice" not in bob


def test_a_plain_match_says_no_more_than_ever() -> None:
    told = event(
        event="matched",
        rules=1,
        gap=3,
        value=1,
        teams=[[{"ticket": name, "player": name, "rating": 1, "waited_ms": 7}] for name in ("ann", "bob")],
    )
    assert line(told) == "12:00:00  match.found  ann  ann (1) vs bob (1)  gap 3"
    assert told.match is not None
    said = shapes.match_json(told.match)
    assert said.keys() == {"id", "queue", "rules", "at_ms", "gap", "value", "teams"}
    assert said["teams"][0][0].keys() == {"ticket", "player", "rating", "deviation", "data", "waited_ms"}
