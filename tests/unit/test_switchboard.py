"""What the switchboard makes of the doorbell's replies: who hears what, and who must be read from the realm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker import errors
from matchmaker.calls import Batch, Call, Calls
from matchmaker.doorbell import PLAYERS_A_READING, Switchboard, connection_settings, read_message, readings_plan
from matchmaker.inbox import Inbox
from matchmaker.keys import Keys
from matchmaker.model import EventKind
from matchmaker.reports import History
from matchmaker.scripts import Reply
from tests.unit.boxes import Box, event, history

KEYS = Keys("main")


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
    reading = board.wanted()
    board.read(reading, [history() for _ in reading])
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


def test_a_subscription_that_was_given_up_is_confirmed_anew() -> None:
    """Given a player whose listeners left, when others come, then nobody is read before the new subscription stands."""
    board = Board()
    box = listening(board, Box())
    board.remove(box)
    board.add(Box())
    assert board.add(Box()) is None
    assert not board.wanting


def test_a_message_from_before_the_reading_is_asked_for_once() -> None:
    board = Board()
    box = listening(board, Box())
    board.message("ann", text(900, 899))
    board.read(board.wanted(), [history()])
    assert (box.synced, board.wanting) == (True, False)


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
