"""Ids and names made to break keys: any unicode, control characters, colons, braces, nothing at all, a megabyte.

What must hold: each is refused with InvalidInput that names the field, and then no key has changed; or it goes round
unharmed through enqueue, listening, status and cancel. No two names share a key, and all keys of a realm share a slot.
"""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from matchmaker.client import Matchmaker
from matchmaker.errors import InvalidInput
from matchmaker.keys import Keys
from matchmaker.model import EventKind, TicketState
from tests.faces import FACES, face
from tests.faults.scene import RECOVERY_SECONDS, Scene

NASTY = [
    "", " ", ":", "{}", "}{", "{", "}", "a:b", "{main}", "mm:{main}:events", "*", "?", "[a-z]", "\\", '"', "'", "\0",
    "a\0b", "\n", "\r\n", "\x7f", "\x85", "\u2028", "é", "日本語", "👩‍👩‍👧", "\u202e", "\ufeff", "\ufffd",
    "\ud800", "\udfff", "null",
    "nan", "-1", "t:x", "p:x", "%s", "%d%n", "../..", "x" * 64, "x" * 65, "x" * 128, "x" * 129,
    "é" * 64, "é" * 65, "x" * 1_000_000, "{" * 1_000_000,
]  # fmt: skip

anything = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(), max_size=140),
    st.text(st.sampled_from(':{}*?\0\n\\"x\ud800é'), max_size=70),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=40),
)

many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""One realm serves all examples of a test: a name that leaves something behind disturbs the next."""


def books(scene: Scene) -> dict[bytes, bytes | None]:
    """Everything on the server that belongs to any realm."""
    return {key: scene.client.dump(key) for key in scene.client.scan_iter(match="mm:*")}


def assert_refused(scene: Scene, before: dict[bytes, bytes | None], refusal: InvalidInput, field: str) -> None:
    assert refusal.field == field
    assert field in str(refusal)
    assert len(str(refusal)) < 500
    assert books(scene) == before


def assert_one_slot(scene: Scene) -> None:
    slots = {key_slot(key) for key in scene.client.scan_iter(match=f"mm:{{{scene.realm}}}*")}
    assert slots == {key_slot(scene.realm.encode())}


@many
@given(player=anything)
def test_players(scene: Scene, player: str) -> None:
    """Given any text as a player's id, then it is refused, or the player's events, status and cancel carry it back."""
    before = books(scene)
    try:
        ticket = scene.mm.enqueue("ladder", player, rating=1500)
    except InvalidInput as refusal:
        assert_refused(scene, before, refusal, "player")
        for call in (scene.mm.listen, scene.mm.cancel_player, scene.mm.status_of_player):
            with pytest.raises(InvalidInput):
                call(player)
        return
    assert ticket.player == player
    assert scene.mm.status(ticket) == scene.mm.status_of_player(player) == ticket
    assert [waiting.player for waiting in scene.mm.snapshot("ladder")] == [player]
    with scene.mm.listen(player) as listener:
        assert listener.ready(RECOVERY_SECONDS)
        assert scene.mm.cancel_player(player).state is TicketState.CANCELLED
        heard = [listener.get(RECOVERY_SECONDS), listener.get(RECOVERY_SECONDS)]
    assert [(event.kind, event.ticket.player) for event in heard if event and event.ticket] == [
        (EventKind.ENQUEUED, player),
        (EventKind.CANCELLED, player),
    ]
    assert_one_slot(scene)


def test_players_matched(scene: Scene) -> None:
    """Given every nasty id that is taken, when all of them wait together, then each is matched as itself."""
    players = []
    for player in NASTY:
        try:
            scene.mm.enqueue("ladder", player, rating=1500)
        except InvalidInput:
            continue
        players.append(player)
    assert len(players) > 20
    if len(players) % 2:
        scene.mm.cancel_player(players.pop())
    scene.matcher()
    scene.at_rest()
    matched = sorted(player for match in scene.ledger.matches.values() for player in match.players)
    assert matched == sorted(players)
    assert_one_slot(scene)
    scene.judge()


_numbers = count()


@many
@given(ticket=anything)
def test_tickets(scene: Scene, ticket: str) -> None:
    """Given any text as a ticket's id, then it is refused, or it comes back from status and cancel."""
    before = books(scene)
    player = f"p{next(_numbers)}"
    try:
        answer = scene.mm.enqueue("ladder", player, rating=1500, ticket=ticket)
    except InvalidInput as refusal:
        assert_refused(scene, before, refusal, "ticket")
        for call in (scene.mm.cancel, scene.mm.status, scene.mm.heartbeat):
            with pytest.raises(InvalidInput):
                call(ticket)
        return
    assert answer.id == ticket
    assert scene.mm.status(ticket) == answer
    assert scene.mm.cancel(ticket).id == ticket
    scene.client.delete(*scene.mm.calls.keys.ended)  # so that Hypothesis may try the same id again
    assert_one_slot(scene)


@many
@given(data=anything)
def test_data(scene: Scene, data: str) -> None:
    """Given any text as a ticket's data, then it is refused, or every event of the ticket carries it back."""
    before = books(scene)
    try:
        ticket = scene.mm.enqueue("ladder", "alice", rating=1500, data=data)
    except InvalidInput as refusal:
        assert_refused(scene, before, refusal, "data")
        return
    with scene.mm.listen("alice") as listener:
        assert listener.ready(RECOVERY_SECONDS)
        ended = scene.mm.cancel(ticket)
        heard = [listener.get(RECOVERY_SECONDS), listener.get(RECOVERY_SECONDS)]
    assert {event.ticket.data for event in heard if event and event.ticket} == {ticket.data} == {ended.data} == {data}


@many
@given(queue=anything)
def test_queues(scene: Scene, queue: str) -> None:
    """Given any text as a queue's name, then it is refused, or its keys are its own and in the realm's slot."""
    before = books(scene)
    try:
        waiting = scene.mm.queue(queue)
    except InvalidInput as refusal:
        assert_refused(scene, before, refusal, "queue")
        with pytest.raises(InvalidInput):
            scene.mm.enqueue(queue, "alice", rating=1500)
        return
    scene.mm.apply_rules({queue: scene.rules})
    ticket = waiting.add_player("alice", 1500)
    assert ticket.queue == queue
    assert waiting.queue_size() == 1
    assert queue == "ladder" or scene.mm.snapshot("ladder") == []
    assert scene.mm.cancel(ticket).queue == queue
    assert_one_slot(scene)


@many
@given(realm=anything)
def test_realms(scene: Scene, realm: str) -> None:
    """Given any text as a realm's name, then it is refused, or all its keys are in the slot of its own name."""
    before = books(scene)
    try:
        Matchmaker(scene.client, realm).close()
    except InvalidInput as refusal:
        assert_refused(scene, before, refusal, "realm")
        return
    keys = Keys(realm)
    assert {key_slot(key.encode()) for key in keys.line_keys("ladder")} == {key_slot(realm.encode())}


@given(names=st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True), min_size=2, max_size=2, unique=True))
def test_no_two_queues_share_a_key(names: list[str]) -> None:
    one, two = (Keys("main").line_keys(name)[11:] for name in names)
    assert set(one).isdisjoint(two)
    assert set(one + two).isdisjoint(Keys("main").realm_keys())


@given(player=st.text(min_size=1), other=st.text(min_size=1))
def test_no_two_players_share_a_channel(player: str, other: str) -> None:
    keys = Keys("main")
    assert keys.player_of(keys.channel(player)) == player
    assert (keys.channel(player) == keys.channel(other)) == (player == other)


@pytest.mark.parametrize("kind", FACES)
async def test_the_same_on_both_faces(scene: Scene, kind: str) -> None:
    """Given each nasty id, then both clients take and refuse the same."""
    async with face(kind, scene.url, scene.realm) as mm:
        taken = []
        for player in NASTY:
            before = books(scene)
            try:
                ticket = await mm.enqueue("ladder", player, rating=1500)
            except InvalidInput as refusal:
                assert_refused(scene, before, refusal, "player")
                continue
            taken.append(player)
            assert (await mm.status_of_player(player)).player == player
            assert (await mm.cancel(ticket)).player == player
    plain = [text for text in NASTY if text and text.isprintable() and len(text.encode()) <= 128]
    assert set(plain) <= set(taken)
    assert not {"", "\0", "a\0b", "\n", "\ud800", "x" * 129, "é" * 65} & set(taken)
