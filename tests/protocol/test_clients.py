"""Clients in other languages, on the protocol alone: each enqueues, cancels, hears its match, resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from matchmaker.functions import flags_of, library_source, load
from matchmaker.keys import Keys
from matchmaker.rules import QueueRules
from tests.faults.ears import reached
from tests.integration.matchers import MatcherProcess
from tests.lua.plain_calls import plain_calls
from tests.lua.world import World
from tests.protocol.conftest import Connect
from tests.protocol.drivers import Driver, cut_listeners
from tests.protocol.resp_client import EventsLost

QUEUE = "ladder"
RETAIN_MS = 60_000
RULES = QueueRules.model_validate({"willingness": {"base": 50.0}}).compiled()
PATIENCE_SECONDS = 20.0


def ticket(name: str, player: str, rating: float = 1500.0, **more: Any) -> str:
    return json.dumps({"ticket": name, "player": player, "rating": rating, **more}, ensure_ascii=False)


def ready(connect: Connect) -> Driver:
    """A client that loaded the functions and made the realm, by itself."""
    client = connect()
    client.load(library_source())
    assert list(client.apply(QUEUE, RULES)) == ["applied", QUEUE, "created", "1"]
    return client


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Kind and ticket of each: the listener's own ticket where it is a match."""
    return [(one["event"], one.get("ticket") or one["teams"][0][0]["ticket"]) for one in events]


def test_enqueue_and_cancel(connect: Connect) -> None:
    """Given a queue, when a client enqueues, retries, enqueues once more and cancels, then each answer is the one that
    the page promises."""
    client = ready(connect)

    first = client.enqueue(QUEUE, ticket("t-1", "zoë", data='"quoted" ✓'))
    retried = client.enqueue(QUEUE, ticket("t-1", "zoë", data='"quoted" ✓'))
    second = client.enqueue(QUEUE, ticket("t-2", "zoë"))
    reused = client.enqueue(QUEUE, ticket("t-1", "bob"))
    cancelled = client.cancel(QUEUE, "t-1")
    again = client.cancel(QUEUE, "t-1")
    late = client.enqueue(QUEUE, ticket("t-1", "zoë"))

    state, name, _, event_id, prev, text = first
    assert (state, name, prev) == ("waiting", "t-1", "")
    body = json.loads(text)
    assert (body["player"], body["rating"], body["data"]) == ("zoë", 1500, '"quoted" ✓')
    assert retried == first
    assert second == ["already_waiting", "t-1", QUEUE, "zoë"]
    assert reused == ["ticket_reused", "t-1", "zoë", QUEUE]
    assert (cancelled[0], cancelled[1], cancelled[4]) == ("cancelled", "t-1", event_id)
    assert json.loads(cancelled[5])["reason"] == "requested"
    assert again == late == cancelled
    assert client.cancel(QUEUE, "never") == ["unknown_ticket", "never"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"ticket":"t-1","player":"ann","rating":NaN}', "rating"),
        ('{"ticket":"t-1","player":"ann","rating":1e999}', "rating"),
        ('{"ticket":"t-1","player":"ann","rating":1000000.5}', "rating"),
        ('{"ticket":"t-1","player":"ann","rating":"1500"}', "rating"),
        ('{"ticket":"t-1","player":"","rating":1500}', "player"),
        ("[", "ticket"),
    ],
)
def test_what_is_refused_changes_nothing(
    connect: Connect, redis_client: redis.Redis, realm: str, text: str, field: str
) -> None:
    client = ready(connect)
    reply = client.enqueue(QUEUE, text)
    assert reply[:2] == ["invalid", f"tickets[1].{field}"]
    assert redis_client.hlen(Keys(realm).tickets) == 0
    assert redis_client.xlen(Keys(realm).events) == 1  # the rules


def test_a_match_is_heard(connect: Connect, start_matcher: Callable[[], MatcherProcess]) -> None:
    """Given a matcher and a listening client, when an opponent comes, then it hears of the match."""
    client = ready(connect)
    start_matcher()
    client.listen("ann")
    client.enqueue(QUEUE, ticket("t-1", "ann", deviation=80))
    client.enqueue(QUEUE, ticket("t-2", "bob", 1510.5))

    enqueued, matched = client.event(), client.event()

    assert kinds([enqueued, matched]) == [("enqueued", "t-1"), ("matched", "t-1")]
    assert (enqueued["prev"], matched["prev"]) == ("", enqueued["id"])
    assert matched["gap"] == 10.5
    assert [team[0]["player"] for team in matched["teams"]] == ["ann", "bob"]
    state, _, _, match_id, _, body = client.enqueue(QUEUE, ticket("t-1", "ann", deviation=80))
    assert (state, match_id) == ("matched", matched["id"])
    assert {"id": match_id, "prev": enqueued["id"], **json.loads(body)} == matched


def test_a_client_whose_connection_is_cut_resumes(
    connect: Connect, start_matcher: Callable[[], MatcherProcess], redis_client: redis.Redis, realm: str
) -> None:
    """Given a listening client, when its connection is killed, it is matched meanwhile, enqueues and cancels again
    from elsewhere, then it hears all of that once and in order, and goes on to hear what follows."""
    client, elsewhere = ready(connect), connect()
    start_matcher()
    client.listen("ann")
    client.enqueue(QUEUE, ticket("t-1", "ann"))
    heard = [client.event()]

    client.fall_asleep()
    assert cut_listeners(redis_client) == 1
    elsewhere.enqueue(QUEUE, ticket("t-2", "bob"))
    keys = Keys(realm)
    assert reached(lambda: redis_client.hlen(keys.tickets) == 0, PATIENCE_SECONDS), "they are not matched"
    elsewhere.enqueue(QUEUE, ticket("t-3", "ann"))
    elsewhere.cancel(QUEUE, "t-3")
    client.wake_up()
    heard += [client.event() for _ in range(3)]
    client.enqueue(QUEUE, ticket("t-4", "ann"))
    heard += [client.event()]
    client.cancel(QUEUE, "t-4")
    heard += [client.event()]

    assert kinds(heard) == [
        ("enqueued", "t-1"),
        ("matched", "t-1"),
        ("enqueued", "t-3"),
        ("cancelled", "t-3"),
        ("enqueued", "t-4"),
        ("cancelled", "t-4"),
    ]
    assert [one["prev"] for one in heard] == ["", *(one["id"] for one in heard[:-1])]


def test_a_new_client_resumes_after_a_cursor(connect: Connect) -> None:
    """Given the id of an event from before, when another client listens after it, then it hears what followed only."""
    client = ready(connect)
    client.enqueue(QUEUE, ticket("t-1", "ann"))
    cursor = client.cancel(QUEUE, "t-1")[3]
    client.enqueue(QUEUE, ticket("t-2", "ann"))

    other = connect()
    other.listen("ann", cursor)

    assert kinds([other.event()]) == [("enqueued", "t-2")]
    client.cancel(QUEUE, "t-2")
    assert kinds([other.event()]) == [("cancelled", "t-2")]


def test_what_the_doorbell_missed_and_what_it_repeats(connect: Connect, redis_client: redis.Redis, realm: str) -> None:
    """Given a listener, when one event goes by unheard, a strange message comes and a match is rung twice, then the
    listener has every event of its player once and nothing else."""
    client = ready(connect)
    client.listen("ann")
    client.enqueue(QUEUE, ticket("t-1", "ann"))
    heard = [client.event()]
    keys = Keys(realm)
    line = keys.line_keys(QUEUE)

    redis_client.fcall("mm1_cancel", 13, *line, "", keys.prefix + "nowhere:", QUEUE, "ticket", "t-1", "unheard")
    strange = {**heard[0], "id": "9999999999999-0", "prev": "9999999999998-0"}
    redis_client.publish(keys.channel("ann"), json.dumps(strange))
    heard.append(client.event())
    client.enqueue(QUEUE, ticket("t-2", "ann"))
    client.enqueue(QUEUE, ticket("t-3", "bob"))
    match, _ = redis_client.fcall("mm1_pair", 13, *line, "", keys.channel_prefix, QUEUE, "t-2", "t-3")[1:]
    redis_client.fcall("mm1_ring", 11, *line[:11], "", keys.channel_prefix, match)
    client.enqueue(QUEUE, ticket("t-4", "ann"))
    heard += [client.event() for _ in range(3)]

    assert kinds(heard) == [
        ("enqueued", "t-1"),
        ("cancelled", "t-1"),
        ("enqueued", "t-2"),
        ("matched", "t-2"),
        ("enqueued", "t-4"),
    ]


def test_a_ticket_without_a_rating(connect: Connect, redis_client: redis.Redis, realm: str) -> None:
    """Given a player whom the realm knows and one it does not, when they bring no rating, then one gets the realm's."""
    client = ready(connect)
    redis_client.zadd(Keys(realm).ratings(QUEUE), {"ann": 1612.5})
    redis_client.hset(Keys(realm).deviations(QUEUE), "ann", "75")
    known = client.enqueue(QUEUE, '{"ticket":"t-1","player":"ann"}')
    unknown = client.enqueue(QUEUE, '{"ticket":"t-2","player":"bob"}')
    null = client.enqueue(QUEUE, '{"ticket":"t-2","player":"bob","rating":null}')
    assert (json.loads(known[5])["rating"], json.loads(known[5])["deviation"]) == (1612.5, 75)
    assert unknown == ["rating_unknown", "bob", QUEUE]
    assert null[:2] == ["invalid", "tickets[1].rating"]


def test_both_versions_of_resp_say_the_same(redis_client: redis.Redis, redis_url: str, realm: str) -> None:
    """Given connections of either version, when they ask the same, then they get the same, nils nowhere."""
    load(redis_client)
    world = World(redis_client, realm)
    world.apply()
    world.enqueue("ann", 1500)
    world.enqueue("bob", 1500)
    for name, args in plain_calls(world).items():
        if "no-writes" not in flags_of(name) or name == "history":  # which tells the server's clock
            continue
        keys, replies = world.keys.line_keys(QUEUE), []
        for version in (2, 3):
            with redis.Redis.from_url(redis_url, protocol=version) as client:
                replies.append(client.fcall_ro(f"mm1_{name}", len(keys), *keys, *args))
        assert replies[0] == replies[1]
        assert None not in replies[0]


@pytest.fixture
def world(redis_client: redis.Redis, realm: str) -> World:
    """The test's realm in virtual time, which remembers for a minute."""
    world = World(redis_client, realm)
    world.apply(retain_seconds=RETAIN_MS // 1000)
    return world


def come_and_go(world: World, name: str) -> str:
    """Ann joins and leaves with a ticket of that name; answers the id of the last event."""
    world.mm.enqueue(QUEUE, "ann", rating=1500, ticket=name)
    world.mm.cancel(name)
    world.now += 1
    return world.events()[-1][0]


def test_a_long_absence_is_read_page_by_page(connect: Connect, world: World) -> None:
    """Given more tickets than a page of history holds, when a client resumes before them, then it hears every event."""
    client = connect()
    client.load(library_source())
    cursor = come_and_go(world, "t-0")
    for i in range(1, 131):
        come_and_go(world, f"t-{i}")

    client.listen("ann", cursor)
    heard = [client.event() for _ in range(260)]

    wanted = [(kind, f"t-{i}") for i in range(1, 131) for kind in ("enqueued", "cancelled")]
    assert kinds(heard) == wanted


def test_what_may_be_forgotten_is_an_error(connect: Connect, world: World) -> None:
    """Given a cursor older than the realm remembers, when a client resumes after it, then it is told so."""
    client = connect()
    client.load(library_source())
    cursor = come_and_go(world, "t-0")
    for i in range(1, 5):
        come_and_go(world, f"t-{i}")
        world.now += RETAIN_MS

    client.listen("ann", cursor)

    with pytest.raises(EventsLost):
        client.event()
