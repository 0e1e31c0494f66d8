"""pass: what is due becomes matches, in one step each; the reply says when to come back."""

from __future__ import annotations

import pytest

from matchmaker import TicketState
from matchmaker.errors import UnknownQueue
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, START_MS, World


class TestOneMatch:
    def test_both_leave_and_are_told_in_one_step(self, world: World) -> None:
        # Given two players who meet after each waited for a while
        world.enqueue("bob", 1520, deviation=50.0)
        world.now += 6_000
        world.enqueue("ann", 1500, data="x")
        enqueued = {told["player"]: id_ for id_, kind, told in world.events() if kind == "enqueued"}
        world.match_pass()
        world.now += 7_000
        with world.ear() as ear:
            # When the pass runs at the moment they fall due
            report = world.match_pass()
            heard = ear.heard()
        # Then they are a match, the lower rating first
        (match,) = report.matches
        assert match.players == ("ann", "bob")
        assert (match.gap, match.value, match.at_ms, match.rules_version) == (20, 0, START_MS + 13_000, 1)
        # And its event is the stream's last, with all a replay needs
        event_id, kind, told = world.events()[-1]
        assert (kind, event_id) == ("matched", match.id)
        assert told == {
            "v": 1, "event": "matched", "at": START_MS + 13_000, "queue": QUEUE, "rules": 1, "gap": 20, "value": 0,
            "teams": [
                [{"ticket": "t-ann", "player": "ann", "rating": 1500, "data": "x", "waited_ms": 7_000}],
                [{"ticket": "t-bob", "player": "bob", "rating": 1520, "deviation": 50, "waited_ms": 13_000}],
            ],
        }  # fmt: skip
        # And each heard it as the event after the last
        assert heard == [(player, {"id": event_id, "prev": enqueued[player], **told}) for player in ("ann", "bob")]
        # And nothing is left of them but what is remembered
        assert world.live() == set()
        assert world.due() == {}
        assert world.meta()["matched"] == "2"
        for player in ("ann", "bob"):
            assert world.mm.status_of_player(player).state is TicketState.MATCHED
        world.assert_coherent()

    @pytest.mark.parametrize(("early_ms", "made"), [(1, 0), (0, 1)])
    def test_at_the_moment_that_was_stored_and_not_before(self, world: World, early_ms: int, made: int) -> None:
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1530)
        moment = world.match_pass().next_ms
        assert moment == START_MS + 15_000
        world.now = moment - early_ms
        assert world.match_pass().made == made

    def test_again_there_is_nothing_to_do(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1500)
        assert world.match_pass().made == 1
        before = world.dump()
        again = world.match_pass()
        assert (again.made, again.looked, again.matches) == (0, 0, ())
        assert world.dump() == before

    def test_a_value_of_exactly_nothing_is_taken(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1500)
        report = world.match_pass()
        assert (report.made, report.value) == (1, 0)


class TestReport:
    def test_names_the_realms_earliest_moments(self, world: World) -> None:
        # Given another line that is due earlier, and expiries
        world.apply(QueueRules(expire_after_seconds=40), "brief")
        world.enqueue("eve", 1000, queue="brief")
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1560)
        # Then a pass says so
        report = world.match_pass()
        assert (report.next_ms, report.due_ms, report.due_line) == (START_MS + 30_000, START_MS, "brief")
        assert report.ends_ms == START_MS + 40_000
        assert (report.looked, report.work) == (report.looked, False)
        # And with that one at rest, its own
        assert world.match_pass(queue="brief").due_line == QUEUE

    def test_shows_as_many_matches_as_asked_for_and_counts_all(self, world: World) -> None:
        for number in range(20):
            world.enqueue(f"p{number}", 1000 * (number // 2))
        with world.ear() as ear:
            report = world.match_pass(shown=3)
            assert len({told["id"] for _, told in ear.heard()}) == 10
        assert (report.made, len(report.matches), report.value) == (10, 3, 0)

    def test_nobody_waits(self, world: World) -> None:
        report = world.match_pass()
        assert (report.made, report.looked, report.next_ms, report.due_ms, report.ends_ms) == (0, 0, None, None, None)

    def test_a_queue_that_does_not_exist_any_more(self, world: World) -> None:
        """A hint may still name it: it is taken off the agenda."""
        world.client.zadd(world.keys.due, {"gone": 1})
        with pytest.raises(UnknownQueue):
            world.match_pass(queue="gone")
        assert world.due() == {}


class TestInterval:
    @pytest.fixture
    def world(self, world: World) -> World:
        """Given a queue that looks at arrivals half a second after they came."""
        world.apply(QueueRules(interval_ms=500))
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1500)
        return world

    def test_an_arrival_is_not_looked_at_before(self, world: World) -> None:
        world.now += 499
        report = world.match_pass()
        assert (report.made, report.looked, report.next_ms) == (0, 0, START_MS + 500)
        world.now += 1
        assert world.match_pass().made == 1

    def test_ahead_of_time_on_demand(self, world: World) -> None:
        assert world.match_pass(ahead=True).made == 1

    def test_ahead_of_time_ends_where_nobody_is_due(self, world: World) -> None:
        world.match_pass(ahead=True)
        for number in range(100):
            world.enqueue(f"p{number}", 10_000 + 1_000 * number)
        report = world.match_pass(10_000, ahead=True)
        assert report.made == 0
        assert report.next_ms is None

    def test_ahead_of_time_wakes_matchers_for_what_it_brought_forward(self, world: World) -> None:
        """Given matchers that sleep until the interval is over, when a look ahead of it finds that two fall due before,
        then the moment is on the agenda and a matcher is told."""
        world.apply(QueueRules(interval_ms=30_000), "slow")
        world.enqueue("cat", 1500, queue="slow")
        world.enqueue("dan", 1501, queue="slow")
        world.client.delete(world.keys.wake)
        assert world.match_pass(queue="slow", ahead=True).next_ms == START_MS + 500
        assert world.due()["slow"] == START_MS + 500
        assert world.hints() == ["slow"]

    def test_ahead_of_time_reaches_arrivals_behind_any_number_at_rest(self, world: World) -> None:
        """Given sixty who fall due by themselves within the interval, when two who match arrive behind them, then one
        look ahead finds these."""
        world.apply(QueueRules(interval_ms=60_000), "slow")
        for number in range(60):
            world.enqueue(f"p{number}", 100 * number, queue="slow")
        while world.match_pass(queue="slow", ahead=True).looked:
            pass
        world.enqueue("cat", 50_000, queue="slow")
        world.enqueue("dan", 50_000, queue="slow")
        assert world.match_pass(128, queue="slow", ahead=True).made == 1


class TestEveryKindOfRules:
    """When two fall due who came 10 s apart, 40 points from one another."""

    @pytest.mark.parametrize(
        ("accept", "table", "after_ms"),
        [
            ("sum", {"per_second": 1.0}, 25_000),
            ("either", {"per_second": 1.0}, 40_000),
            ("both", {"per_second": 1.0}, 50_000),
            ("sum", {"per_second": 1.0, "base": 15.0}, 10_000),
            ("sum", {"per_second": 1.0, "cap": 20.0}, 30_000),
            ("sum", {"per_second": 1.0, "cap": 19.0}, None),
            ("both", {"per_second": 1.0, "cap": 40.0}, 50_000),
            ("either", {"per_second": 1.0, "cap": 39.0}, None),
            ("sum", {"per_second": 0.0, "base": 20.0}, 10_000),
            ("sum", {"per_second": 0.0, "base": 19.0}, None),
            ("sum", {"per_second": 1.0, "per_deviation": 0.5, "deviation_above": 50.0}, 20_000),
            ("sum", {"kind": "stepped", "step": 20.0, "every_seconds": 30.0}, 40_000),
            ("both", {"kind": "stepped", "step": 20.0, "every_seconds": 30.0}, 70_000),
            ("either", {"kind": "exponential", "base": 5.0, "doubling_seconds": 10.0}, 30_000),
            ("both", {"kind": "exponential", "base": 5.0, "doubling_seconds": 10.0}, 40_000),
            ("sum", {"kind": "stepped", "step": 0.0, "every_seconds": 30.0}, None),
        ],
    )
    def test_their_moment(self, world: World, accept: str, table: dict[str, object], after_ms: int | None) -> None:
        world.apply(QueueRules.model_validate({"accept": accept, "willingness": table}))
        world.enqueue("ann", 1500, deviation=60.0)
        world.match_pass()
        world.now += 10_000
        world.enqueue("bob", 1540, deviation=60.0)
        report = world.match_pass()
        if after_ms == 10_000:
            assert report.made == 1
            return
        assert report.made == 0
        assert report.next_ms == (None if after_ms is None else START_MS + after_ms)
        world.now += 10**9
        assert world.match_pass().made == (after_ms is not None)

    @pytest.mark.parametrize("accept", ["sum", "either", "both"])
    @pytest.mark.parametrize(("gap", "made"), [(100, 1), (100.001, 0)])
    def test_the_widest_gap_is_final(self, world: World, accept: str, gap: float, made: int) -> None:
        world.apply(QueueRules.model_validate({"accept": accept, "max_gap": 100}))
        world.enqueue("ann", 0)
        world.enqueue("bob", gap)
        assert (world.match_pass().next_ms is None) == (not made)
        world.now += 10**9
        assert world.match_pass().made == made


class TestBoth:
    """Under "both" a ticket sees sixteen places, and one that leaves brings another into sight."""

    @pytest.mark.parametrize("twins", [["near"], ["far", "near"]])
    def test_who_comes_into_sight_is_seen(self, world: World, twins: list[str]) -> None:
        # Given two who would have each other, sixteen places that never give a point between them, and more beyond
        world.apply(QueueRules.model_validate({"accept": "both", "willingness": {"per_second": 0, "per_deviation": 1}}))
        world.enqueue("left", 0, deviation=200.0)
        for place in range(1, 80):
            if place != 17:
                world.enqueue(f"p{place:02}", 10 * place)
        world.enqueue("right", 170, deviation=200.0)
        for _ in range(10):
            world.match_pass()
        assert {"t-left", "t-right"} <= world.live()
        # When one of those between leaves, matched with a twin; also if the look is centred on another twin far off
        ratings = {"near": 80, "far": 260}
        for order, twin in enumerate(twins):
            world.enqueue(twin, ratings[twin], ticket=f"a{order}")
        # Then the two see each other before the line is at rest
        for _ in range(10):
            world.match_pass()
        assert not {"t-left", "t-right"} & world.live()
        assert world.meta()["matched"] == str(2 + 2 * len(twins))
