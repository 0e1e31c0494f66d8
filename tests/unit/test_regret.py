"""The arithmetic of regret: windows computed by hand, and small ones by trying every matching."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.hindsight import Window, offers_of
from matchmaker.regret import (
    STAND_IN_RATE,
    Meeting,
    Stay,
    alone_cost,
    best_costs,
    heaviest,
    pair_cost,
    plain_offers,
    rate_of,
    regret,
)
from matchmaker.rules import QueueRules

# -- by hand -----------------------------------------------------------------------------------------------------------


def test_a_pair_matched_when_the_second_came_could_not_have_been_cheaper() -> None:
    """Given two tickets 40 points and 10 s apart, matched at once, then both costs are 50 and the regret is 1."""
    stays = [Stay("a", 1500.0, 0), Stay("b", 1540.0, 10_000)]
    found = regret(stays, [Meeting(0, 1, 10_000, 40.0)], 10_000, 1.0, plain_offers(300.0), queue="ladder")
    assert (found.queue, found.tickets, found.matches, found.hindsight_matches) == ("ladder", 2, 1, 1)
    assert (found.live, found.hindsight, found.ratio) == (50.0, 50.0, 1.0)
    assert (found.window_ms, found.until_ms) == (10_000, 10_000)


def test_waiting_after_both_were_there_is_regretted() -> None:
    """Given the same two, matched 20 s later at 2 points a second, then both paid for 20 s that hindsight saves."""
    stays = [Stay("a", 1500.0, 0), Stay("b", 1540.0, 10_000)]
    found = regret(stays, [Meeting(0, 1, 30_000, 40.0)], 30_000, 2.0, plain_offers(300.0))
    assert (found.live, found.hindsight) == (40.0 + 2 * 30 + 2 * 20, 40.0 + 2 * 10)
    assert found.ratio == pytest.approx(140 / 60)


def test_the_wrong_partner_is_regretted() -> None:
    """Given a (0 s, 1500), b (1 s, 1600), c (2 s, 1500), d (3 s, 1600), when a met b and c met d at once, then
    hindsight pairs a with c and b with d: 2 s of waiting each and no gap."""
    stays = [Stay("a", 1500.0, 0), Stay("b", 1600.0, 1000), Stay("c", 1500.0, 2000), Stay("d", 1600.0, 3000)]
    found = regret(stays, [Meeting(0, 1, 1000, 100.0), Meeting(2, 3, 3000, 100.0)], 3000, 1.0, plain_offers(300.0))
    assert (found.live, found.hindsight) == (202.0, 4.0)
    assert found.ratio == pytest.approx(50.5)


def test_whom_live_matched_is_not_left_alone_for_nothing() -> None:
    """Given a wide match in the window's last moment, when being left would cost less, then it is no regret."""
    stays = [Stay("a", 1500.0, 0), Stay("b", 1790.0, 1000)]
    found = regret(stays, [Meeting(0, 1, 1000, 290.0)], 1000, 1.0, plain_offers(300.0))
    assert (found.live, found.hindsight, found.hindsight_matches) == (291.0, 291.0, 1)


def test_who_is_in_no_match_pays_until_it_left_or_the_window_ended() -> None:
    """Given one that cancelled after 4 s and one that still waits 10 s later, too far apart, then 4 and 10 points."""
    stays = [Stay("gone", 1000.0, 0, 4000), Stay("here", 2000.0, 5000)]
    found = regret(stays, [], 15_000, 1.0, plain_offers(300.0))
    assert (found.live, found.hindsight, found.ratio, found.matches, found.hindsight_matches) == (14.0, 14.0, 1.0, 0, 0)


def test_nobody_meets_one_who_had_left() -> None:
    """Given equal ratings, when the first left before the second came, then hindsight has no pair; else it has one."""
    second = Stay("b", 1500.0, 5000)
    costs = [
        best_costs([Stay("a", 1500.0, 0, left_ms), second], 9000, 1.0, plain_offers(300.0))
        for left_ms in (4999, 5000, None)
    ]
    assert costs == [{}, {(0, 1): 5.0}, {(0, 1): 5.0}]


def test_one_who_was_matched_late_would_have_stayed_for_another() -> None:
    """Given a matched with b at 1 s, when c with a's rating came at 2 s, then hindsight keeps a for c."""
    stays = [Stay("a", 1500.0, 0), Stay("b", 1700.0, 1000), Stay("c", 1500.0, 2000)]
    found = regret(stays, [Meeting(0, 1, 1000, 200.0)], 2000, 1.0, plain_offers(300.0))
    # b, left alone, costs its half of the match it had.
    assert (found.live, found.hindsight) == (201.0, 102.0)


def test_nobody_meets_oneself() -> None:
    """Given a player who was matched and came again, then the two tickets are no pair, whatever hindsight wishes."""
    stays = [Stay("a1", 1500.0, 0, None, "a"), Stay("a2", 1500.0, 1000, None, "a"), Stay("b", 1500.0, 2000, None, "b")]
    assert best_costs(stays, 9000, 1.0, plain_offers(300.0)).keys() == {(0, 2), (1, 2)}


def test_what_happened_could_have_happened() -> None:
    """Given a match wider than the rules of today allow, then hindsight may make it too: regret is never below 1."""
    stays = [Stay("a", 1000.0, 0), Stay("b", 1900.0, 1000)]
    long_after = 2_000_000
    found = regret(stays, [Meeting(0, 1, 1000, 900.0)], long_after, 1.0, plain_offers(300.0))
    assert (found.live, found.hindsight, found.ratio) == (901.0, 901.0, 1.0)


def test_a_meeting_after_the_end_has_not_happened() -> None:
    stays = [Stay("a", 1500.0, 0), Stay("b", 1500.0, 1000)]
    found = regret(stays, [Meeting(0, 1, 5000, 0.0)], 3000, 1.0, plain_offers(300.0))
    assert (found.matches, found.live, found.hindsight) == (0, 5.0, 1.0)


def test_the_best_of_the_moments_that_rules_offer_counts() -> None:
    """Given a price of 90 points at once and of none after 30 s, then the later moment is cheaper unless one leaves."""
    one, other = Stay("a", 1500.0, 0), Stay("b", 1500.0, 1000)

    def offers(_one: Stay, _other: Stay) -> Sequence[tuple[int, float]]:
        return [(1000, 90.0), (31_000, 0.0)]

    assert best_costs([one, other], 60_000, 1.0, offers) == {(0, 1): 61.0}
    assert best_costs([one, Stay("b", 1500.0, 1000, 20_000)], 60_000, 1.0, offers) == {(0, 1): 91.0}
    assert best_costs([one, other], 60_000, 10.0, offers) == {(0, 1): 100.0}


@pytest.mark.parametrize(
    ("stays", "meetings", "ratio"),
    [
        ([], [], None),
        ([Stay("a", 1500.0, 7)], [], 1.0),
        ([Stay("a", 1500.0, 7), Stay("b", 1500.0, 7)], [Meeting(0, 1, 7, 0.0)], 1.0),
        ([Stay("a", 1500.0, 7), Stay("b", 1500.0, 7)], [Meeting(0, 1, 57, 0.0)], None),
    ],
)
def test_what_cannot_be_divided(stays: list[Stay], meetings: list[Meeting], ratio: float | None) -> None:
    """No tickets: None. Nothing paid on either side: 1. Something paid where hindsight pays nothing: None."""
    until_ms = max([one.since_ms for one in stays] + [one.at_ms for one in meetings], default=0)
    assert regret(stays, meetings, until_ms, 1.0, plain_offers(300.0)).ratio == ratio


@pytest.mark.parametrize(
    ("willingness", "rate"),
    [
        ({"per_second": 0.5}, 0.5),
        ({"kind": "stepped", "step": 30.0, "every_seconds": 15.0}, 2.0),
        ({"kind": "exponential", "base": 10.0, "doubling_seconds": 20.0, "cap": 80.0}, 70 / 60),
        ({"kind": "exponential", "base": 10.0, "doubling_seconds": 20.0, "cap": 10.0}, STAND_IN_RATE),
        ({"per_second": 0.0, "base": 50.0}, STAND_IN_RATE),
    ],
)
def test_a_second_is_worth_what_willingness_grows_by(willingness: dict[str, object], rate: float) -> None:
    assert rate_of(QueueRules.model_validate({"willingness": willingness})) == pytest.approx(rate)


def test_hindsight_keeps_the_rules_constraints() -> None:
    """Given sides, languages that relax and a price for levels, when hindsight looks for pairs, then each is as the
    rules have it: who may play whom, from when on, at which rating, at what price."""
    table = {
        "sides": ["bw", "sc2"],
        "any_of": {"language": {"relax_after_seconds": 60}},
        "distance": {"level": {"points_per_unit": 2.0, "relax_after_seconds": 90}},
        "avoid": 5,
    }
    window = Window("ladder", QueueRules.model_validate(table), (), (), 0, 0, complete=True)

    def stay(player: str, second: int, sides: dict[str, float], language: str, level: int, *avoid: str) -> Stay:
        body = {
            "ticket": player,
            "player": player,
            "at": 1000 * second,
            "sides": {side: {"rating": rating} for side, rating in sides.items()},
            "attributes": {"language": [language], "level": level},
            "avoid": list(avoid),
        }
        return Stay(player, 0.0, 1000 * second, None, player, body)

    a = stay("a", 0, {"bw": 1500.0}, "de", 10)
    b = stay("b", 10, {"bw": 1530.0, "sc2": 1700.0}, "de", 15)
    c = stay("c", 20, {"sc2": 1520.0}, "en", 10, "d")
    d = stay("d", 30, {"bw": 1520.0}, "en", 10)
    costs = best_costs([a, b, c, d], 1_000_000, 0.001, offers_of(window))
    found = {pair: round(cost, 3) for pair, cost in costs.items()}
    assert found == {
        # 200 points, and 5 levels that cost nothing once both waited 90 s, which is cheaper than 10 points.
        (0, 1): 200 + 0.001 * (100 + 90),
        # No language in common until both waited 60 s: 20 points, equal levels.
        (0, 2): 20 + 0.001 * (80 + 60),
        # b plays bw here: 10 points; no language in common, and the levels are free after 90 s.
        (1, 2): 10 + 0.001 * (100 + 90),
        # b plays sc2.
        (1, 3): 180 + 0.001 * (110 + 90),
    }


# -- by trying everything ----------------------------------------------------------------------------------------------

stays_in = st.builds(
    lambda rating, since, stays: Stay("t", rating, since, None if stays is None else since + stays),
    st.sampled_from([1000.0, 1010.0, 1050.0, 1200.0, 1400.0]),
    st.integers(0, 60_000),
    st.none() | st.integers(0, 30_000),
)


def matchings(places: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
    """Every matching there is, those included that leave some alone."""
    if not places:
        yield []
        return
    first, rest = places[0], places[1:]
    yield from matchings(rest)
    for number, other in enumerate(rest):
        for more in matchings([*rest[:number], *rest[number + 1 :]]):
            yield [(first, other), *more]


def met_at(one: Stay, other: Stay, until_ms: int) -> int | None:
    """When the later one came, if both were there then."""
    moment = max(one.since_ms, other.since_ms)
    ends = [until_ms if stay.left_ms is None else min(until_ms, stay.left_ms) for stay in (one, other)]
    return moment if moment <= min(ends) else None


def cost_of(
    pairs: Sequence[tuple[int, int]], stays: Sequence[Stay], left: Sequence[float], until_ms: int, rate: float
) -> float | None:
    """What a matching costs, where nobody is further apart than 250 points; None if it has a pair that cannot be."""
    total, taken = 0.0, {place for pair in pairs for place in pair}
    for a, b in pairs:
        gap, moment = abs(stays[a].rating - stays[b].rating), met_at(stays[a], stays[b], until_ms)
        if moment is None or gap > 250:
            return None
        total += pair_cost(stays[a], stays[b], moment, gap, rate)
    return total + sum(cost for place, cost in enumerate(left) if place not in taken)


@given(
    st.lists(stays_in, min_size=1, max_size=7),
    st.integers(0, 90_000),
    st.sampled_from([0.25, 1.0, 4.0]),
    st.data(),
)
def test_hindsight_is_the_cheapest_of_all_matchings_and_live_never_below(
    stays: list[Stay], more_ms: int, rate: float, data: st.DataObject
) -> None:
    """Given any small window, and live any matching of it made in time, then hindsight is the cheapest there is."""
    until_ms = max(stay.since_ms for stay in stays) + more_ms
    alone = [alone_cost(stay, until_ms, rate) for stay in stays]
    possible = [one for one in matchings(range(len(stays))) if cost_of(one, stays, alone, until_ms, rate) is not None]
    live = data.draw(st.sampled_from(possible))
    left, meetings = list(alone), []
    for a, b in live:
        gap, moment = abs(stays[a].rating - stays[b].rating), max(stays[a].since_ms, stays[b].since_ms)
        meetings.append(Meeting(a, b, moment, gap))
        for place in (a, b):
            left[place] = max(left[place], gap / 2 + rate * (moment - stays[place].since_ms) / 1000)
    costs = [cost_of(pairs, stays, left, until_ms, rate) or 0.0 for pairs in possible]
    found = regret(stays, meetings, until_ms, rate, plain_offers(250.0))
    assert found.hindsight == pytest.approx(min(costs), abs=1e-4)
    assert found.live == pytest.approx(cost_of(live, stays, alone, until_ms, rate) or 0.0, abs=1e-4)
    assert found.ratio is None or found.ratio >= 1.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(6, 11), st.sampled_from([0.0, 0.5, 1.0, 7.25]))))
def test_the_heaviest_matching_is_one(edges: list[tuple[int, int, float]]) -> None:
    weight = {(a, b): points for a, b, points in edges}
    chosen = heaviest((a, b, points) for (a, b), points in weight.items())
    places = [place for pair in chosen for place in pair]
    assert len(places) == len(set(places))
    assert set(chosen) <= weight.keys()
