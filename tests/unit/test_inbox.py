"""The listener's core without a server: what an inbox delivers, when it asks for a reading, and when it must say that
events are lost; and what the switchboard makes of the doorbell's replies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from matchmaker import errors, inbox
from matchmaker.calls import Batch, Call, Calls
from matchmaker.doorbell import PLAYERS_A_READING, Switchboard, connection_settings, read_message, readings_plan
from matchmaker.inbox import MOST_UNREAD, Inbox
from matchmaker.keys import Keys
from matchmaker.model import Event, EventKind
from matchmaker.reports import History
from matchmaker.scripts import Reply

BEGINNING = "0-0"
KEYS = Keys("main")


def event(number: int, prev: int | None = None) -> Event:
    """The event ``number-0`` that follows ``prev-0``; by default the one before it, none before the first."""
    before = number - 1 if prev is None else prev
    return Event(f"{number}-0", EventKind.ENQUEUED, number, "ladder", f"{before}-0" if before else "")


def history(
    events: Sequence[Event] = (), end: Reply = Reply.REACHED, *, floor_ms: int = 0, now_ms: int = 10_000
) -> History:
    return History(end, floor_ms, now_ms, "", tuple(events))


class Box(Inbox):
    """An inbox whose listener reads when the test says so."""

    def __init__(self, cursor: str = "", player: str = "ann") -> None:
        self.queue: list[Event | errors.MatchmakerError] = []
        super().__init__(player, self.queue.append, lambda: len(self.queue), cursor)

    def told(self) -> list[str]:
        """What is in the listener's queue: ids, and names of errors; taken out."""
        words = [one.id if isinstance(one, Event) else type(one).__name__ for one in self.queue]
        self.queue.clear()
        return words


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
    assert not box.receive(event(10, 9))
    assert box.told() == ["9-2", "9-10"]
    assert not box.synced


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


def test_an_inbox_that_is_not_behind_has_nothing_to_catch_up() -> None:
    assert not synced(1).caught_up()


# -- the switchboard ---------------------------------------------------------------------------------------------------


class Board(Switchboard):
    """A switchboard that counts how often it woke its owner."""

    def __init__(self) -> None:
        self.woken = 0
        super().__init__(KEYS, self._count)

    def _count(self) -> None:
        self.woken += 1

    def confirm(self, player: str) -> None:
        self.take([b"subscribe", KEYS.channel(player).encode(), 1])

    def message(self, player: str, text: bytes) -> None:
        self.take([b"message", KEYS.channel(player).encode(), text])

    def wanted(self) -> list[Inbox]:
        """Everybody who is to be read, taken out."""
        found = []
        while self.wanting:
            found += self.next_reading()
        return found


def text(number: int, prev: int, player: str = "ann") -> bytes:
    """A message as the scripts publish it."""
    body = {
        "id": f"{number}-0",
        "prev": f"{prev}-0" if prev else "",
        "v": 1,
        "event": "enqueued",
        "at": number,
        "queue": "ladder",
        "ticket": "t",
        "player": player,
        "rating": 1500,
    }
    return json.dumps(body).encode()


def listening(board: Board, box: Box) -> Box:
    """The box in step on the board."""
    board.add(box)
    board.confirm(box.player)
    board.read(board.wanted(), [history()])
    return box


def test_only_the_first_listener_of_a_player_subscribes_and_only_the_last_unsubscribes() -> None:
    board, one, two, other = Board(), Box(), Box(), Box(player="bob")
    assert board.add(one) == KEYS.channel("ann")
    assert board.add(two) is None
    assert board.add(other) == KEYS.channel("bob")
    assert (len(board), sorted(board.channels())) == (3, sorted([KEYS.channel("ann"), KEYS.channel("bob")]))
    assert board.remove(one) is None
    assert board.remove(one) is None
    assert board.remove(two) == KEYS.channel("ann")
    assert board.remove(two) is None
    assert (len(board), board.everyone()) == (1, [other])
    assert one.closed
    assert two.closed


def test_a_confirmed_subscription_asks_for_a_reading_of_everybody_on_it() -> None:
    board, one, two = Board(), Box(), Box()
    board.add(one)
    board.add(two)
    assert not board.wanting
    board.confirm("ann")
    assert board.woken == 2
    assert board.wanted() == [one, two]
    assert not board.wanting


def test_a_listener_that_joins_a_confirmed_subscription_is_read_at_once() -> None:
    board = Board()
    listening(board, Box())
    late = Box()
    assert board.add(late) is None
    assert board.wanted() == [late]


def test_a_confirmation_for_somebody_who_left_is_nothing() -> None:
    board, box = Board(), Box()
    board.add(box)
    board.remove(box)
    board.confirm("ann")
    assert not board.wanting


def test_messages_reach_every_listener_of_their_player_and_nobody_else() -> None:
    board = Board()
    one, two, other = (listening(board, box) for box in (Box(), Box(), Box(player="bob")))
    board.message("ann", text(1, 0))
    board.message("nobody", text(1, 0))
    assert (one.told(), two.told(), other.told()) == (["1-0"], ["1-0"], [])


def test_a_gap_asks_for_a_reading_of_those_who_have_it() -> None:
    board = Board()
    one = listening(board, Box())
    board.message("ann", text(1, 0))
    late = Box(cursor="1-0")
    board.add(late)
    board.read(board.wanted(), [history()])
    board.message("ann", text(3, 2))
    assert board.wanted() == [one, late]


def test_a_message_that_is_none_of_ours_asks_for_a_reading() -> None:
    """Given text on a player's channel that no script wrote, then what is true is read from the realm."""
    board = Board()
    box = listening(board, Box())
    board.message("ann", b"hello")
    assert (box.synced, board.wanted()) == (False, [box])


@pytest.mark.parametrize(
    "reply",
    [b"PONG", [b"pong", b""], None, [], [b"unsubscribe", b"mm:{main}:player:ann", 0], [b"psubscribe", b"x", 1]],
    ids=repr,
)
def test_other_replies_are_signs_of_life_only(reply: Any) -> None:
    board = Board()
    box = listening(board, Box())
    board.last_alive = 0.0
    board.take(reply)
    assert board.last_alive > 0.0
    assert not board.wanting
    assert box.synced


def test_after_a_disconnection_nobody_is_in_step_and_nobody_is_read_before_the_next_confirmation() -> None:
    board = Board()
    box, waiting = listening(board, Box()), Box(player="bob")
    board.add(waiting)
    board.confirm("bob")
    board.disconnected()
    assert not box.synced
    assert not board.wanting
    late = Box()
    board.add(late)
    assert not board.wanting
    board.confirm("ann")
    assert board.wanted() == [box, late]


def test_a_reading_that_was_overtaken_by_a_disconnection_does_not_count() -> None:
    """Given a reading under way, when the connection breaks, then its answer does not put the inbox in step: messages
    after it may have been lost."""
    board, box = Board(), Box()
    board.add(box)
    board.confirm("ann")
    reading = board.wanted()
    board.disconnected()
    board.read(reading, [history([event(1)])])
    assert (box.synced, box.told()) == (False, [])


def test_what_became_of_a_reading() -> None:
    """Given three listeners that were read, then one is in step, one is asked again when the server is back, and one
    that was refused is over."""
    board = Board()
    boxes = [Box(player=player) for player in ("ann", "bob", "cid")]
    for box in boxes:
        board.add(box)
        board.confirm(box.player)
    reading = board.wanted()
    assert reading == boxes
    board.read(reading, [history([event(1)]), errors.ServerUnavailable("away"), errors.UnknownRealm("main")])
    assert [box.told() for box in boxes] == [["1-0"], [], ["UnknownRealm"]]
    assert [box.synced for box in boxes] == [True, False, False]
    assert board.wanted() == [boxes[1]]
    assert boxes[2].closed


def test_a_listener_that_left_is_not_read_nor_asked_for() -> None:
    board, box = Board(), Box()
    board.add(box)
    board.confirm("ann")
    board.remove(box)
    assert not board.wanting
    board.ask(box)
    assert not board.wanting


def test_readings_come_in_bounded_batches() -> None:
    board = Board()
    boxes = [Box(player=f"p{i}") for i in range(PLAYERS_A_READING + 3)]
    for box in boxes:
        board.add(box)
        board.confirm(box.player)
    assert board.next_reading() == boxes[:PLAYERS_A_READING]
    assert board.next_reading() == boxes[PLAYERS_A_READING:]
    assert board.next_reading() == []


def test_a_reading_of_many_goes_on_for_those_with_long_histories_only() -> None:
    """Given three players of whom one has more than a page and one cannot be read, then one batch asks for all, one
    call for the rest of the first, and each gets its own."""
    boxes = [Box(cursor="1-0"), Box(player="bob"), Box(cursor="1-0", player="cid")]
    plan = readings_plan(Calls("main"), boxes)
    batch = next(plan)
    assert isinstance(batch, Batch)
    assert len(batch.calls) == 3
    page = History(Reply.MORE, 0, 5, "older", (event(3),))
    more = plan.send([page, errors.UnknownRealm("main"), History(Reply.MORE, 0, 5, "older", (event(3),))])
    assert isinstance(more, Call)
    assert "older" in more.args
    again = plan.send(history([event(2)]))
    assert isinstance(again, Call)
    with pytest.raises(StopIteration) as done:
        plan.throw(errors.ServerUnavailable("away"))
    one, two, three = done.value.value
    assert [one.id for one in one.events] == ["2-0", "3-0"]
    assert isinstance(two, errors.UnknownRealm)
    assert isinstance(three, errors.ServerUnavailable)


# -- messages and settings ---------------------------------------------------------------------------------------------


def test_a_message_of_the_scripts_is_an_event() -> None:
    read = read_message(text(2, 1))
    assert read is not None
    assert (read.id, read.prev, read.kind) == ("2-0", "1-0", EventKind.ENQUEUED)
    assert read.ticket is not None
    assert read.ticket.player == "ann"


def test_a_caller_s_connection_settings_are_kept_but_for_what_the_doorbell_needs() -> None:
    mine = {
        "host": "h",
        "port": 1,
        "password": "p",
        "db": 3,
        "protocol": 3,
        "decode_responses": True,
        "socket_timeout": 1,
    }
    changed = connection_settings({**mine, "retry": object(), "maint_notifications_config": object()})
    assert {name: changed[name] for name in ("host", "port", "password", "db")} == {
        name: mine[name] for name in ("host", "port", "password", "db")
    }
    assert (changed["protocol"], changed["decode_responses"], changed["socket_timeout"]) == (2, False, None)
    assert changed["retry"] is None
    assert "maint_notifications_config" not in changed
