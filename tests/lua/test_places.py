"""Where tickets with terms stand: in several queues at once, on sides and in classes, and what new rules do to them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker.rules import QueueRules, rules_from
from tests.lua.world import QUEUE, World

PLAIN: dict[str, Any] = {}
SIDES = {"sides": ["bw", "sc2"]}
AVOID = {"avoid": 3}


def apply(world: World, **queues: Any) -> None:
    world.mm.apply_rules(rules_from(queues))
    for queue in queues:
        world.tend(queue)


def enqueue(world: World, queues: str, player: str, **members: Any) -> list[Any]:
    ticket = json.dumps({"ticket": f"t-{player}", "player": player, **members})
    (reply,) = world.raw("enqueue", world.now, world.keys.channel_prefix, queues, ticket, line=queues.partition(",")[0])
    return [part.decode() if isinstance(part, bytes) else part for part in reply]


def standing(world: World, ticket: str) -> set[str]:
    """The sorted sets and hashes of living tickets in which the ticket is found, by the end of their names."""
    found = set()
    for key, held in world.dump().items():
        name = key.decode().removeprefix(world.keys.prefix)
        if name.startswith(("ended", "events", "met")):
            continue
        if isinstance(held, list) and held and isinstance(held[0], tuple):
            members = {member for member, _ in held}
        elif isinstance(held, dict):
            members = {*held, *held.values()}
        else:
            members = set()
        if ticket.encode() in members:
            found.add(name)
    return found


def run_passes(world: World, *lines: str) -> list[dict[str, Any]]:
    before = len(world.events())
    for line in lines:
        for _ in range(20):
            report = world.match_pass(queue=line)
            if report.next_ms is None or report.next_ms > world.now:
                break
    return [body for _, kind, body in world.events()[before:] if kind == "matched"]


class TestSeveralQueues:
    def test_a_ticket_stands_in_all_of_them_at_its_rating_there(self, world: World) -> None:
        apply(world, ladder=PLAIN, casual=PLAIN)
        reply = enqueue(
            world, "ladder,casual", "alice", ratings={"ladder": {"rating": 1500}, "casual": {"rating": 900}}
        )
        assert reply[0] == "waiting"
        assert world.line("ladder") == [("t-alice", 1500.0)]
        assert world.line("casual") == [("t-alice", 900.0)]

    @pytest.mark.parametrize("first", ["ladder,casual", "casual,ladder"])
    def test_matched_in_one_and_gone_from_all(self, world: World, first: str) -> None:
        """Given alice in two queues and bob in one of them, when they are matched there, then nothing is left of her in
        the other, and who stood to her left there is looked at again."""
        apply(world, ladder=PLAIN, casual=PLAIN)
        enqueue(world, first, "alice", rating=1500)
        enqueue(world, "ladder", "left", rating=1400)
        enqueue(world, "ladder", "right", rating=1600)
        run_passes(world, "ladder", "casual")
        enqueue(world, "casual", "bob", rating=1501)
        world.now += 1000
        (match,) = run_passes(world, "casual")
        assert match["queue"] == "casual"
        assert {team[0]["player"] for team in match["teams"]} == {"alice", "bob"}
        assert standing(world, "t-alice") == set()
        assert world.certificates("ladder")["t-left"] <= world.now
        world.now += 100_000
        (match,) = run_passes(world, "ladder")
        assert {team[0]["player"] for team in match["teams"]} == {"left", "right"}

    def test_matched_at_the_rating_of_the_queue(self, world: World) -> None:
        apply(world, ladder=PLAIN, casual=PLAIN)
        enqueue(world, "ladder,casual", "alice", ratings={"ladder": {"rating": 1500}, "casual": {"rating": 900}})
        enqueue(world, "casual", "bob", rating=903)
        world.now += 2000
        (match,) = run_passes(world, "casual")
        assert match["gap"] == 3
        assert [team[0]["rating"] for team in match["teams"]] == [900, 903]

    def test_a_queue_with_sides_beside_one_without(self, world: World) -> None:
        apply(world, ladder=PLAIN, versus=SIDES)
        enqueue(world, "ladder,versus", "alice", rating=1500, sides={"bw": {"rating": 1000}, "sc2": {"rating": 1200}})
        assert standing(world, "t-alice") >= {
            "line:ladder",
            "line:versus:bw",
            "line:versus:sc2",
            "ages:versus",
            "terms",
        }
        enqueue(world, "versus", "bob", sides={"sc2": {"rating": 1001}})
        world.now += 1000
        (match,) = run_passes(world, "versus")
        assert [team[0]["player"] for team in match["teams"]] == ["alice", "bob"]
        assert standing(world, "t-alice") == set()
        assert world.client.hgetall(world.keys.prefix + "lines") == {}

    def test_cancelled_and_expired_are_gone_from_all(self, world: World) -> None:
        apply(world, ladder={"expire_after_seconds": 60.0}, versus=SIDES)
        for player in ("alice", "bob"):
            enqueue(world, "ladder,versus", player, rating=1500 + len(player), sides={"bw": {"rating": 1000}})
        world.mm.cancel("t-alice")
        assert standing(world, "t-alice") == set()
        world.now += 60_000
        assert world.run(world.calls.expire("ladder", ["t-bob"])) == 1
        assert standing(world, "t-bob") == set()

    @pytest.mark.parametrize(
        ("queues", "reply"),
        [
            ("ladder,ladder", ["invalid", "queues"]),
            (",".join(f"q{n}" for n in range(9)), ["invalid", "queues"]),
            ("ladder,nowhere", ["unknown_queue", "nowhere"]),
        ],
    )
    def test_refused_before_any_write(self, world: World, queues: str, reply: list[str]) -> None:
        before = world.dump()
        assert enqueue(world, queues, "alice", rating=1500)[: len(reply)] == reply
        assert world.dump() == before

    def test_again_is_the_same(self, world: World) -> None:
        apply(world, ladder=PLAIN, casual=PLAIN)
        first = enqueue(world, "ladder,casual", "alice", rating=1500)
        before = world.dump()
        assert enqueue(world, "ladder,casual", "alice", rating=1500) == first
        assert enqueue(world, "casual", "bob", rating=1500)[0] == "waiting"
        assert world.dump().keys() == before.keys()


class TestNewRules:
    def test_constraints_on_a_line_that_waits(self, world: World) -> None:
        """Given players without terms, when their queue gets constraints, then they wait on and are matched by them."""
        apply(world, ladder=PLAIN)
        for number in range(30):
            world.enqueue(f"p{number}", 1000 + 40 * number)
        apply(world, ladder=AVOID)
        assert world.live() == {f"t-p{number}" for number in range(30)}
        assert int(world.client.hget(world.keys.prefix + "lines", QUEUE)) == 30
        assert enqueue(world, "ladder", "eve", rating=1001, avoid=["p0"])[0] == "waiting"
        world.now += 25_000
        matches = run_passes(world, "ladder")
        pairs = [{team[0]["player"] for team in match["teams"]} for match in matches]
        assert {"eve", "p0"} not in pairs
        assert len(pairs) == 15

    def test_constraints_taken_away(self, world: World) -> None:
        apply(world, ladder=AVOID)
        enqueue(world, "ladder", "alice", rating=1500, avoid=["bob"])
        enqueue(world, "ladder", "bob", rating=1500)
        world.now += 1000
        assert run_passes(world, "ladder") == []
        apply(world, ladder=PLAIN)
        assert len(run_passes(world, "ladder")) == 1
        assert standing(world, "t-alice") == standing(world, "t-bob") == set()

    @pytest.mark.parametrize(
        ("before", "after"),
        [(PLAIN, SIDES), (SIDES, PLAIN), (SIDES, {"sides": ["ada", "sc2"]}), (AVOID, {"same": ["version"]})],
    )
    def test_other_sides_or_classes_cancel_those_who_wait(
        self, world: World, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        apply(world, ladder=before)
        for number in range(70):
            enqueue(world, "ladder", f"p{number}", rating=1000.0 + number * 400, **_sides_for(before))
        world.mm.apply_rules({"ladder": QueueRules.model_validate(after)})
        late = {"attributes": {"version": "1"}} if "same" in after else _sides_for(after)
        assert enqueue(world, "ladder", "late", rating=1500.0, **late)[0] == "backlog_full"
        world.tend("ladder")
        cancelled = [body for _, kind, body in world.events() if kind == "cancelled"]
        assert [body["reason"] for body in cancelled] == ["rules_changed"] * 70
        assert world.live() == set()
        assert all(standing(world, f"t-p{number}") == set() for number in range(70))
        assert world.client.hgetall(world.keys.prefix + "lines") == {}

    def test_a_removed_queue_with_classes(self, world: World) -> None:
        apply(world, ladder=PLAIN, ranked={"same": ["version"]})
        for number in range(5):
            enqueue(world, "ranked", f"p{number}", rating=1500, attributes={"version": f"1.{number}"})
        world.apply(queue="ladder", prune=True)
        world.tend("ranked")
        assert world.live() == set()
        assert "ranked" not in world.mm.rules()
        assert world.due().keys() <= {"ladder"}

    def test_more_of_the_same_shape_is_looked_at_anew(self, world: World) -> None:
        """Given two whom a rule keeps apart, when the rule goes and others stay, then the next pass pairs them."""
        apply(world, ladder={**AVOID, "any_of": {"language": {}}})
        enqueue(world, "ladder", "alice", rating=1500, attributes={"language": "de"})
        enqueue(world, "ladder", "bob", rating=1500, attributes={"language": "en"})
        assert run_passes(world, "ladder") == []
        apply(world, ladder=AVOID)
        assert len(run_passes(world, "ladder")) == 1

    @pytest.mark.parametrize(
        "course", [[PLAIN, AVOID, None, AVOID], [SIDES, {"same": ["version"]}, None, {"same": ["version"]}]]
    )
    def test_a_queue_that_comes_back_before_it_has_gone(
        self, world: World, course: list[dict[str, Any] | None]
    ) -> None:
        """Given work of new rules that was cut short by a removal, when the queue comes back, then nobody stands where
        these rules have no place for him: those who waited are cancelled, and who comes is matched."""
        first, *then = course
        apply(world, back=first, ladder=PLAIN)
        for number in range(3):
            enqueue(world, "back", f"p{number}", rating=1000.0 + 400 * number, **_sides_for(first or {}))
        for rules in then:
            queues = {"ladder": PLAIN} if rules is None else {"back": rules, "ladder": PLAIN}
            world.mm.apply_rules(rules_from(queues), prune=True)
        world.tend("back")
        assert world.live() == set()
        more = {"attributes": {"version": "1"}} if "same" in (then[-1] or {}) else {}
        for player in ("late", "later"):
            assert enqueue(world, "back", player, rating=1500.0, **more)[0] == "waiting"
        world.now += 1000
        assert len(run_passes(world, "back", "back=1")) == 1

    def test_a_class_line_that_emptied_names_no_moment(self, world: World) -> None:
        """Given lines of classes, when the queue has none any more, then nothing keeps naming them, and the queue's own
        line is not forgotten over them."""
        apply(world, ladder={"same": ["version"]})
        for number in range(6):
            enqueue(world, "ladder", f"p{number}", rating=1500.0, attributes={"version": str(number)})
        apply(world, ladder=PLAIN)
        world.enqueue("alice", 1500.0)
        world.enqueue("bob", 1504.0)
        run_passes(world, *[f"ladder={number}" for number in range(6)])
        assert set(world.due()) == {"ladder"}
        world.now += 2000
        assert len(run_passes(world, "ladder")) == 1

    def test_who_is_known_gets_the_answer_of_then(self, world: World) -> None:
        apply(world, ladder={"any_of": {"language": {}}})
        first = enqueue(world, "ladder", "alice", rating=1500, attributes={"language": "de"})
        apply(world, ladder={"any_of": {"tongue": {}}})
        assert enqueue(world, "ladder", "alice", rating=1500, attributes={"language": "de"}) == first


class TestRatings:
    def test_one_queue_takes_its_own_of_ratings(self, world: World) -> None:
        reply = enqueue(world, "ladder", "alice", rating=7, ratings={"ladder": {"rating": 1500, "deviation": 50}})
        assert world.line() == [("t-alice", 1500.0)]
        assert json.loads(reply[5])["rating"] == 1500

    def test_the_deviation_is_that_of_the_queue(self, world: World) -> None:
        """Given willingness by deviation alone, when somebody is uncertain in one of two queues, then it counts only
        there."""
        rules = {"willingness": {"per_second": 0.0, "per_deviation": 1.0}}
        apply(world, one=rules, two=rules)
        ratings = {"one": {"rating": 1500, "deviation": 100}, "two": {"rating": 1500}}
        enqueue(world, "one,two", "alice", ratings=ratings)
        enqueue(world, "two", "bob", rating=1550)
        assert run_passes(world, "two") == []
        enqueue(world, "one", "carol", rating=1550)
        (match,) = run_passes(world, "one")
        assert match["value"] == 50


def test_a_limit_that_widens_too_slowly_to_name_is_never(world: World) -> None:
    latency = {"limit_ms": 60.0, "widen_ms_per_second": 1e-15, "most_ms": 200.0}
    apply(world, ladder={"latency": latency})
    for player in ("alice", "bob"):
        enqueue(world, "ladder", player, rating=1500, pings={"eu": 100})
    assert run_passes(world, "ladder") == []
    assert world.certificates("ladder") == {}


@pytest.mark.parametrize(("one", "other"), [(1500.0, 1500.0), (1499.0, 1501.0)])
def test_two_with_a_wall_between_them_find_each_other(world: World, one: float, other: float) -> None:
    """Given more tickets between two, or of their very rating, than any look reaches, none of which anybody here may be
    paired with, when the two wait, then they are matched all the same within the minute."""
    apply(world, ladder={"latency": {"limit_ms": 60.0, "most_ms": 200.0}, "expire_after_seconds": 0.0})
    wall = [
        json.dumps({"ticket": f"w{number:03d}", "player": f"w{number}", "rating": 1500, "pings": {"eu": 250}})
        for number in range(400)
    ]
    for start in range(0, len(wall), 50):
        world.raw("enqueue", world.now, world.keys.channel_prefix, "ladder", *wall[start : start + 50])
    world.now += 1000  # the two are not among those that have waited longest either
    for player, rating in (("alice", one), ("zoe", other)):
        enqueue(world, "ladder", player, rating=rating, pings={"eu": 20})
    for _ in range(120):
        if run_passes(world, "ladder"):
            return
        world.now += 500
    raise AssertionError("never matched")


def test_a_ticket_longer_than_a_record_is_refused(world: World) -> None:
    avoid = [f"{number:03d}" + '"' * 125 for number in range(100)]
    apply(world, ladder={"avoid": 100, "pool": {"map": ["m"]}})
    reply = enqueue(world, "ladder", "alice", rating=1500, avoid=avoid, data='"' * 4096)
    assert reply[:2] == ["invalid", "tickets[1].ticket"]


def _sides_for(rules: dict[str, Any]) -> dict[str, Any]:
    return {"sides": {side: {"rating": 1500.0} for side in rules["sides"][:1]}} if "sides" in rules else {}
