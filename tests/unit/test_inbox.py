"""The listener's core without a server: what an inbox delivers, when it asks for a reading, and when it must say that
events are lost."""

from __future__ import annotations

from typing import Any

import pytest

from matchmaker import errors, inbox
from matchmaker.inbox import MOST_UNREAD, Inbox
from matchmaker.model import Event, EventKind
from matchmaker.scripts import Reply
from tests.unit.boxes import Box, event, history

BEGINNING = "0-0"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The inbox's clock, in seconds; the test moves it."""
    now = [1000.0]
    monkeypatch.setattr(inbox, "alive_clock", lambda: now[0])
    return now


def synced(cursor: int = 1) -> Box:
    """An inbox in step, whose last event is ``cursor-0``."""
    box = Box()
    assert not box.synchronise(history([event(cursor, 0)]))
    assert box.told() == [f"{cursor}-0"]
    return box


# -- messages ----------------------------------------------------------------------------------------------------------


def test_a_new_inbox_delivers_nothing_before_it_was_read() -> None:
    box = Box()
    assert not box.receive(event(1))
    assert box.told() == []
    assert not box.synced


def test_a_message_that_follows_is_delivered_at_once() -> None:
    box = synced(1)
    assert not box.receive(event(2))
    assert not box.receive(event(3))
    assert box.told() == ["2-0", "3-0"]
    assert (box.cursor, box.synced) == ("3-0", True)


def test_a_message_that_was_delivered_is_not_delivered_again() -> None:
    box = synced(1)
    box.receive(event(2))
    assert not box.receive(event(2))
    assert not box.receive(event(1, 0))
    assert box.told() == ["2-0"]
    assert box.synced


def test_a_message_without_a_predecessor_follows_everything() -> None:
    """Given a player whose last ticket is forgotten, when a new one joins, then its event is not taken for a gap."""
    box = synced(1)
    assert not box.receive(event(500, 0))
    assert box.told() == ["500-0"]


def test_a_message_that_shows_a_gap_asks_for_a_reading_and_waits_for_it() -> None:
    """Given a lost message, when the next comes, then nothing is delivered before the reading, which brings both."""
    box = synced(1)
    assert box.receive(event(3))
    assert (box.told(), box.synced) == ([], False)
    assert not box.receive(event(4))
    assert not box.synchronise(history([event(2), event(3), event(4)]))
    assert box.told() == ["2-0", "3-0", "4-0"]
    assert box.synced


def test_ids_are_ordered_as_numbers() -> None:
    box = synced(9)
    assert not box.receive(Event("9-2", EventKind.MATCHED, 9, "ladder", "9-0"))
    assert not box.receive(Event("9-10", EventKind.MATCHED, 9, "ladder", "9-2"))
    assert not box.receive(Event("9-9", EventKind.MATCHED, 9, "ladder", "9-2"))
    assert not box.receive(Event("10-0", EventKind.MATCHED, 10, "ladder", "9-10"))
    assert box.told() == ["9-2", "9-10", "10-0"]


def test_a_closed_inbox_takes_no_notice() -> None:
    box = synced(1)
    box.fail(errors.ListenerClosed("closed"))
    box.fail(errors.ListenerClosed("closed"))
    assert not box.receive(event(2))
    assert not box.receive(event(7))
    assert not box.synchronise(history([event(2)]))
    assert not box.caught_up()
    assert box.told() == ["ListenerClosed"]


# -- readings ----------------------------------------------------------------------------------------------------------


def test_the_first_reading_begins_with_the_latest_ticket() -> None:
    box = Box()
    assert not box.synchronise(history([event(7, 5)], floor_ms=9999))
    assert box.told() == ["7-0"]


def test_the_first_reading_of_a_player_nobody_knows_is_a_beginning() -> None:
    box = Box()
    assert not box.synchronise(history([], Reply.START, floor_ms=5000))
    assert (box.cursor, box.synced, box.told()) == (BEGINNING, True, [])
    assert not box.receive(event(1))
    assert box.told() == ["1-0"]


def test_a_reading_delivers_only_what_is_newer_than_the_cursor() -> None:
    box = Box(cursor="2-0")
    assert not box.synchronise(history([event(1), event(2), event(3)]))
    assert box.told() == ["3-0"]


def test_a_message_that_came_during_the_reading_and_is_not_in_it_asks_for_another() -> None:
    """Given a reading that was answered before an event happened, when the event's message comes before that answer,
    then the player is read once more."""
    box = Box()
    box.begin_reading()
    box.receive(event(2))
    assert box.synchronise(history([event(1, 0)]))
    assert (box.told(), box.synced) == (["1-0"], False)
    box.begin_reading()
    assert not box.synchronise(history([event(1, 0), event(2)]))
    assert (box.told(), box.synced) == (["2-0"], True)


def test_a_message_from_before_the_reading_is_not_waited_for() -> None:
    """Given somebody else's message with an id the realm will never have, when the player was read, then that is it."""
    box = synced(1)
    assert box.receive(event(900))
    box.begin_reading()
    assert not box.synchronise(history())
    assert (box.told(), box.synced) == ([], True)
    assert not box.receive(event(2))
    assert box.told() == ["2-0"]


# -- what may have been lost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [Reply.START, Reply.FORGOTTEN])
@pytest.mark.parametrize(
    ("name", "events", "floor_ms", "lost"),
    [
        ("the floor is older than the cursor", [], 5, False),
        ("the cursor is exactly at the floor", [], 100, False),
        ("the floor is newer and nothing follows", [], 101, True),
        ("the floor is newer and something else follows", [event(300, 200)], 101, True),
        ("the floor is newer but the cursor's successor is there", [event(300, 100)], 101, False),
    ],
)
def test_a_cursor_that_is_too_old_is_an_error(
    name: str, events: list[Event], floor_ms: int, lost: bool, end: Reply
) -> None:
    """Given a listener that resumes after 100-0, when its history does not reach back to that, then it depends on since
    when nothing was forgotten."""
    box = Box(cursor="100-0")
    assert not box.synchronise(history(events, end, floor_ms=floor_ms))
    if lost:
        assert box.told() == ["EventsLost"], name
        assert box.closed
    else:
        assert box.told() == [one.id for one in events], name
        assert box.synced


def test_a_history_that_reaches_back_never_lost_anything() -> None:
    box = Box(cursor="100-0")
    assert not box.synchronise(history([event(300, 200)], Reply.REACHED, floor_ms=9999))
    assert box.told() == ["300-0"]


def test_the_error_names_player_and_cursor() -> None:
    box = Box(cursor="100-0")
    box.synchronise(history([], Reply.START, floor_ms=101))
    (error,) = box.queue
    assert isinstance(error, errors.EventsLost)
    assert (error.player, error.after) == ("ann", "100-0")


@pytest.mark.parametrize(("silent_seconds", "lost"), [(3.9, False), (4.1, True)])
def test_a_listener_that_was_in_step_loses_only_what_was_forgotten_in_its_silence(
    clock: list[float], silent_seconds: float, lost: bool
) -> None:
    """Given a listener in step whose last event is long past the floor, when it is cut off, then all is well as long as
    the silence began after the floor: it had everything up to then."""
    box = synced(1)
    box.lose_sync(clock[0])
    clock[0] += silent_seconds
    box.lose_sync(clock[0])  # the silence began with the first
    box.synchronise(history([], Reply.START, floor_ms=6000, now_ms=10_000))
    assert box.told() == (["EventsLost"] if lost else [])
    assert box.synced is not lost


def test_after_a_reading_a_silence_begins_anew(clock: list[float]) -> None:
    box = synced(1)
    for _ in range(3):
        box.lose_sync(clock[0])
        clock[0] += 3
        assert not box.synchronise(history([], Reply.START, floor_ms=6000, now_ms=10_000))
    assert box.told() == []


def test_a_listener_that_began_with_nothing_is_held_to_its_silence_too(clock: list[float]) -> None:
    """Given a player without a history, when the listener was cut off for longer than anything is remembered, then that
    nothing is there now does not mean that nothing was."""
    box = Box()
    box.synchronise(history([], Reply.START, floor_ms=100))
    box.lose_sync(clock[0])
    clock[0] += 60
    box.synchronise(history([], Reply.START, floor_ms=50_000, now_ms=100_000))
    assert box.told() == ["EventsLost"]


# -- a listener that does not read -------------------------------------------------------------------------------------


def test_an_inbox_that_is_full_leaves_the_rest_in_the_realm() -> None:
    """Given a listener that does not read, when more comes than is kept for it, then it gets the rest when it reads
    again, by a reading of the realm."""
    box = Box()
    box.synchronise(history())
    for number in range(1, MOST_UNREAD + 6):
        assert not box.receive(event(number))
    assert len(box.queue) == MOST_UNREAD
    assert (box.behind, box.synced, box.cursor) == (True, False, f"{MOST_UNREAD}-0")
    box.told()
    assert box.caught_up()
    assert not box.caught_up()
    rest = [event(number) for number in range(MOST_UNREAD + 1, MOST_UNREAD + 6)]
    assert not box.synchronise(history(rest))
    assert box.told() == [one.id for one in rest]
    assert box.synced


def test_a_history_longer_than_is_kept_is_delivered_in_parts() -> None:
    box = Box(cursor="1-0")
    events = [event(number) for number in range(2, MOST_UNREAD + 12)]
    assert not box.synchronise(history(events))
    assert len(box.queue) == MOST_UNREAD
    assert (box.behind, box.synced) == (True, False)
    first = box.told()
    assert box.caught_up()
    assert not box.synchronise(history([one for one in events if one.id not in first]))
    assert first + box.told() == [one.id for one in events]


def test_an_inbox_that_fell_behind_is_not_read_again_before_its_listener_reads() -> None:
    """Given a history that fills the inbox and a message that is newer still, then nothing is asked for: it would
    not fit either."""
    box = Box(cursor="1-0")
    box.begin_reading()
    box.receive(event(9000))
    assert not box.synchronise(history([event(number) for number in range(2, MOST_UNREAD + 12)]))
    assert (box.behind, box.synced) == (True, False)


def test_an_inbox_that_fell_behind_leaves_no_hole() -> None:
    """Given a listener that begins to read just as its inbox is full, then what comes after the first event that did
    not fit waits for the reading too."""
    unread = iter([MOST_UNREAD, 0, 0])
    delivered: list[Any] = []
    box = Inbox("ann", delivered.append, lambda: next(unread), "1-0")
    assert not box.synchronise(history([event(2), event(3)]))
    assert (delivered, box.behind, box.cursor) == ([], True, "1-0")


def test_an_inbox_that_ended_while_it_was_behind_has_nothing_to_catch_up() -> None:
    box = Box(cursor="1-0")
    box.synchronise(history([event(number) for number in range(2, MOST_UNREAD + 12)]))
    box.fail(errors.ListenerClosed("closed"))
    assert not box.caught_up()
    assert box.told()[-1] == "ListenerClosed"


def test_an_inbox_that_is_not_behind_has_nothing_to_catch_up() -> None:
    assert not synced(1).caught_up()
