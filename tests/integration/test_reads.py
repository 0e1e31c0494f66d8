"""What the records tell: matches and changes of rules, as typed reads answer them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker import errors, parse_rules
from matchmaker.model import Match
from matchmaker.store import reads
from matchmaker.store.connect import Database
from tests.integration.recorded import Recorded


def made(recorded: Recorded) -> list[Match]:
    """Every match of the realm's stream, newest first."""
    found = []
    entries: Any = recorded.client.xrange(recorded.mm.calls.keys.events)
    for _, fields in entries:
        if fields[b"event"] == b"matched":
            ticket = recorded.mm.status_of_player(_first_player(fields[b"body"]))
            assert ticket.match is not None
            found.append(ticket.match)
    return found[::-1]


def _first_player(body: bytes) -> str:
    return str(json.loads(body)["teams"][0][0]["player"])


def test_a_match_comes_back_as_it_was_made(recorded: Recorded) -> None:
    """Given matches with and without deviations and data, when read, then each equals what the realm tells of it."""
    recorded.play(12)
    recorded.drain()
    wanted = made(recorded)
    assert len(wanted) == 6
    for match in wanted:
        found = reads.match(recorded.database, recorded.realm, match.id)
        assert found == reads.RecordedMatch(match, None)
    assert [one.match for one in reads.matches(recorded.database, recorded.realm)] == wanted


def test_pages_hold_every_match_once_newest_first(recorded: Recorded) -> None:
    """Given over ten matches of one millisecond and others, when read by threes, then nothing is missed or repeated:
    the twelfth of a millisecond is newer than the second."""
    recorded.play(30)
    recorded.play(8, first=30)
    recorded.drain()
    paged: list[str] = []
    while page := reads.matches(recorded.database, recorded.realm, most=3, before=paged[-1] if paged else None):
        assert len(page) <= 3
        paged += [one.match.id for one in page]
    assert paged == [match.id for match in made(recorded)]
    assert len(paged) == 19
    assert len({match_id.partition("-")[0] for match_id in paged}) < len(paged) - 9


def test_matches_of_a_queue_and_of_a_player(recorded: Recorded) -> None:
    recorded.play(4)
    recorded.mm.enqueue("side", "player 0", rating=1)
    recorded.mm.enqueue("side", "other", rating=1)
    recorded.mm.attempt_match("side")
    recorded.drain()

    def ids(**of: str) -> list[str]:
        return [one.match.id for one in reads.matches(recorded.database, recorded.realm, **of)]  # type: ignore[arg-type]

    newest, *others = ids()
    assert (ids(queue="side"), ids(queue="ladder"), ids(queue="nobody")) == ([newest], others, [])
    assert ids(player="other") == [newest]
    (of_both,) = [one for one in ids(player="player 0") if one != newest]
    assert ids(player="player 0") == [newest, of_both]
    assert ids(player="player 0", queue="ladder") == [of_both]
    assert ids(player="player 0", before=newest) == [of_both]
    assert reads.matches(recorded.database, "another-realm") == []


def test_a_lost_match_says_so(recorded: Recorded) -> None:
    recorded.play(2)
    recorded.drain()
    with recorded.database.transaction() as cursor:
        cursor.execute("UPDATE matches SET lost_at = to_timestamp(1795460395.862)")
    (found,) = reads.matches(recorded.database, recorded.realm)
    assert found.lost_ms == 1_795_460_395_862


@pytest.mark.parametrize(
    "match_id", ["", "1", "1-", "x-1", "1-1\n", "1-1; DROP TABLE matches", "1" * 17 + "-0", "-1-1"]
)
def test_what_is_no_id_is_refused(recorded: Recorded, match_id: str) -> None:
    with pytest.raises(errors.InvalidInput, match=r"^match: "):
        reads.match(recorded.database, recorded.realm, match_id)
    with pytest.raises(errors.InvalidInput, match=r"^before: "):
        reads.matches(recorded.database, recorded.realm, before=match_id)


@pytest.mark.parametrize("most", [0, -1, 1001])
def test_a_page_is_bounded(recorded: Recorded, most: int) -> None:
    with pytest.raises(errors.InvalidInput, match=r"^most: "):
        reads.matches(recorded.database, recorded.realm, most=most)


def test_an_unknown_match(recorded: Recorded) -> None:
    with pytest.raises(errors.UnknownMatch):
        reads.match(recorded.database, recorded.realm, "9999999999999999-9999999999999999")


@pytest.mark.parametrize("player", ["'; DROP TABLE matches; --", "a'b\"c\\d%s%(realm)s", "{older}", "ж\u2028", "$1"])
def test_a_name_is_only_a_name(recorded: Recorded, player: str) -> None:
    """Given players whose names look like SQL, when recorded and asked for, then each has their one match."""
    for name in (player, "bob"):
        recorded.mm.enqueue("ladder", name, rating=1500, data=player)
    recorded.mm.attempt_match("ladder")
    recorded.drain()
    (found,) = reads.matches(recorded.database, recorded.realm, player=player)
    assert set(found.match.players) == {player, "bob"}
    assert {ticket.data for ticket in found.match.tickets} == {player}


# -- rules -------------------------------------------------------------------------------------------------------------


def apply(recorded: Recorded, text: str, *, prune: bool = False) -> None:
    recorded.mm.apply_rules(parse_rules(text, "test"), prune=prune)


def test_the_history_of_rules(recorded: Recorded) -> None:
    """Given rules that were changed, removed and brought back, when read, then every change is there in order."""
    apply(recorded, "[ladder]\nmax_gap = 10.5\nexpire_after_seconds = 0.001\ndefault_deviation = 350\n")
    apply(recorded, "[side]\n", prune=True)
    apply(recorded, '[ladder]\nwillingness = { kind = "stepped", step = 5, every_seconds = 2 }\n')
    recorded.drain()
    first, second, gone, back = reads.rule_history(recorded.database, recorded.realm, "ladder")
    assert [first.version, second.version, gone.version, back.version] == [1, 2, 2, 3]
    assert (first.change, second.change, gone.change) == ("created", "changed", "removed")
    assert first.at_ms <= second.at_ms <= gone.at_ms <= back.at_ms
    assert gone.rules is None
    assert second.rules is not None
    assert (second.rules["max_gap"], second.rules["expire_after_seconds"]) == (10.5, 0.001)
    assert second.rules["default_deviation"] == 350
    stored = recorded.mm.rules()["ladder"]
    assert back.rules == stored.rules.model_dump(mode="json")


def test_versions_that_nobody_has_any_more(recorded: Recorded, database: Database) -> None:
    """Given a version whose text was lost and one of a newer program's, when read, then they are told all the same."""
    recorded.drain()
    with database.transaction() as cursor:
        cursor.execute("UPDATE rule_versions SET rules = NULL WHERE queue = 'side'")
        cursor.execute("UPDATE rule_versions SET rules = '{\"novel\": [1]}' WHERE queue = 'ladder'")
        cursor.execute("DELETE FROM events")
    (side,) = reads.rule_history(database, recorded.realm, "side")
    (ladder,) = reads.rule_history(database, recorded.realm, "ladder")
    assert (side.version, side.change, side.rules) == (1, "created", None)
    assert (ladder.change, ladder.rules) == ("created", {"novel": [1]})


def test_a_queue_of_which_nothing_is_recorded(recorded: Recorded) -> None:
    with pytest.raises(errors.UnknownQueue):
        reads.rule_history(recorded.database, recorded.realm, "ladder")


# -- a database that is not fit ----------------------------------------------------------------------------------------


def test_reads_of_a_database_without_tables(database_url: str) -> None:
    """Given an empty database, when read, then the error names the upgrade."""
    with Database(database_url) as database:
        for read in (
            lambda: reads.matches(database, "main"),
            lambda: reads.match(database, "main", "1-1"),
            lambda: reads.rule_history(database, "main", "ladder"),
        ):
            with pytest.raises(errors.DatabaseSchema, match="db upgrade"):
                read()
