"""Tickets with terms, from the clients' side: into one queue or several, refused by name, counted and cleared."""

from __future__ import annotations

from typing import Any

import pytest

from matchmaker import Matchmaker, Ticket, TicketRequest, TicketState, aio, errors, parse_rules
from matchmaker.model import Side
from tests.integration.terminal import Cli

RULES = """
[arena]
sides = ["bw", "sc2"]
choices.bw = ["terran", "zerg"]
latency = { limit_ms = 60, widen_ms_per_second = 2.0, most_ms = 200 }
pool.map = ["Radeon", "Death Valley", "Ladder"]
vetoes.map = 1
avoid = 2
willingness = { base = 100 }

[duel]
same = ["version"]
any_of.language = {}
range.level = {}
willingness = { base = 100 }

[city]
servers.eu = { eu = "frankfurt", us = "newyork" }
willingness = { base = 100 }
"""


@pytest.fixture
async def arena(client: aio.Matchmaker) -> aio.Matchmaker:
    await client.apply_rules(parse_rules(RULES, "test"))
    return client


ARENA: dict[str, Any] = {"sides": {"bw": 1500}, "pings": {"eu": 30}}
DUEL: dict[str, Any] = {"rating": 1500, "attributes": {"version": "1.2", "language": ["en"], "level": 7}}


# -- joining -----------------------------------------------------------------------------------------------------------


async def test_a_ticket_comes_back_with_its_terms(arena: aio.Matchmaker) -> None:
    """Given a ticket with everything its queue asks for, when it joined, then it says so, now and when asked again."""
    sides: dict[str, Side | float] = {"bw": Side(1500, 80.5, "zerg"), "sc2": 1900}
    ticket = await arena.enqueue(
        "arena", "ann", sides=sides, pings={"eu": 30, "us": 105.5}, vetoes={"map": ["Radeon"]}, avoid=["bob"], data="x"
    )
    assert ticket.terms == {
        "sides": {"bw": {"rating": 1500, "deviation": 80.5, "choice": "zerg"}, "sc2": {"rating": 1900}},
        "pings": {"eu": 30, "us": 105.5},
        "vetoes": {"map": ("Radeon",)},
        "avoid": ("bob",),
    }
    assert (ticket.rating, ticket.queues, ticket.data) == (1500, ("arena",), "x")
    assert await arena.status(ticket) == ticket
    assert await arena.snapshot("arena") == [ticket]


async def test_a_match_says_sides_region_and_map(arena: aio.Matchmaker) -> None:
    ann = await arena.enqueue("arena", "ann", sides={"bw": Side(1500, choice="zerg")}, pings={"eu": 30, "us": 50})
    bob = await arena.enqueue("arena", "bob", sides={"sc2": 1490}, pings={"eu": 45, "us": 50})
    assert (await arena.attempt_match("arena")).made == 1
    match = await arena.wait_for_match(ann, 5)
    assert [(ticket.player, ticket.side, ticket.choice) for ticket in match.tickets] == [
        ("ann", "bw", "zerg"),
        ("bob", "sc2", ""),
    ]
    assert (match.region, match.ping, match.server, match.gap) == ("eu", 45, "", 10)
    assert match.picks["map"] in {"Radeon", "Death Valley", "Ladder"}
    assert (await arena.status(bob)).match == match


async def test_regions_lead_to_a_server(arena: aio.Matchmaker) -> None:
    ann = await arena.enqueue("city", "ann", rating=1500, region="us")
    await arena.enqueue("city", "bob", rating=1500, region="eu")
    await arena.attempt_match("city")
    assert (await arena.wait_for_match(ann, 5)).server == "newyork"


async def test_a_ticket_in_two_queues_leaves_both(arena: aio.Matchmaker) -> None:
    """Given a ticket in two queues, when it is matched in the second, then it is gone from the first."""
    ann = await arena.enqueue(["ladder", "casual"], "ann", ratings={"ladder": 1500, "casual": Side(1800, 50)})
    assert (ann.queue, ann.queues) == ("ladder", ("ladder", "casual"))
    assert [await arena.queue(name).queue_size() for name in ann.queues] == [1, 1]
    assert await arena.queue("casual").get_player("ann") == ann
    await arena.enqueue("casual", "bob", rating=1800)
    await arena.attempt_match("casual")
    match = await arena.wait_for_match(ann, 5)
    found = match.ticket_of(ann.id)
    assert found is not None
    assert (match.queue, found.rating) == ("casual", 1800)
    assert [await arena.queue(name).queue_size() for name in ann.queues] == [0, 0]


async def test_a_ticket_in_two_queues_is_cancelled_from_both(arena: aio.Matchmaker) -> None:
    ann = await arena.enqueue(["ladder", "duel"], "ann", **DUEL)
    assert [await arena.queue(name).queue_size() for name in ann.queues] == [1, 1]
    assert (await arena.queue("duel").remove_player("ann")).state is TicketState.CANCELLED
    assert [await arena.queue(name).queue_size() for name in ann.queues] == [0, 0]


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queue", "terms", "field", "value"),
    [
        ("arena", {**ARENA, "sides": {"pc": 1}}, "sides.pc", 1),
        ("arena", {"pings": {"eu": 1}, "rating": 1}, "sides", None),
        ("arena", {**ARENA, "sides": {"bw": Side(1, choice="elf")}}, "sides.bw.choice", "elf"),
        ("arena", {"sides": {"bw": 1}}, "pings", None),
        ("arena", {**ARENA, "vetoes": {"map": ["Radeon", "Ladder"]}}, "vetoes.map", ["Radeon", "Ladder"]),
        ("arena", {**ARENA, "vetoes": {"map": ["Mars"]}}, "vetoes.map[1]", "Mars"),
        ("arena", {**ARENA, "avoid": ["a", "b", "c"]}, "avoid", ["a", "b", "c"]),
        ("arena", {**ARENA, "region": "eu"}, "region", "eu"),
        ("duel", {"rating": 1, "attributes": {"version": "1", "level": 7}}, "attributes.language", None),
        ("duel", {**DUEL, "attributes": {**DUEL["attributes"], "langauge": "de"}}, "attributes.langauge", "de"),
        ("duel", {**DUEL, "attributes": {**DUEL["attributes"], "version": "a b"}}, "attributes.version", "a b"),
        ("duel", {**DUEL, "attributes": {**DUEL["attributes"], "version": ["1"]}}, "attributes.version", ["1"]),
        ("city", {"rating": 1, "region": "mars"}, "region", "mars"),
        ("ladder", {"rating": 1, "pings": {"eu": 1}}, "pings", {"eu": 1}),
    ],
)
async def test_what_does_not_fit_the_queue_is_refused_by_name(
    arena: aio.Matchmaker, queue: str, terms: dict[str, Any], field: str, value: Any
) -> None:
    """Given terms that the queue has no rule for, or that it lacks, then the error names the place; nobody waits."""
    with pytest.raises(errors.InvalidInput) as refused:
        await arena.enqueue(queue, "ann", **terms)
    assert (refused.value.field, refused.value.value) == (field, value)
    assert str(refused.value).startswith(f"{field}: is missing (allowed: ") == (value is None)
    assert await arena.queue(queue).queue_size() == 0


async def test_one_misfit_among_many_is_refused_alone(arena: aio.Matchmaker) -> None:
    requests = [TicketRequest(f"p{i}", **(DUEL if i % 7 else {"rating": 1})) for i in range(120)]
    answers = await arena.enqueue_many("duel", requests)
    assert [type(answer) for answer in answers] == [Ticket if i % 7 else errors.InvalidInput for i in range(120)]
    assert str(answers[0]).startswith("attributes.version: is missing (allowed: one text of 1 to 32 of A-Z")
    assert await arena.queue("duel").queue_size() == sum(1 for i in range(120) if i % 7)


# -- counting and clearing ---------------------------------------------------------------------------------------------


async def test_classes_and_sides_are_one_queue_to_who_looks_on(arena: aio.Matchmaker) -> None:
    """Given a queue of three classes, then size, snapshot, stats, a pass and a clear are of all of them."""
    for i in range(9):
        attributes = {**DUEL["attributes"], "version": f"{i % 3}", "level": i}
        await arena.enqueue("duel", f"p{i}", rating=1500 - i, attributes=attributes, accepts={"level": (50, 60)})
    assert await arena.queue("duel").queue_size() == 9
    assert [ticket.player for ticket in await arena.snapshot("duel")] == [f"p{i}" for i in range(8, -1, -1)]
    stats = {one.queue: one for one in (await arena.stats()).queues}
    assert (stats["duel"].waiting, stats["arena"].waiting) == (9, 0)
    assert stats["duel"].next_ms is not None
    assert (await arena.attempt_match("duel")).made == 0
    assert await arena.queue("duel").clear() == 9
    assert await arena.queue("duel").queue_size() == 0


async def test_a_ticket_on_two_sides_counts_once(arena: aio.Matchmaker) -> None:
    await arena.enqueue("arena", "ann", sides={"bw": 1500, "sc2": 1400}, pings={"eu": 30})
    assert await arena.queue("arena").queue_size() == 1
    assert len(await arena.snapshot("arena")) == 1
    assert await arena.queue("arena").clear() == 1


# -- the command line --------------------------------------------------------------------------------------------------


def test_terms_on_the_command_line(cli: Cli, mm: Matchmaker) -> None:
    """Given options for everything a queue asks for, then two players meet, and watchers read how."""
    mm.apply_rules(parse_rules(RULES, "test"))
    common = ("--ping", "eu=31", "--veto", "map=Radeon")
    ann = cli("enqueue", "arena", "ann", "--side", "bw=1500:zerg", "--side", "sc2=1400", *common, "--avoid", "eve")
    assert (ann.code, "ann (bw 1500 zerg, sc2 1400)" in ann.out) == (0, True)
    assert cli("enqueue", "arena", "bob", "--side", "sc2=1505", "--ping", "eu=20").code == 0
    mm.attempt_match("arena")
    told = cli("status", "--player", "ann").out
    assert "ann (bw 1500 zerg) vs bob (sc2 1505)  gap 5  region eu, 31 ms  map " in told
    document = cli("status", "--player", "bob", "--json").document
    assert document["match"]["teams"][1][0]["side"] == "sc2"


def test_a_version_that_looks_like_a_number_is_a_text(cli: Cli, mm: Matchmaker) -> None:
    mm.apply_rules(parse_rules(RULES, "test"))
    attributes = ("--attribute", "version=1.2", "--attribute", "language=de", "--attribute", "level=7")
    joined = cli("enqueue", "duel,casual", "ann", "--rating", 1500, *attributes, "--accept", "level=5..20", "--json")
    assert joined.code == 0
    assert joined.document["queues"] == ["duel", "casual"]
    assert joined.document["terms"]["attributes"] == {"version": "1.2", "language": "de", "level": 7}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--side", "bw=x"), "error: sides.bw.rating: 'x' is not a finite number (allowed −1,000,000 … 1,000,000)\n"),
        (("--side", "bw"), "error: side: 'bw' is refused (allowed: a name, = and what it has, as in bw=1500:terran)\n"),
        (("--ping", "eu=-1"), "error: pings.eu: -1.0 is out of range (allowed 0 … 10,000 milliseconds)\n"),
    ],
)
def test_wrong_terms_are_told_on_one_line(cli: Cli, args: tuple[str, ...], message: str) -> None:
    """…without asking the server."""
    done = cli("enqueue", "arena", "ann", *args)
    assert (done.code, done.out, done.err) == (2, "", message)
