"""tend: the slow work that new rules give a line, a part of it a call."""

from __future__ import annotations

from itertools import pairwise

import pytest

from matchmaker import TicketState
from matchmaker.model import TicketRequest
from matchmaker.reports import PassReport
from matchmaker.rules import Linear, QueueRules
from matchmaker.willingness import Waiting, due_at
from tests.lua.world import QUEUE, World


def tend(world: World, places: int = 256, queue: str = QUEUE) -> PassReport:
    report: PassReport = world.run(world.calls.tend(queue, places))
    return report


def crowd(world: World, size: int, apart: float = 50.0) -> None:
    requests = [TicketRequest(f"p{n:03}", 1500 + apart * n, ticket=f"t{n:03}") for n in range(size)]
    for i in range(0, size, 100):
        world.mm.enqueue_many(QUEUE, requests[i : i + 100])
    for _ in range(size):
        if world.match_pass().looked == 0:
            break


class TestNewRules:
    @pytest.mark.parametrize("accept", ["sum", "either", "both"])
    @pytest.mark.parametrize("places", [1, 3, 40, 256])
    def test_every_certificate_and_expiry_is_renewed(self, world: World, accept: str, places: int) -> None:
        # Given a line at rest under slow rules
        crowd(world, 60)
        world.now += 1_000
        # When faster ones are worked in, some places a call
        rules = QueueRules.model_validate(
            {"accept": accept, "expire_after_seconds": 77, "willingness": {"per_second": 3}}
        )
        world.mm.apply_rules({QUEUE: rules})
        calls = world.tend(places=places)
        # Then each call did its part
        assert calls >= (60 - 16) // places
        # And everybody has the moment of the new rules, and expires by them
        line = [Waiting(ticket, rating, world.now - 1_000) for ticket, rating in world.line()]
        moments = {a.ticket: due_at(rules, a, b, world.now) for a, b in pairwise(line)}
        assert world.certificates() == moments
        assert set(world.ends().values()) == {world.now - 1_000 + 77_000}
        assert world.due()[QUEUE] == min(at for at in moments.values() if at)

    def test_expiry_ends_where_the_new_rules_have_none(self, world: World) -> None:
        crowd(world, 5)
        assert world.ends()
        world.apply(QueueRules(expire_after_seconds=0))
        assert world.ends() == {}

    def test_no_certificate_where_nobody_can_fall_due(self, world: World) -> None:
        crowd(world, 5)
        assert world.certificates()
        world.apply(QueueRules(willingness=Linear(per_second=0)))
        assert world.certificates() == {}
        assert world.due() == {}

    def test_the_line_stays_due_until_it_is_done(self, world: World) -> None:
        crowd(world, 30)
        world.mm.apply_rules({QUEUE: QueueRules(max_gap=51)})
        report = tend(world, 10)
        assert (report.work, report.next_ms, report.due_line) == (True, world.now, QUEUE)
        assert report.looked >= 10
        # Also when a ticket leaves meanwhile
        world.mm.cancel("t000")
        assert world.due()[QUEUE] <= world.now
        assert tend(world, 256).work is False

    def test_where_there_is_nothing_to_do_it_says_so(self, world: World) -> None:
        world.tend()
        before = world.dump()
        assert tend(world).looked == 0
        assert world.dump() == before

    def test_passes_match_by_the_new_rules_at_once(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1600)
        world.match_pass()
        world.mm.apply_rules({QUEUE: QueueRules(willingness=Linear(base=50))})
        world.enqueue("eve", 1701)
        assert world.mm.attempt_match(QUEUE).made == 1
        assert world.events()[-1][2]["rules"] == 2


class TestRemovedQueue:
    """A queue that is removed while tickets wait: they are cancelled, a bounded number a call."""

    def test_everybody_is_cancelled_and_told_why(self, world: World) -> None:
        # Given 130 who wait, and a queue beside theirs
        crowd(world, 130)
        world.apply(queue="other")
        world.enqueue("eve", 1500, queue="other")
        # When theirs is removed
        world.mm.apply_rules({"other": QueueRules()}, prune=True)
        assert world.match_pass().work
        with world.ear() as ear:
            sizes = [len(world.line())]
            while world.run(world.calls.tend(QUEUE)).work:
                sizes.append(len(world.line()))
            heard = ear.heard()
        # Then a bounded number leaves in each call, the lowest first
        assert all(0 < one - other <= 100 for one, other in pairwise(sizes))
        assert len(sizes) > 1
        # And each of them hears why
        assert [player for player, _ in heard] == [f"p{n:03}" for n in range(130)]
        assert {(told["event"], told["reason"]) for _, told in heard} == {("cancelled", "queue_removed")}
        assert world.mm.status("t007").state is TicketState.CANCELLED
        # And nothing of the queue is left but its history
        assert world.line() == []
        assert QUEUE not in world.due()
        assert not world.client.exists(world.keys.line_due(QUEUE))
        assert world.mm.rules().keys() == {"other"}
        assert world.live() == {"t-eve"}
        assert world.meta()["cancelled"] == "130"

    def test_it_stays_due_until_everybody_left_whatever_else_leaves(self, world: World) -> None:
        crowd(world, 3)
        world.mm.apply_rules({"other": QueueRules()}, prune=True)
        world.mm.cancel("t000")
        assert world.due()[QUEUE] <= world.now
        world.tend()
        assert world.live() == set()

    def test_an_empty_one_is_gone_after_one_call(self, world: World) -> None:
        world.mm.apply_rules({"other": QueueRules()}, prune=True)
        assert tend(world).work is False
        assert world.mm.rules().keys() == {"other"}
        assert QUEUE not in world.due()

    def test_added_again_meanwhile_it_keeps_who_is_left(self, world: World) -> None:
        # Given a removal that has begun
        crowd(world, 80)
        world.mm.apply_rules({"other": QueueRules()}, prune=True)
        assert tend(world, 30).work
        left = [ticket for ticket, _ in world.line()]
        assert 0 < len(left) < 80
        # When the queue is added again
        (change,) = world.mm.apply_rules({QUEUE: QueueRules(max_gap=49)})
        world.tend()
        # Then the others wait on under its rules, and it takes tickets
        assert (change.change, change.version) == ("changed", 2)
        assert [ticket for ticket, _ in world.line()] == left
        assert world.certificates() == {}
        world.enqueue("eve", 1)
        world.assert_coherent()

    def test_added_again_afterwards_its_versions_go_on(self, world: World) -> None:
        world.apply(queue="other", prune=True)
        world.tend()
        (change,) = world.mm.apply_rules({QUEUE: QueueRules()})
        assert (change.change, change.version) == ("created", 2)
