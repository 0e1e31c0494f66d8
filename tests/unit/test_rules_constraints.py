"""Constraints in a rules file: what is taken, what is refused and how that reads, and their compiled form."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import Any

import pytest
from hypothesis import given

from matchmaker.errors import InvalidInput, RuleProblem, RulesInvalid
from matchmaker.rules import (
    Constraints,
    Distance,
    Exponential,
    Latency,
    Linear,
    Provisional,
    QueueRules,
    Relax,
    Rematch,
    json_schema,
    parse_rules,
    rules_from,
    warnings_for,
)
from tests.constrained import constrained_rules

FILE = "queues.toml"

EVERYTHING = """
sides = ["bw", "sc2"]
choices.bw = ["terran", "zerg"]
same = ["version", "mode"]
any_of.language = { relax_after_seconds = 60 }
any_of.platform = {}
range.level = { relax_after_seconds = 0.5 }
distance.level = { points_per_unit = 2.0, relax_after_seconds = 90 }
distance.karma = { points_per_unit = 0.25 }
latency = { limit_ms = 60, widen_ms_per_second = 2.0, most_ms = 200 }
pool.map = ["Death Valley", "Radeon", "Ascension"]
pool.mode = ["a", "b"]
vetoes.map = 1
avoid = 20
rematch = { after_seconds = 300, relax_after_seconds = 120 }
provisional = { deviation_from = 200, willingness = { per_second = 4.5 } }
matching = "own"
"""

DEMAND = "a table such as { relax_after_seconds = 60 }, or {}"
SECONDS = "a number, 0.001 … 604,800 seconds, in whole milliseconds"
NAME = "a name: 1 … 32 of a-z, 0-9, _, . and -, the first a letter or digit"
SIDE = "a side's name: 1 … 32 of a-z, 0-9, _ and -, the first a letter or digit"
TEXT = "text of 1 … 64 bytes without control characters"
LIST = "a list of 1 … 64 different names"
PINGS = "a number, 0 … 10,000 milliseconds"
RELAX_FIELDS = "the fields relax_after_seconds"
AGAIN = "an entry that stands there once; it is also at place 1"


def refused(body: str) -> list[RuleProblem]:
    with pytest.raises(RulesInvalid) as caught:
        parse_rules("[ladder]\n" + body, FILE)
    assert {problem.queue for problem in caught.value.problems} == {"ladder"}
    return list(caught.value.problems)


def ladder(body: str) -> QueueRules:
    return parse_rules("[ladder]\n" + body, FILE)["ladder"]


def compiled(body: str) -> Any:
    return json.loads(ladder(body).compiled()).get("constraints")


def names(count: int, *, table: bool = False) -> str:
    """``"n1", "n2", …`` or ``n1 = {}, …``."""
    return ", ".join(f"n{i} = {{}}" if table else f'"n{i}"' for i in range(count))


class TestValid:
    def test_every_field_arrives(self) -> None:
        assert ladder(EVERYTHING) == QueueRules(
            sides=("bw", "sc2"),
            choices={"bw": ("terran", "zerg")},
            same=("version", "mode"),
            any_of={"language": Relax(relax_after_seconds=60), "platform": Relax()},
            range={"level": Relax(relax_after_seconds=0.5)},
            distance={
                "level": Distance(points_per_unit=2, relax_after_seconds=90),
                "karma": Distance(points_per_unit=0.25),
            },
            latency=Latency(limit_ms=60, widen_ms_per_second=2, most_ms=200),
            pool={"map": ("Death Valley", "Radeon", "Ascension"), "mode": ("a", "b")},
            vetoes={"map": 1, "mode": 1},
            avoid=20,
            rematch=Rematch(after_seconds=300, relax_after_seconds=120),
            provisional=Provisional(deviation_from=200, willingness=Linear(per_second=4.5)),
            matching="own",
        )

    def test_a_queue_without_any_is_plain(self) -> None:
        rules = ladder("")
        assert rules.constraints is None
        assert (rules.sides, rules.same, rules.pool, rules.avoid) == ((), (), {}, None)

    @pytest.mark.parametrize("body", ["pool = {}", "any_of = {}\nservers = {}", "choices = {}", 'matching = "engine"'])
    def test_an_empty_table_sets_nothing(self, body: str) -> None:
        assert ladder(body) == QueueRules()
        assert ladder(body).constraints is None
        assert ladder(body).compiled() == QueueRules().compiled()

    def test_the_constraints_alone(self) -> None:
        rules = ladder("max_gap = 7\n" + EVERYTHING)
        assert isinstance(rules.constraints, Constraints)
        for name in Constraints.model_fields:
            assert getattr(rules.constraints, name) == getattr(rules, name)
        assert ladder("max_gap = 8\n" + EVERYTHING).constraints == rules.constraints

    @pytest.mark.parametrize(
        "line",
        [line for line in EVERYTHING.splitlines() if line and not line.startswith(("choices", "vetoes"))]
        + ['servers.eu.us = "x"'],
    )
    def test_each_alone_makes_a_queue_constrained(self, line: str) -> None:
        rules = ladder(line)
        assert rules.constraints is not None
        assert next(iter(rules.constraints.set_fields())) == re.split(r"[ .]", line)[0]
        assert '"constraints":{' in rules.compiled()

    def test_vetoes_left_out_leave_one_name(self) -> None:
        assert ladder('pool.map = ["a", "b", "c"]\npool.one = ["x"]').vetoes == {"map": 2, "one": 0}

    def test_servers_hold_both_ways_round(self) -> None:
        rules = ladder('servers.eu = { eu = "frankfurt", us = "newyork" }\nservers.us = { eu = "newyork" }')
        assert rules.servers == {"eu": {"eu": "frankfurt", "us": "newyork"}, "us": {"eu": "newyork"}}
        assert rules == ladder('servers.us.eu = "newyork"\nservers.eu.eu = "frankfurt"')

    def test_a_provisional_exponential_is_capped_by_max_gap(self) -> None:
        table = '{ kind = "exponential", base = 2, doubling_seconds = 10 }'
        rules = ladder(f"max_gap = 150\nprovisional = {{ deviation_from = 1, willingness = {table} }}")
        assert rules.provisional is not None
        assert rules.provisional.willingness == Exponential(kind="exponential", base=2, doubling_seconds=10, cap=150)

    @pytest.mark.parametrize(
        "body",
        [
            f"same = [{names(4)}]",
            f"any_of = {{ {names(8, table=True)} }}",
            "avoid = 1",
            "avoid = 100",
            "latency = { limit_ms = 0 }",
            "latency = { limit_ms = 10_000, most_ms = 10_000, widen_ms_per_second = 10_000 }",
            "rematch = { after_seconds = 0.001 }",
            "rematch = { after_seconds = 604_800, relax_after_seconds = 604_800 }",
            f"pool.{'p' * 32} = [{names(64)}]",
            f'pool."a.b" = ["{"é" * 32}"]',
            'pool.map = ["a", "b"]\nvetoes.map = 0',
            'sides = ["a-_0", "b"]',
            "distance.x = { points_per_unit = 1_000_000 }\nrange.x = {}",
        ],
    )
    def test_the_ends_of_every_range_are_allowed(self, body: str) -> None:
        assert ladder(body).constraints is not None

    def test_nothing_in_them_can_be_changed(self) -> None:
        rules = ladder(EVERYTHING)
        with pytest.raises(ValueError, match="frozen"):
            rules.any_of["language"].relax_after_seconds = 1.0
        for table in (rules.pool, rules.vetoes, rules.choices):
            with pytest.raises(TypeError):
                table["map"] = ("x",)  # type: ignore[index]

    def test_tables_are_in_the_order_of_their_names(self) -> None:
        """Given the same rules in another order, then everything that is printed of them is the same too."""
        one, other = ladder("any_of.a = {}\nany_of.b = {}"), ladder("any_of.b = {}\nany_of.a = {}")
        assert list(one.any_of) == list(other.any_of) == ["a", "b"]
        assert hash(one) == hash(other)

    def test_rules_can_be_copied_hashed_and_sent(self) -> None:
        rules = ladder(EVERYTHING)
        assert copy.deepcopy(rules) == pickle.loads(pickle.dumps(rules)) == rules
        assert len({rules, ladder(EVERYTHING), ladder("")}) == 2

    def test_a_dump_is_the_file(self) -> None:
        """Given rules, when dumped, then it is the tables they came from; a plain queue's knows of no constraint."""
        assert not QueueRules().model_dump().keys() & Constraints.model_fields.keys()
        rules = ladder(EVERYTHING)
        for dumped in (rules.model_dump(exclude_none=True), json.loads(rules.model_dump_json())):
            assert rules_from({"ladder": dumped}) == {"ladder": rules}


class TestOneFault:
    @pytest.mark.parametrize(
        ("body", "field", "value", "bound"),
        [
            ("sides = []", "sides", [], "a list of two different names"),
            ('sides = ["a"]', "sides", ["a"], "a list of two different names"),
            ('sides = ["a", "b", "c"]', "sides", ["a", "b", "c"], "a list of two different names"),
            ('sides = "ab"', "sides", "ab", "a list of two different names"),
            ('sides = ["a", "a"]', "sides[2]", "a", AGAIN),
            ('sides = ["a", "B"]', "sides[2]", "B", SIDE),
            ('sides = ["a.b", "b"]', "sides[1]", "a.b", SIDE),
            ('sides = ["a", 2]', "sides[2]", 2, SIDE),
            (
                'sides = ["bw", "sc2"]\nchoices.bww = ["x"]',
                "choices.bww",
                ["x"],
                'choices of a side: bw or sc2; did you mean "bw"?',
            ),
            (
                'choices.bw = ["x"]',
                "choices.bw",
                ["x"],
                "choices of a side: `sides`, which this queue does not set",
            ),
            ('sides = ["a", "b"]\nchoices.a = []', "choices.a", [], LIST),
            ('sides = ["a", "b"]\nchoices.a = ["x", "y", "x"]', "choices.a[3]", "x", AGAIN),
            ('sides = ["a", "b"]\nchoices.a = [""]', "choices.a[1]", "", TEXT),
            ('sides = ["a", "b"]\nchoices = ["x"]', "choices", ["x"], 'a table such as { bw = ["terran", "zerg"] }'),
            ("same = []", "same", [], "a list of 1 … 4 different attributes"),
            ('same = "version"', "same", "version", "a list of 1 … 4 different attributes"),
            (f"same = [{names(5)}]", "same", [f"n{i}" for i in range(5)], "a list of 1 … 4 different attributes"),
            ('same = ["a", "b", "a"]', "same[3]", "a", AGAIN),
            ('same = ["Version"]', "same[1]", "Version", NAME),
            ("any_of.language = 60", "any_of.language", 60, DEMAND),
            ("any_of.Language = {}", "any_of.Language", "Language", NAME),
            ('any_of."a b" = {}', 'any_of."a b"', "a b", NAME),
            (f"any_of.{'x' * 33} = {{}}", f"any_of.{'x' * 33}", "x" * 33, NAME),
            (
                'any_of = ["language"]',
                "any_of",
                ["language"],
                "a table of up to 8 attributes, such as { language = { relax_after_seconds = 60 } }",
            ),
            (
                f"range = {{ {names(9, table=True)} }}",
                "range",
                {f"n{i}": {} for i in range(9)},
                "a table of up to 8 attributes, such as { level = { relax_after_seconds = 60 } }",
            ),
            ("any_of.x = { relax_after_seconds = 0 }", "any_of.x.relax_after_seconds", 0, SECONDS),
            ("any_of.x = { relax_after_seconds = 604_801 }", "any_of.x.relax_after_seconds", 604_801, SECONDS),
            ("any_of.x = { relax_after_seconds = 0.0015 }", "any_of.x.relax_after_seconds", 0.0015, SECONDS),
            ('range.x = { relax_after_seconds = "1" }', "range.x.relax_after_seconds", "1", SECONDS),
            ('range."a.b" = { relax_after_seconds = true }', 'range."a.b".relax_after_seconds', True, SECONDS),
            ("distance.x = 2", "distance.x", 2, "a table such as { points_per_unit = 2.0 }"),
            (
                "distance.x = {}",
                "distance.x.points_per_unit",
                None,
                "a number, above 0 and at most 1,000,000; it has to be given",
            ),
            (
                "distance.x = { points_per_unit = 0 }",
                "distance.x.points_per_unit",
                0,
                "a number, above 0 and at most 1,000,000",
            ),
            (
                "distance.x = { points_per_unit = 1, relax_after_seconds = -1 }",
                "distance.x.relax_after_seconds",
                -1,
                SECONDS,
            ),
            (
                'same = ["v"]\nany_of.v = {}',
                "any_of.v",
                {},
                "an attribute that stands nowhere else but under range and distance; `v` stands under `same`",
            ),
            (
                'same = ["v"]\nrange.v = {}',
                "range.v",
                {},
                "an attribute that stands nowhere else but under range and distance; `v` stands under `same`",
            ),
            (
                "any_of.v = {}\ndistance.v = { points_per_unit = 1 }",
                "distance.v",
                {"points_per_unit": 1.0},
                "an attribute that stands nowhere else but under range and distance; `v` stands under `any_of`",
            ),
            (
                "latency = 60",
                "latency",
                60,
                "a table such as { limit_ms = 60, widen_ms_per_second = 2.0, most_ms = 200 }",
            ),
            ("latency = {}", "latency.limit_ms", None, PINGS + "; it has to be given"),
            ("latency = { limit_ms = -1 }", "latency.limit_ms", -1, PINGS),
            ("latency = { limit_ms = inf }", "latency.limit_ms", float("inf"), PINGS),
            ("latency = { limit_ms = 1, most_ms = 10_001 }", "latency.most_ms", 10_001, PINGS),
            ("latency = { limit_ms = 1, widen_ms_per_second = [] }", "latency.widen_ms_per_second", [], PINGS),
            ("latency = { limit_ms = 61, most_ms = 60 }", "latency.most_ms", 60.0, "at least limit_ms, which is 61"),
            (
                'latency = { limit_ms = 60 }\nservers.eu.eu = "x"',
                "servers",
                {"eu": {"eu": "x"}},
                "either `latency` or `servers`, not both: each finds the place",
            ),
            ('servers.eu = "x"', "servers.eu", "x", 'a table such as { eu = "frankfurt" }'),
            ("servers.eu = {}", "servers.eu", {}, 'a table such as { eu = "frankfurt" }'),
            ("servers.eu.us = 3", "servers.eu.us", 3, TEXT),
            ('servers.EU.us = "x"', "servers.EU", "EU", NAME),
            ('servers.eu.US = "x"', "servers.eu.US", "US", NAME),
            (
                'servers.eu.us = "newyork"\nservers.us.eu = "london"',
                "servers.us.eu",
                "london",
                '"newyork", as `servers.eu.us` says: two regions have one server, either way round',
            ),
            (
                f"servers.eu = {{ {', '.join(f'r{i} = {chr(34)}x{chr(34)}' for i in range(32))} }}",
                "servers",
                "33 regions",
                "at most 32 regions, counted both ways",
            ),
            ("pool.map = []", "pool.map", [], LIST),
            ('pool.map = "Radeon"', "pool.map", "Radeon", LIST),
            (f"pool.map = [{names(65)}]", "pool.map", [f"n{i}" for i in range(65)], LIST),
            ('pool.map = ["a", "b", "a"]', "pool.map[3]", "a", AGAIN),
            ('pool.map = ["a", "b", "x\\ny"]', "pool.map[3]", "x\ny", TEXT),
            (f'pool.map = ["{"é" * 33}"]', "pool.map[1]", "é" * 33, TEXT),
            ('pool.map = ["a", 5]', "pool.map[2]", 5, TEXT),
            ('pool.Map = ["a"]', "pool.Map", "Map", NAME),
            (
                'pool = ["a"]',
                "pool",
                ["a"],
                'a table of up to 8 pools, such as { map = ["Radeon", "Death Valley"] }',
            ),
            ('pool.map = ["a", "b"]\nvetoes.map = -1', "vetoes.map", -1, "a whole number, 0 … 63"),
            ('pool.map = ["a", "b"]\nvetoes.map = 1.0', "vetoes.map", 1.0, "a whole number, 0 … 63"),
            ('pool.map = ["a", "b"]\nvetoes.map = true', "vetoes.map", True, "a whole number, 0 … 63"),
            (
                'pool.map = ["a", "b"]\nvetoes.map = 2',
                "vetoes.map",
                2,
                "a whole number, 0 … 1: one name of the pool has to be left",
            ),
            (
                'pool.map = ["a", "b"]\nvetoes.maps = 1',
                "vetoes.maps",
                1,
                'a pool of this queue (`map`); did you mean "map"?',
            ),
            ("vetoes.map = 1", "vetoes.map", 1, "a pool of this queue (none: this queue sets no `pool`)"),
            ("vetoes = 2", "vetoes", 2, "a table of pools, such as { map = 2 }"),
            ("avoid = 0", "avoid", 0, "a whole number, 1 … 100"),
            ("avoid = 101", "avoid", 101, "a whole number, 1 … 100"),
            ('avoid = ["bob"]', "avoid", ["bob"], "a whole number, 1 … 100"),
            (
                "rematch = 300",
                "rematch",
                300,
                "a table such as { after_seconds = 300, relax_after_seconds = 120 }",
            ),
            ("rematch = {}", "rematch.after_seconds", None, SECONDS + "; it has to be given"),
            ("rematch = { after_seconds = 604_801 }", "rematch.after_seconds", 604_801, SECONDS),
            (
                "rematch = { after_seconds = 1, relax_after_seconds = 0 }",
                "rematch.relax_after_seconds",
                0,
                SECONDS,
            ),
            (
                "provisional = { deviation_from = 0, willingness = {} }",
                "provisional.deviation_from",
                0,
                "a number, above 0 and at most 1,000,000",
            ),
            (
                "provisional = { deviation_from = 1 }",
                "provisional.willingness",
                None,
                "their willingness, a table as the queue's own; it has to be given",
            ),
            (
                "provisional = { deviation_from = 1, willingness = { per_second = -1 } }",
                "provisional.willingness.per_second",
                -1,
                "a number, 0 … 1,000,000",
            ),
            (
                'provisional = { deviation_from = 1, willingness = { kind = "steped" } }',
                "provisional.willingness.kind",
                "steped",
                '"linear", "stepped" or "exponential"; did you mean "stepped"?',
            ),
            (
                "provisional = 5",
                "provisional",
                5,
                "a table such as { deviation_from = 200, willingness = { per_second = 4.0 } }",
            ),
            ('matching = "mine"', "matching", "mine", '"engine" or "own"; did you mean "engine"?'),
            ("matching = 1", "matching", 1, '"engine" or "own"'),
        ],
    )
    def test_names_the_place_the_value_and_the_bound(self, body: str, field: str, value: object, bound: str) -> None:
        (problem,) = refused(body)
        assert (problem.field, problem.bound) == (field, bound)
        assert repr(problem.value) == repr(value)

    @pytest.mark.parametrize(
        ("body", "field", "bound"),
        [
            (
                "any_of.x = { relax_after = 60 }",
                "any_of.x.relax_after",
                RELAX_FIELDS + '; did you mean "relax_after_seconds"?',
            ),
            (
                "latency = { limit_ms = 1, limit = 2 }",
                "latency.limit",
                'the fields limit_ms, most_ms, widen_ms_per_second; did you mean "limit_ms"?',
            ),
            ("limit_ms = 3", "limit_ms", "`limit_ms` belongs inside `latency`"),
            ("after_seconds = 3", "after_seconds", "`after_seconds` belongs inside `rematch`"),
            (
                "provisional = { deviation_from = 1, willingness = {}, per_second = 3 }",
                "provisional.per_second",
                "`per_second` belongs inside `willingness`",
            ),
            (
                "provisional = { deviation_from = 1, willingness = { step = 3 } }",
                "provisional.willingness.step",
                '`step` belongs to kind = "stepped"',
            ),
            (
                "range.x = { max_gap = 3 }",
                "range.x.max_gap",
                "`max_gap` belongs to the queue, outside `range`",
            ),
        ],
    )
    def test_an_unknown_field_is_told_its_place_or_the_nearest_known_one(
        self, body: str, field: str, bound: str
    ) -> None:
        (problem,) = refused(body)
        assert (problem.field, problem.bound) == (field, bound)

    @pytest.mark.parametrize(
        ("written", "meant"),
        [("anyof.x = {}", "any_of"), ("side = []", "sides"), ("latncy = {}", "latency"), ("pools.x = []", "pool")],
    )
    def test_a_misspelled_constraint_names_the_known_one(self, written: str, meant: str) -> None:
        (problem,) = refused(written)
        assert problem.bound.endswith(f'; did you mean "{meant}"?')

    def test_every_fault_is_listed(self) -> None:
        found = refused(
            'sides = ["a"]\nany_of.X = { relax = 1 }\npool.map = ["", "b", "b"]\navoid = 0\n'
            "provisional = { deviation_from = 0, willingness = { cap = -1 } }"
        )
        assert {problem.field for problem in found} == {
            "sides",
            "any_of.X",
            "any_of.X.relax",
            "pool.map[1]",
            "avoid",
            "provisional.deviation_from",
            "provisional.willingness.cap",
        }

    def test_fields_that_disagree_are_all_listed(self) -> None:
        found = refused('same = ["v"]\nany_of.v = {}\nvetoes.x = 1\nvetoes.y = 1\nchoices.b = ["x"]')
        assert {problem.field for problem in found} == {"any_of.v", "vetoes.x", "vetoes.y", "choices.b"}

    @pytest.mark.parametrize("field", ["sides", "pool", "any_of", "servers", "latency", "provisional"])
    def test_tables_nested_10_000_deep(self, field: str) -> None:
        deep: Any = {}
        for _ in range(10_000):
            deep = {"map": deep}
        with pytest.raises(RulesInvalid):
            rules_from({"ladder": {field: deep}})

    def test_half_a_surrogate_pair_is_no_text(self) -> None:
        with pytest.raises(RulesInvalid, match=re.escape("pool.map[1]")):
            rules_from({"ladder": {"pool": {"map": ["\ud800"]}}})


class TestCompiled:
    def test_the_whole_of_it(self) -> None:
        assert compiled(EVERYTHING) == {
            "sides": ["bw", "sc2"],
            "choices": {"bw": ["terran", "zerg"]},
            "same": ["version", "mode"],
            "any_of": {"language": 60_000, "platform": -1},
            "range": {"level": 500},
            "distance": {
                "level": {"points_per_unit": 2, "relax_after_ms": 90_000},
                "karma": {"points_per_unit": 0.25, "relax_after_ms": -1},
            },
            "latency": {"limit_ms": 60, "most_ms": 200, "widen_ms_per_second": 2},
            "pool": {"map": ["Death Valley", "Radeon", "Ascension"], "mode": ["a", "b"]},
            "vetoes": {"map": 1, "mode": 1},
            "avoid": 20,
            "rematch": {"after_ms": 300_000, "relax_after_ms": 120_000},
            "provisional": {
                "deviation_from": 200,
                "kind": "linear",
                "base": 0,
                "cap": -1,
                "per_second": 4.5,
                "step": 0,
                "every_ms": 0,
                "doubling_ms": 0,
                "per_deviation": 0,
                "deviation_above": 0,
            },
            "own": True,
        }

    def test_servers_and_a_rematch_without_exception(self) -> None:
        assert compiled('servers.eu = { eu = "f", us = "n" }\nrematch = { after_seconds = 0.001 }') == {
            "servers": {"eu": {"eu": "f", "us": "n"}, "us": {"eu": "n"}},
            "rematch": {"after_ms": 1, "relax_after_ms": -1},
        }

    def test_a_plain_queue_has_the_text_it_always_had(self) -> None:
        assert "constraints" not in ladder("max_gap = 250").compiled()
        plain, constrained = ladder(""), ladder("avoid = 1")
        assert constrained.compiled() == plain.compiled().replace('"cap":-1,', '"cap":-1,"constraints":{"avoid":1},')

    @given(constrained_rules())
    def test_round_trip(self, rules: QueueRules) -> None:
        text = rules.compiled()
        assert QueueRules.from_compiled(text) == rules
        assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
        assert ("constraints" in json.loads(text)) == (rules.constraints is not None)

    @given(constrained_rules(), constrained_rules())
    def test_is_equal_exactly_for_equal_rules(self, one: QueueRules, other: QueueRules) -> None:
        mixed = other.model_copy(update={name: getattr(one, name) for name in Constraints.model_fields})
        for rules in (other, mixed):
            assert (one == rules) == (one.compiled() == rules.compiled())
        assert (one.constraints == mixed.constraints) is True

    @given(constrained_rules())
    def test_a_dump_comes_back(self, rules: QueueRules) -> None:
        assert rules_from({"ladder": json.loads(rules.model_dump_json())})["ladder"] == rules

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"avoid":20', '"avoid":0'),
            ('"avoid":20', '"avoid":20,"strange":1'),
            ('"own":true', '"own":false'),
            ('"own":true', '"matching":"own"'),
            ('"language":60000', '"language":"60000"'),
            ('"language":60000', '"language":0'),
            ('"any_of":{"language":60000,"platform":-1}', '"any_of":5'),
            ('"any_of":{"language":60000,"platform":-1}', '"any_of":{}'),
            ('"relax_after_ms":90000}', '"relax_after_ms":90000,"strange":0}'),
            ('"relax_after_ms":-1}', '"strange":0}'),
            ('"most_ms":200', '"most_ms":20'),
            ('"vetoes":{"map":1,"mode":1}', '"vetoes":{"map":1}'),
            ('"limit_ms":60', '"limit_ms":60.0'),
            ('"sides":["bw","sc2"]', '"sides":["bw"]'),
            ('"per_second":4.5', '"per_second":"4.5"'),
        ],
    )
    def test_anything_else_is_refused(self, old: str, new: str) -> None:
        text = ladder(EVERYTHING).compiled()
        assert text.count(old) == 1
        with pytest.raises(InvalidInput):
            QueueRules.from_compiled(text.replace(old, new))

    @pytest.mark.parametrize("constraints", ["{}", "[]", "null", "5", '"x"'])
    def test_constraints_of_another_shape_are_refused(self, constraints: str) -> None:
        text = QueueRules().compiled().replace('"cap":-1,', f'"cap":-1,"constraints":{constraints},')
        with pytest.raises(InvalidInput):
            QueueRules.from_compiled(text)


class TestWhatFollows:
    def test_the_class_and_the_line_of_a_ticket(self) -> None:
        rules = ladder('same = ["version", "mode"]')
        assert rules.class_of({"mode": "1v1", "version": "1.2", "level": 3}) == "1.2,1v1"
        assert rules.line_of("ladder", {"mode": "1v1", "version": "1.2"}) == "ladder=1.2,1v1"
        assert ladder("avoid = 1").line_of("ladder", {}) == "ladder"
        with pytest.raises(KeyError):
            rules.class_of({"mode": "1v1"})

    def test_the_attributes_a_ticket_has_to_bring(self) -> None:
        assert ladder(EVERYTHING).attributes == ("version", "mode", "language", "platform", "level", "karma")

    def test_a_latency_limit_widens_and_ends(self) -> None:
        latency = Latency(limit_ms=60, widen_ms_per_second=2, most_ms=200)
        assert [latency.limit_at(ms) for ms in (0, 500, 10_000, 70_000, 10**9)] == [60, 61, 80, 200, 200]

    @pytest.mark.parametrize(("deviation", "points"), [(None, 1.0), (0, 1.0), (199.9, 1.0), (200, 4.0), (350, 4.0)])
    def test_the_willingness_of_an_uncertain_rating(self, deviation: float | None, points: float) -> None:
        rules = ladder("provisional = { deviation_from = 200, willingness = { per_second = 4.0 } }")
        assert rules.willingness_of(deviation).grown(1_000) == points
        assert ladder("").willingness_of(deviation) == Linear()


class TestJsonSchema:
    def test_every_constraint_has_its_bounds_and_its_meaning(self) -> None:
        queue = json_schema()["$defs"]["QueueRules"]["properties"]
        for name in Constraints.model_fields:
            assert queue[name]["description"]
            assert queue[name]["x-bound"]

    def test_names_lists_and_tables_are_bounded(self) -> None:
        queue = json_schema()["$defs"]["QueueRules"]["properties"]
        assert (queue["sides"]["minItems"], queue["sides"]["maxItems"], queue["sides"]["uniqueItems"]) == (2, 2, True)
        (pattern,) = queue["pool"]["patternProperties"]
        assert [bool(re.search(pattern, name)) for name in ("map.1", "Map", "x" * 33)] == [True, False, False]
        assert queue["pool"]["additionalProperties"] is False
        assert queue["pool"]["maxProperties"] == 8
        assert queue["pool"]["patternProperties"][pattern]["maxItems"] == 64
        (row,) = queue["servers"]["patternProperties"].values()
        assert row["minProperties"] == 1
        assert "minProperties" not in queue["pool"]

    def test_every_default_fits_its_own_field(self) -> None:
        """A list that takes two entries must not show an empty one as its default."""
        queue = json_schema()["$defs"]["QueueRules"]["properties"]
        assert {name for name in Constraints.model_fields if "default" in queue[name]} == {
            "latency",
            "avoid",
            "rematch",
            "provisional",
            "matching",
        }


class TestWarnings:
    @pytest.mark.parametrize(
        "body",
        [
            EVERYTHING,
            "latency = { limit_ms = 60 }",
            "latency = { limit_ms = 60, most_ms = 60 }",
            "latency = { limit_ms = 60, widen_ms_per_second = 0.001 }",
            "expire_after_seconds = 0\nheartbeat_seconds = 9\n"
            "latency = { limit_ms = 60, widen_ms_per_second = 0.001, most_ms = 200 }",
            "expire_after_seconds = 0\nheartbeat_seconds = 9\nany_of.x = { relax_after_seconds = 604_800 }",
            'pool.map = ["a", "b", "c"]\nvetoes.map = 1',
            'pool.map = ["a"]',
            'servers.eu.eu = "x"',
            "rematch = { after_seconds = 9 }",
        ],
    )
    def test_sensible_rules_get_none(self, body: str) -> None:
        found = [sentence for sentence in warnings_for(ladder(body)) if not sentence.startswith("vetoes.mode")]
        assert found == []

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (
                "any_of.x = { relax_after_seconds = 1800 }",
                "any_of.x.relax_after_seconds = 1800 is not shorter than expire_after_seconds = 1800: it",
            ),
            ("range.x = { relax_after_seconds = 1801 }", "range.x.relax_after_seconds = 1801 is not shorter"),
            ("distance.x = { points_per_unit = 1, relax_after_seconds = 2000 }", "distance.x.relax_after_seconds"),
            ("rematch = { after_seconds = 9000, relax_after_seconds = 2000 }", "rematch.relax_after_seconds = 2000 is"),
            (
                "rematch = { after_seconds = 60, relax_after_seconds = 60 }",
                "rematch.relax_after_seconds = 60 does nothing: after_seconds = 60 is over by then.",
            ),
            (
                "expire_after_seconds = 400\nlatency = { limit_ms = 60, widen_ms_per_second = 0.25, most_ms = 200 }",
                "latency reaches 160 ms before a ticket expires, so most_ms = 200 is never reached",
            ),
            ("latency = { limit_ms = 60, most_ms = 200 }", "latency reaches 60 ms"),
            (
                "latency = { limit_ms = 60, most_ms = 60, widen_ms_per_second = 1 }",
                "latency.widen_ms_per_second does nothing",
            ),
            ('servers.eu.us = "x"', "servers.eu has no server for eu itself: two players of that region never meet."),
            (
                'pool.map = ["a", "b", "c", "d"]',
                "vetoes.map = 3: two players can veto all 4 names of the pool, and then never meet. Up to 1 is safe.",
            ),
            ('pool.map = ["a", "b", "c", "d"]\nvetoes.map = 2', "vetoes.map = 2: two players can veto all 4"),
            (
                "provisional = { deviation_from = 200, willingness = { per_second = 1 } }",
                "provisional.willingness is the same as willingness: provisional changes nothing.",
            ),
        ],
    )
    def test_what_is_rarely_meant_is_said(self, body: str, said: str) -> None:
        assert any(said in sentence for sentence in warnings_for(ladder(body))), warnings_for(ladder(body))

    @given(constrained_rules())
    def test_any_rules_can_be_advised_on(self, rules: QueueRules) -> None:
        assert all(sentence.endswith(".") for sentence in warnings_for(rules))
