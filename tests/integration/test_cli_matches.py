"""``matches`` and ``queues history``: the records on a terminal and as JSON."""

from __future__ import annotations

import re
from typing import Any

import pytest

from matchmaker import parse_rules
from tests.integration.recorded import Recorded
from tests.integration.terminal import Cli

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def two_matches(recorded: Recorded) -> list[str]:
    """Ids of two recorded matches, the newer one first: carol and dave, before them alice and bob."""
    for player, other in (("alice", "bob"), ("carol", "dave")):
        recorded.mm.enqueue("ladder", player, rating=1520, deviation=30.5, data="eu")
        recorded.mm.enqueue("ladder", other, rating=1561.5)
        assert recorded.mm.attempt_match("ladder").made == 1
    recorded.drain()
    matches = [recorded.mm.status_of_player(player).match_id for player in ("carol", "alice")]
    return [str(match) for match in matches]


def test_list_is_newest_first(db_cli: Cli, two_matches: list[str]) -> None:
    done = db_cli("matches", "list")
    head, *rows = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert head.split() == ["time", "match", "queue", "teams", "gap", "longest", "wait"]
    newer, older = two_matches
    assert re.fullmatch(rf"{TIME}  {newer}  ladder  carol \(1520\) vs dave \(1561\.5\)  +41\.5 +\S+ s", rows[0])
    assert re.fullmatch(rf"{TIME}  {older}  ladder  alice \(1520\) vs bob \(1561\.5\)  +41\.5 +\S+ s", rows[1])
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--most", "1"), [0]),
        (("--player", "bob"), [1]),
        (("--queue", "ladder"), [0, 1]),
        (("--queue", "side"), []),
        (("--player", "bob", "--queue", "side"), []),
    ],
)
def test_list_is_narrowed(db_cli: Cli, two_matches: list[str], options: tuple[str, ...], wanted: list[int]) -> None:
    found = db_cli("matches", "list", "--json", *options).document["matches"]
    assert [match["id"] for match in found] == [two_matches[i] for i in wanted]


def test_the_next_page_begins_before_the_last_one(db_cli: Cli, two_matches: list[str]) -> None:
    newer, older = two_matches
    (found,) = db_cli("matches", "list", "--before", newer, "--json").document["matches"]
    assert found["id"] == older
    assert db_cli("matches", "list", "--before", older, "--json").document["matches"] == []
    refused = db_cli("matches", "list", "--before", "yesterday")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: before: 'yesterday' is refused")


def test_json_is_the_words_of_the_event(db_cli: Cli, recorded: Recorded, two_matches: list[str]) -> None:
    """Given a match, when shown as JSON, then it has the fields of its event, in realm ms."""
    ticket = recorded.mm.status_of_player("alice")
    shown = db_cli("matches", "show", two_matches[1], "--json").document
    assert (shown["realm"], shown["recorded"], shown["lost_ms"]) == (recorded.realm, True, None)
    assert (shown["id"], shown["queue"], shown["rules"], shown["gap"]) == (two_matches[1], "ladder", 1, 41.5)
    assert shown["at_ms"] == ticket.ended_ms
    assert shown["teams"][0] == [
        {
            "ticket": ticket.id,
            "player": "alice",
            "rating": 1520.0,
            "deviation": 30.5,
            "data": "eu",
            "waited_ms": shown["at_ms"] - ticket.enqueued_ms,
        }
    ]
    assert (shown["teams"][1][0]["player"], shown["teams"][1][0]["deviation"]) == ("bob", None)


def test_show_prints_both_teams(db_cli: Cli, recorded: Recorded, two_matches: list[str]) -> None:
    done = db_cli("matches", "show", two_matches[1])
    assert done.code == 0
    assert re.search(r"^queue +ladder, rules version 1$", done.out, re.MULTILINE)
    assert re.search(r"^gap +41\.5 points$", done.out, re.MULTILINE)
    ticket = recorded.mm.status_of_player("alice").id
    assert re.search(rf"^team 1 .*\nalice +1520 +30\.5 +\S+ s +{ticket} +eu$", done.out, re.MULTILINE)
    assert re.search(r"^team 2 .*\nbob +1561\.5 +– ", done.out, re.MULTILINE)
    assert "recorded" not in done.out
    assert "lost" not in done.out


def test_a_match_that_is_not_recorded_yet(db_cli: Cli, recorded: Recorded) -> None:
    """Given a match that only the realm knows, when shown, then it comes from there and says so."""
    recorded.play(2)
    match = recorded.mm.status_of_player("player 0").match_id
    done = db_cli("matches", "show", match)
    assert done.code == 0
    assert re.search(r"^recorded +not yet$", done.out, re.MULTILINE)
    document = db_cli("matches", "show", match, "--json").document
    assert document["recorded"] is False
    recorded.drain()
    assert db_cli("matches", "show", match, "--json").document == {**document, "recorded": True}


def test_a_lost_match_says_so(db_cli: Cli, recorded: Recorded, two_matches: list[str]) -> None:
    with recorded.database.transaction() as cursor:
        cursor.execute("UPDATE matches SET lost_at = now() WHERE match = %s", (two_matches[0],))
    assert re.search(rf"^lost +found on {TIME}: ", db_cli("matches", "show", two_matches[0]).out, re.MULTILINE)
    assert f"{two_matches[0]} (lost)" in db_cli("matches", "list").out


@pytest.mark.parametrize(("match_id", "code"), [("1-1", 3), ("x", 2), ("1'; DROP TABLE matches; --", 2)])
def test_what_is_no_match(db_cli: Cli, recorded: Recorded, match_id: str, code: int) -> None:
    """Given an id of no match, be it that of another event, when shown, then it is not found."""
    assert db_cli("matches", "show", match_id).code == code
    entries: Any = recorded.client.xrange(recorded.mm.calls.keys.events, count=1)
    other_event = entries[0][0].decode()
    assert db_cli("matches", "show", other_event).code == 3


# -- queues history ----------------------------------------------------------------------------------------------------


def test_history_with_what_changed(db_cli: Cli, recorded: Recorded) -> None:
    """Given rules that were changed and removed, when asked for with --diff, then old and new of fields are told."""
    text = '[ladder]\nmax_gap = 200\nwillingness = { kind = "stepped", step = 5, every_seconds = 2.5 }\n[side]\n'
    recorded.mm.apply_rules(parse_rules(text, "test"))
    recorded.mm.apply_rules(parse_rules("[side]\n", "test"), prune=True)
    recorded.drain()
    done = db_cli("queues", "history", "ladder", "--diff")
    assert (done.code, done.err) == (0, "")
    first, second, *more = done.out.splitlines()
    assert re.fullmatch(rf"version 1  {TIME}  created", first)
    assert re.fullmatch(rf"version 2  {TIME}  changed  interval_ms: 1 → 0", second)
    assert [line.strip() for line in more[:-1]] == [
        "max_gap: 300 → 200",
        "willingness.base: 100 → 0",
        "willingness.every_seconds: none → 2.5",
        'willingness.kind: "linear" → "stepped"',
        "willingness.per_second: 1 → none",
        "willingness.step: none → 5",
    ]
    assert re.fullmatch(rf"version 2  {TIME}  removed", more[-1])
    plain = db_cli("queues", "history", "ladder").out
    assert "→" not in plain
    assert len(plain.splitlines()) == 3


def test_history_as_json(db_cli: Cli, recorded: Recorded) -> None:
    recorded.mm.apply_rules(parse_rules("[side]\n", "test"))
    recorded.drain()
    document = db_cli("queues", "history", "side", "--json").document
    first, second = document["history"]
    assert (first["version"], first["change"], first["diff"]) == (1, "created", {})
    assert second["diff"] == {"accept": {"old": "both", "new": "sum"}}
    assert second["rules"] == recorded.mm.rules()["side"].rules.model_dump(mode="json")
    assert first["at_ms"] <= second["at_ms"]


def test_history_of_a_queue_that_never_was(db_cli: Cli, recorded: Recorded) -> None:
    recorded.drain()
    done = db_cli("queues", "history", "nobody")
    assert (done.code, done.out) == (3, "")
