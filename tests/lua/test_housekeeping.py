"""What is forgotten, what is trimmed, and when a realm is full."""

from __future__ import annotations

import random
from typing import Any

import pytest
import redis

from matchmaker import Matchmaker
from matchmaker.calls import Call
from matchmaker.errors import BacklogFull, UnknownTicket
from matchmaker.model import TicketRequest
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, START_MS, World
from tests.servers import StartServer

RETAIN_MS = 60_000


@pytest.fixture
def world(client: redis.Redis, realm: str) -> World:
    """Given a realm that remembers for a minute, and holds at most 2,000 events."""
    world = World(client, realm)
    world.mm.apply_rules({QUEUE: QueueRules(expire_after_seconds=0)}, retain_seconds=60, max_backlog=2_000)
    world.tend()
    return world


def is_remembered(world: World, ticket: str) -> bool:
    try:
        world.mm.status(ticket)
    except UnknownTicket:
        return False
    return True


def come_and_go(world: World, ticket: str) -> None:
    world.mm.enqueue(QUEUE, f"p-{ticket}", rating=1500, ticket=ticket)
    world.mm.cancel(ticket)


class TestRemembering:
    @pytest.mark.parametrize("after_ms", [0, 1, 30_000, 59_999, 60_000, 61_000])
    def test_at_least_retain_and_at_most_twice_that(self, world: World, after_ms: int) -> None:
        # Given a ticket that ended somewhere between two rotations
        world.now += after_ms
        come_and_go(world, "t1")
        ended = world.now
        # When time goes on, with somebody coming every second
        lasted = None
        while lasted is None:
            world.now += 1_000
            world.match_pass()
            if not is_remembered(world, "t1"):
                lasted = world.now - ended
            assert world.now - ended < 3 * RETAIN_MS
        # Then it is known for a minute at least, for two at most (and the second until somebody comes)
        assert RETAIN_MS <= lasted <= 2 * RETAIN_MS + 1_000

    def test_nothing_is_forgotten_that_ended_since_the_floor(self, world: World) -> None:
        rng = random.Random(4)
        ended: dict[str, int] = {}
        floor = 0
        for number in range(120):
            world.now += rng.choice([0, 10, 1_000, 20_000, 90_000])
            come_and_go(world, f"t{number}")
            ended[f"t{number}"] = world.now
            floor = int(world.meta()["floor_ms"])
            assert floor <= world.now
            assert all(is_remembered(world, ticket) for ticket, at in list(ended.items())[-20:] if at >= floor)
        assert floor > START_MS

    def test_the_floor_is_the_rotation_before_the_last(self, world: World) -> None:
        assert world.meta()["floor_ms"] == "0"
        rotations = [START_MS]
        for _ in range(4):
            world.now += RETAIN_MS + 77
            world.match_pass()
            assert world.meta()["floor_ms"] == str(rotations[-1])
            rotations.append(world.now)

    def test_it_happens_once_a_second_and_no_sooner(self, world: World) -> None:
        world.now += 1_000
        world.match_pass()
        kept = world.meta()["kept_ms"]
        world.now += 999
        world.match_pass()
        world.enqueue("ann", 1500)
        assert world.meta()["kept_ms"] == kept == str(START_MS + 1_000)
        world.now += 1
        world.match_pass()
        assert world.meta()["kept_ms"] == str(START_MS + 2_000)

    def test_a_player_is_remembered_as_long_as_the_last_ticket(self, world: World) -> None:
        come_and_go(world, "t1")
        for _ in range(3):
            world.now += RETAIN_MS
            world.match_pass()
        assert world.client.hlen(world.keys.ended[0]) == world.client.hlen(world.keys.ended[1]) == 0

    def test_a_used_id_may_live_again_only_after_it_is_forgotten(self, world: World) -> None:
        come_and_go(world, "t1")
        world.now += RETAIN_MS - 1
        assert world.mm.enqueue(QUEUE, "p-t1", rating=1, ticket="t1").state == "cancelled"


class TestTrimming:
    """The stream's nodes hold a hundred entries, and go as a whole."""

    def play(self, world: World, games: int) -> list[str]:
        """So many come and go at this moment; their tickets."""
        tickets = [f"t{world.now}-{number}" for number in range(games)]
        world.mm.enqueue_many(QUEUE, [TicketRequest(f"p-{ticket}", 1500, ticket=ticket) for ticket in tickets])
        assert world.mm.queue(QUEUE).clear() == games
        return tickets

    def first_kept(self, world: World) -> int:
        """The moment of the oldest event there is."""
        return int(world.events()[0][0].split("-")[0])

    def test_behind_the_floor_it_is_trimmed_and_not_before_it(self, world: World) -> None:
        played = {world.now: self.play(world, 200)}
        for _ in range(5):
            world.now += RETAIN_MS
            played[world.now] = self.play(world, 200)
            floor = int(world.meta()["floor_ms"])
            # Whatever ended since the floor can be told with its event
            tickets = [ticket for at, all_of_them in played.items() if at >= floor for ticket in all_of_them]
            assert all(world.mm.status(ticket).state == "cancelled" for ticket in tickets[::25])
            assert len(world.events()) <= 2 * 2 * len(tickets)
        assert self.first_kept(world) > START_MS

    @pytest.mark.parametrize("read", ["nothing", "all and acknowledged none", "all but the last of the first game"])
    def test_never_past_what_a_group_has_not_acknowledged(self, world: World, read: str) -> None:
        # Given a consumer group that is behind
        self.play(world, 150)
        world.now += 1_000
        self.play(world, 150)
        events, group = world.keys.events, "recorder"
        ids: list[bytes] = []
        world.client.xgroup_create(events, group, id="0")
        if read != "nothing":
            ((_, entries),) = world.client.xreadgroup(group, "one", {events: ">"}, count=1_000)
            ids = [id_ for id_, _ in entries]
            if read.startswith("all but"):
                world.client.xack(events, group, *ids[:1], *ids[2:])
        oldest = world.events()[0][0]
        # When all of it has become old
        for _ in range(4):
            world.now += RETAIN_MS
            self.play(world, 1)
        # Then it is all still there
        assert world.events()[0][0] == oldest
        # And goes once the group has caught up
        while batches := world.client.xreadgroup(group, "one", {events: ">"}, count=1_000):
            world.client.xack(events, group, *(id_ for id_, _ in batches[0][1]))
        world.client.xack(events, group, *ids, "0-0")
        world.now += RETAIN_MS
        self.play(world, 1)
        assert world.events()[0][0] != oldest

    def test_the_slowest_of_two_groups_counts(self, world: World) -> None:
        self.play(world, 150)
        world.client.xgroup_create(world.keys.events, "slow", id="0")
        world.client.xgroup_create(world.keys.events, "fast", id="$")
        oldest = world.events()[0][0]
        for _ in range(4):
            world.now += RETAIN_MS
            self.play(world, 1)
        assert world.events()[0][0] == oldest


class TestFull:
    def test_by_events(self, world: World) -> None:
        # Given a realm whose recorder reads nothing until the bound is reached
        world.client.xgroup_create(world.keys.events, "recorder", id="0")
        waiting = world.enqueue("ann", 1500)
        for number in range(5):
            tickets = [TicketRequest(f"p{number}-{n}", 1500) for n in range(200)]
            world.mm.enqueue_many(QUEUE, tickets)
            for ticket in tickets:
                world.mm.cancel(ticket.ticket)
        world.now += 1_000
        world.match_pass()
        before = world.dump()
        # Then no ticket is taken, and nothing of it is written
        with pytest.raises(BacklogFull, match="2000"):
            world.enqueue("eve", 1500)
        assert world.dump() == before
        assert world.mm.stats().full
        # While those who are known are answered, and tickets leave
        assert world.enqueue("ann", 1500) == waiting
        world.mm.cancel("t-ann")
        # And tickets are taken again when the recorder has caught up and old events are gone
        world.client.xgroup_destroy(world.keys.events, "recorder")
        for _ in range(4):
            world.now += RETAIN_MS
            world.match_pass()
        world.enqueue("eve", 1500)
        assert world.mm.stats().full == ""

    def test_by_memory(self, own_server: StartServer) -> None:
        server = own_server(appendonly=False)
        with redis.Redis.from_url(server.url) as client:
            world = World(client, "main")
            world.apply()
            world.enqueue("ann", 1500)
            world.enqueue("bob", 1500)
            used = int(client.info("memory")["used_memory"])
            # When 85% of the server's memory are used
            client.config_set("maxmemory", int(used / 0.87))
            world.now += 1_000
            with pytest.raises(BacklogFull, match="memory"):
                world.enqueue("eve", 1500)
            assert world.live() == {"t-ann", "t-bob"}
            # Then matching goes on, also when all of it is
            client.config_set("maxmemory", used // 2)
            assert world.match_pass().made == 1
            with pytest.raises(BacklogFull, match="maxmemory"):
                world.enqueue("eve", 1500)
            # And tickets are taken again when there is room
            client.config_set("maxmemory", 10 * used)
            world.now += 1_000
            world.enqueue("eve", 1500)

    @pytest.mark.parametrize("name", ["cancel", "expire", "clear", "heartbeat", "pair", "tend"])
    def test_tickets_leave_though_all_memory_is_used(self, own_server: StartServer, name: str) -> None:
        server = own_server(appendonly=False)
        with redis.Redis.from_url(server.url) as client:
            world = World(client, "main")
            world.apply(QueueRules(expire_after_seconds=1, heartbeat_seconds=1))
            world.enqueue("ann", 1500)
            world.enqueue("bob", 1900)
            if name == "tend":
                world.mm.apply_rules({"other": QueueRules()}, prune=True)
            client.config_set("maxmemory", "1mb")
            world.now += 1_000
            calls = world.calls
            leaving: dict[str, Call[Any]] = {
                "cancel": calls.cancel(QUEUE, "ticket", "t-ann", "requested"),
                "expire": calls.expire(QUEUE, ["t-ann"]),
                "clear": calls.clear(QUEUE, "", "", 10),
                "heartbeat": calls.heartbeat("t-ann"),
                "pair": calls.pair(QUEUE, "t-ann", "t-bob"),
                "tend": calls.tend(QUEUE),
            }
            world.run(leaving[name])
            assert ("t-ann" in world.live()) == (name == "heartbeat")


def test_a_server_that_hides_its_memory_does_no_harm(own_server: StartServer) -> None:
    """INFO may be closed to the user that scripts run as."""
    server = own_server(appendonly=False)
    with redis.Redis.from_url(server.url) as admin:
        admin.acl_setuser("client", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-info"])
        with redis.Redis(port=server.port, username="client", password="x") as client:
            clock = [START_MS]
            mm = Matchmaker(client, clock=lambda: clock[0])
            mm.apply_rules({QUEUE: QueueRules()})
            clock[0] += 1_000
            mm.enqueue(QUEUE, "ann", rating=1500)
            assert mm.stats().full == ""
