"""Tables of waits, and what they say to whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.calls import Calls
from matchmaker.errors import InvalidInput
from matchmaker.estimate_plan import checked_wait, table_of
from matchmaker.estimates import LEAST, MOST_BANDS, SHARES, estimate, tables_of

NOW = 1_700_000_600_000
Entry = tuple[str, dict[str, Any]]


def enqueued(ticket: str, at: int, rating: float = 1500.0, **more: Any) -> Entry:
    return "enqueued", {"at": at, "queue": "ladder", "ticket": ticket, "player": ticket, "rating": rating, **more}


def found(ticket: str, at: int, waited_ms: int, event: str = "matched") -> Entry:
    return event, {"at": at, "queue": "ladder", "teams": [[{"ticket": ticket, "waited_ms": waited_ms}]]}


def lives(waits: Sequence[int | None], rating: float = 1500.0) -> list[Entry]:
    """Tickets that came a minute ago and were found after so long, or wait still (None)."""
    began = NOW - 60_000
    entries = [enqueued(f"t{n}", began, rating) for n in range(len(waits))]
    ends = [(began + wait, found(f"t{n}", began + wait, wait)) for n, wait in enumerate(waits) if wait is not None]
    return entries + [entry for _, entry in sorted(ends, key=lambda one: one[0])]


def test_everybody_found_gives_plain_quantiles() -> None:
    """Given a hundred waits of 1 to 100 ms, then half of them were found by 50, four of five by 80."""
    table = tables_of(lives(list(range(1, 101))), NOW)["ladder"]
    told = estimate(table, 1500)
    assert told is not None
    assert (told.p50_seconds, told.p80_seconds, told.p95_seconds) == pytest.approx((0.050, 0.080, 0.095))
    assert (told.samples, told.at_ms) == (100, NOW)


def test_who_waits_still_counts_as_waiting_longer() -> None:
    """Given twenty found at once and twenty that wait, then half are found at once, and nobody knows of the rest."""
    told = estimate(tables_of(lives([1] * 20 + [None] * 20), NOW)["ladder"], 1500)
    assert told is not None
    assert told.p50_seconds == pytest.approx(0.001)
    assert told.p80_seconds is None


def test_who_left_tells_only_that_it_waited_so_long() -> None:
    """Product limit: of 20, ten leave after 5 ms, five of the other ten are found after 10 ms: half of those."""
    entries = lives([10] * 5 + [None] * 15)
    entries += [
        ("cancelled", {"at": NOW - 60_000 + 5, "queue": "ladder", "ticket": f"t{n}", "waited_ms": 5})
        for n in range(5, 15)
    ]
    told = estimate(tables_of(entries, NOW)["ladder"], 1500)
    assert told is not None
    assert told.p50_seconds == pytest.approx(0.010)


def test_having_waited_counts() -> None:
    """Given half found at 10 ms and half at 100, then after 20 ms what is left is 80."""
    table = tables_of(lives([10] * 50 + [100] * 50), NOW)["ladder"]
    told = estimate(table, 1500, waited_ms=20)
    assert told is not None
    assert told.p80_seconds == pytest.approx(0.080)


def test_a_ready_check_is_being_found_and_a_return_changes_nothing() -> None:
    entries = lives([None] * 20)
    for n in range(20):
        entries.append(found(f"t{n}", NOW - 50_000, 10_000, "proposed"))
        entries.append(("returned", {"at": NOW - 40_000, "queue": "ladder", "ticket": f"t{n}", "waited_ms": 20_000}))
        entries.append(found(f"t{n}", NOW - 30_000, 30_000))
    told = estimate(tables_of(entries, NOW)["ladder"], 1500)
    assert told is not None
    assert told.p95_seconds == pytest.approx(10.0)


def test_bands_tell_the_strong_from_the_many() -> None:
    entries = lives([10] * 100, rating=1500.0)
    began = NOW - 60_000
    entries = [enqueued(f"s{n}", began, 2500.0) for n in range(100)] + entries
    entries += [found(f"s{n}", began + 30_000, 30_000) for n in range(100)]
    table = tables_of(entries, NOW)["ladder"]
    many, strong = estimate(table, 1400), estimate(table, 2600)
    assert many is not None
    assert strong is not None
    assert many.p80_seconds == pytest.approx(0.010)
    assert strong.p80_seconds == pytest.approx(30.0)


def test_sides_and_queues_have_lines_of_their_own() -> None:
    began = NOW - 60_000
    entries = [
        enqueued(f"t{n}", began, sides={"bw": {"rating": 1500}, "sc2": {"rating": 1600}}, queues=["ladder", "casual"])
        for n in range(LEAST)
    ]
    entries += [found(f"t{n}", began + 10, 10) for n in range(LEAST)]
    tables = tables_of(entries, NOW)
    assert set(tables) == {"ladder", "casual"}
    assert set(tables["ladder"]["sides"]) == {"bw", "sc2"}
    assert estimate(tables["ladder"], 1500) is None
    assert estimate(tables["ladder"], 1500, side="bw") is not None


def test_too_few_say_nothing() -> None:
    assert tables_of(lives([10] * (LEAST - 1)), NOW) == {}
    assert estimate(None, 1500) is None


WAITS = st.lists(st.one_of(st.none(), st.integers(0, 50_000)), min_size=LEAST, max_size=400)


@given(WAITS, st.integers(0, 60_000), st.floats(-1e6, 1e6))
def test_quantiles_are_in_order_and_never_negative(waits: list[int | None], waited_ms: int, rating: float) -> None:
    told = estimate(tables_of(lives(waits), NOW)["ladder"], rating, waited_ms)
    assert told is not None
    quantiles = [told.p50_seconds, told.p80_seconds, told.p95_seconds]
    known = [seconds for seconds in quantiles if seconds is not None]
    assert known == sorted(known)
    assert all(seconds >= 0 for seconds in known)
    assert quantiles[: len(known)] == known, "what is unknown comes last"


@given(WAITS)
def test_a_table_is_small_json_and_rises(waits: list[int | None]) -> None:
    table = tables_of(lives(waits), NOW)["ladder"]
    assert json.loads(json.dumps(table)) == table
    bands = table["sides"][""]["bands"]
    assert 1 <= len(bands) <= MOST_BANDS
    assert [band["from"] for band in bands] == sorted(band["from"] for band in bands)
    for band in bands:
        assert band["waits_ms"] == sorted(band["waits_ms"])
        assert len(band["waits_ms"]) <= SHARES


HOSTILE = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["enqueued", "matched", "proposed", "cancelled", "expired", "rules", "?"]),
            st.dictionaries(
                st.sampled_from(["at", "ticket", "queue", "rating", "teams", "waited_ms", "sides", "queues"]), HOSTILE
            ),
        )
    )
)
def test_what_is_no_event_of_ours_changes_nothing(entries: list[Entry]) -> None:
    good = lives(list(range(1, 41)))
    assert tables_of([*entries, *good], NOW)["ladder"] == tables_of(good, NOW)["ladder"]


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"v":2}', "1"])
def test_what_somebody_else_stored_is_nothing(text: str | None) -> None:
    assert table_of(Calls("main"), "ladder").parse(text) is None


@pytest.mark.parametrize(
    ("rating", "waited"), [(float("nan"), 0), (1e9, 0), (True, 0), (1500, -1), (1500, float("inf"))]
)
def test_numbers_are_checked_by_name(rating: float, waited: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_wait(rating, waited)
    assert refused.value.field in ("rating", "waited_seconds")
