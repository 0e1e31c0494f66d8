"""Regret out of a realm's stream: what is read, what is left out, what it asks of the server; ``matchmaker regret``."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from typing import Any

import pytest
import redis

from matchmaker import errors
from matchmaker.cli.exits import Exit
from matchmaker.hindsight import MOST_EVENTS, PAGE_EVENTS, Window, regret_of, windows_plan
from matchmaker.rules import QueueRules
from tests.integration.terminal import Cli, Running
from tests.lua.world import START_MS, World


@pytest.fixture
def world(redis_client: redis.Redis, realm: str) -> World:
    """A realm in virtual time: a second of waiting gives a point."""
    world = World(redis_client, realm)
    world.apply(QueueRules.model_validate({"expire_after_seconds": 100.0}))
    return world


def windows(world: World, queue: str | None = "ladder", last: int = 150) -> list[Window]:
    return world.mm.runner.run(windows_plan(world.calls, queue, last))


def come(world: World, second: float, player: str, rating: float) -> None:
    """The player joins so many seconds after the start, and a pass follows."""
    world.now = START_MS + round(1000 * second)
    world.enqueue(player, rating)
    world.match_pass()


def pages_read(client: Any) -> int:
    """Pages of streams, newest first, that the server was ever asked for."""
    return int(client.info("commandstats").get("cmdstat_xrevrange", {"calls": 0})["calls"])


def write(world: World, bodies: Sequence[dict[str, Any]], since_ms: int = START_MS) -> None:
    """Events straight into the stream, one a ms: those that another realm's history might hold."""
    pipeline = world.client.pipeline(transaction=False)
    for number, body in enumerate(bodies):
        at = since_ms + 1 + number
        text = json.dumps({"v": 1, "at": at, **body})
        pipeline.xadd(world.keys.events, {"event": body["event"], "body": text}, id=f"{at}-0")
    pipeline.execute()


def joined(number: int, queue: str, **more: Any) -> dict[str, Any]:
    return {
        "event": "enqueued",
        "queue": queue,
        "ticket": f"t{number}",
        "player": f"p{number}",
        "rating": 1500,
        **more,
    }


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_window_with_all_that_may_become_of_a_ticket(world: World) -> None:
    """Given a match, a cancel, an expiry and somebody who waits, then live is what they paid, by hand.

    a and b (20 points apart, 4 s between them) give 20 points together when a waited 12 s and b 8. c cancels after 6 s,
    far from everybody; d expires at 100 s; e waits since 101 s, where f and g, equal, meet at once at 102 s.
    """
    come(world, 0, "a", 1500.0)
    come(world, 4, "b", 1520.0)
    come(world, 5, "c", 9000.0)
    world.now = START_MS + 11_000
    world.mm.cancel("t-c")
    world.now = START_MS + 12_000
    assert world.match_pass().made == 1
    come(world, 13, "d", 5000.0)
    world.now = START_MS + 113_000
    assert world.run(world.calls.expire("ladder", ["t-d"])) == 1
    come(world, 114, "e", 3000.0)
    come(world, 115, "f", 1000.0)
    come(world, 116, "g", 1000.0)

    (window,) = windows(world)
    found = regret_of(window)
    assert [stay.ticket for stay in window.stays] == ["t-a", "t-b", "t-c", "t-d", "t-e", "t-f", "t-g"]
    assert [stay.left_ms and (stay.left_ms - START_MS) // 1000 for stay in window.stays] == [
        None,
        None,
        11,
        113,
        None,
        None,
        None,
    ]
    assert (found.tickets, found.matches, found.outside, found.complete) == (7, 2, 0, True)
    # a and b: 20 points and 12 + 8 s. c: 6 s. d: 100 s. e: 2 s. f and g: 1 s.
    assert found.live == pytest.approx(40 + 6 + 100 + 2 + 1)
    # Hindsight pairs a and b when b comes: 20 points and 4 s.
    assert found.hindsight == pytest.approx(24 + 6 + 100 + 2 + 1)
    assert (found.rate, found.window_ms, found.until_ms) == (1.0, 116_000, START_MS + 116_000)


def test_a_stricter_rate_is_the_callers_to_choose(world: World) -> None:
    come(world, 0, "a", 1500.0)
    come(world, 4, "b", 1500.0)
    (window,) = windows(world)
    assert regret_of(window, 0.5).live == pytest.approx(2.0)
    assert regret_of(window).live == pytest.approx(4.0)


def test_who_was_matched_with_one_from_before_the_window_is_left_out(world: World) -> None:
    """Given four tickets matched a-c and b-d, when the last two are asked for, then there is nobody to compare."""
    for second, (player, rating) in enumerate([("a", 1500.0), ("b", 3000.0), ("c", 1500.0), ("d", 3000.0)]):
        come(world, second, player, rating)
    (window,) = windows(world, last=2)
    assert (window.stays, window.meetings, window.outside, window.complete) == ((), (), 2, True)
    (window,) = windows(world, last=3)
    assert ([stay.ticket for stay in window.stays], len(window.meetings), window.outside) == (["t-b", "t-d"], 1, 1)


def test_an_empty_queue_and_every_queue(world: World) -> None:
    """Given a queue that nobody joined beside one with a match, then each has its regret, one of them none."""
    world.apply(queue="casual")
    come(world, 0, "a", 1500.0)
    come(world, 1, "b", 1500.0)
    found = {window.queue: regret_of(window) for window in windows(world, None)}
    assert list(found) == ["casual", "ladder"]
    assert (found["casual"].tickets, found["casual"].ratio, found["casual"].live) == (0, None, 0.0)
    assert (found["ladder"].tickets, found["ladder"].ratio) == (2, 1.0)


def test_a_ticket_in_two_queues_left_the_one_it_was_not_matched_in(world: World) -> None:
    """Given a ticket that joined ladder and casual, when casual matches it, then ladder has lost it at that moment; and
    each queue compares it at its own rating."""
    world.apply(queue="casual")
    both = {"queues": ["ladder", "casual"], "ratings": {"casual": {"rating": 1700}}}
    member = {"player": "x", "rating": 1700, "waited_ms": 1}
    teams = [[{"ticket": "t1", **member}], [{"ticket": "t2", **member}]]
    match = {"event": "matched", "queue": "casual", "rules": 1, "gap": 0, "value": 1, "price": 2.5, "teams": teams}
    since = world.now + 1000
    write(world, [joined(1, "ladder", **both), joined(2, "casual"), match, joined(3, "ladder")], since)
    casual, ladder = windows(world, None)
    assert [(stay.ticket, stay.rating, stay.left_ms) for stay in ladder.stays] == [
        ("t1", 1500.0, since + 3),
        ("t3", 1500.0, None),
    ]
    assert [(stay.ticket, stay.rating, stay.left_ms) for stay in casual.stays] == [
        ("t1", 1700.0, None),
        ("t2", 1500.0, None),
    ]
    assert [(meeting.one, meeting.other, meeting.points) for meeting in casual.meetings] == [(0, 1, 2.5)]
    assert ladder.meetings == ()


def test_a_huge_stream_is_read_within_bounds(world: World) -> None:
    """Given more events than one reading looks at, when the busy queue's newest are asked for, then one page does; when
    a queue's that nobody joined lately, then it gives up at the bound and says so."""
    world.apply(queue="casual")
    write(world, [joined(number, "ladder") for number in range(MOST_EVENTS + 10)], world.now + 1000)
    before = pages_read(world.client)
    (window,) = windows(world, "ladder", 150)
    assert pages_read(world.client) - before == 1
    assert (len(window.stays), window.complete) == (150, True)
    assert window.stays[-1].ticket == f"t{MOST_EVENTS + 9}"

    before = pages_read(world.client)
    (window,) = windows(world, "casual", 150)
    assert pages_read(world.client) - before == MOST_EVENTS // PAGE_EVENTS
    assert (window.stays, window.complete) == ((), False)


def test_what_may_not_be_asked(world: World, redis_client: redis.Redis) -> None:
    with pytest.raises(errors.UnknownQueue):
        windows(world, "nowhere")
    for queue in ("Bad Name", ""):
        with pytest.raises(errors.InvalidInput) as refused:
            windows(world, queue)
        assert refused.value.field == "queue"
    for last in (1, 401, True):
        with pytest.raises(errors.InvalidInput) as refused:
            windows(world, last=last)
        assert (refused.value.field, refused.value.bound) == ("last", "a whole number of tickets, 2 … 400")
    with pytest.raises(errors.UnknownRealm):
        windows(World(redis_client, "nobody-made-this"), None)


def test_a_stream_that_holds_something_else_is_a_typed_error(world: World) -> None:
    world.client.xadd(world.keys.events, {"event": "enqueued", "body": "not JSON"}, id=f"{world.now + 9}-0")
    with pytest.raises(errors.ScriptFault):
        windows(world)


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_says_what_the_number_means(cli: Cli, world: World) -> None:
    """Given a match that was found 16 s late, then a line says so; a queue without tickets has a line too."""
    world.apply(queue="casual")
    come(world, 0, "a", 1500.0)
    come(world, 4, "b", 1520.0)
    world.now = START_MS + 12_000
    assert world.match_pass().made == 1
    done = cli("regret")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "casual  –  no tickets to compare",
        "ladder  1.67  waits and gaps cost 1.67 times what hindsight would have paid: 40 points, not 24 (last 2 "
        "tickets, 1 match, 12 s; a second counts 1)",
    ]
    assert cli("regret", "casual").out == "casual  –  no tickets to compare\n"

    body = cli("regret", "ladder", "--json").document
    assert body.pop("seconds") >= 0
    assert body == {
        "queue": "ladder",
        "tickets": 2,
        "matches": 1,
        "hindsight_matches": 1,
        "outside": 0,
        "rate": 1.0,
        "live": 40.0,
        "hindsight": 24.0,
        "ratio": pytest.approx(40 / 24),
        "window_ms": 12_000,
        "until_ms": START_MS + 12_000,
        "complete": True,
    }


@pytest.mark.usefixtures("mm")
@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--last", "1"], 2, "error: last: 1 is refused (allowed: a whole number of tickets, 2 … 400)"),
        (["--last", "many"], 2, "error: last: 'many' is refused (allowed: a whole number of tickets, 2 … 400)"),
        (["--interval", "nan"], 2, "error: interval: nan is not a finite number (allowed 1 … 3,600 seconds)"),
        (["nowhere"], 3, "error: "),
    ],
)
def test_what_the_command_refuses(cli: Cli, args: list[str], code: int, message: str) -> None:
    done = cli("regret", *args)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(message)


def test_watch_goes_on_until_interrupted(world: World, environment: dict[str, str]) -> None:
    """Given --watch --json, then one document an interval comes, until Ctrl-C."""
    come(world, 0, "a", 1500.0)
    with Running("regret", "ladder", "--watch", "--interval", "1", "--json", env=environment) as running:
        assert [running.document()["tickets"] for _ in range(2)] == [1, 1]
        running.signal(signal.SIGINT)
        assert running.ended() == Exit.INTERRUPTED
