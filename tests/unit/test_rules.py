"""Rules files: what is taken, what is refused and how the refusal reads, and the compiled form."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.errors import InvalidInput, RuleProblem, RulesInvalid
from matchmaker.rules import (
    MAX_FILE_BYTES,
    Exponential,
    Linear,
    QueueRules,
    Stepped,
    json_schema,
    load_rules,
    parse_rules,
    rules_from,
    warnings_for,
)
from tests.oracle import queue_rules

FILE = "queues.toml"

COMPILED_KEYS = {
    "accept",
    "max_gap",
    "kind",
    "base",
    "per_second",
    "cap",
    "step",
    "every_ms",
    "doubling_ms",
    "per_deviation",
    "deviation_above",
    "interval_ms",
    "expire_after_ms",
    "heartbeat_ms",
}


# Fields that came later: compiled only where they are not the default.
LATER = {"default_rating": 1500.0, "default_deviation": None}


# Names of tables that a queue has, and of what stands in them.
TABLES = ["willingness", "kind", "cap", "step", "max_gap", "x", "sides", "same", "any_of", "latency", "servers", "pool"]
TABLES += ["vetoes", "provisional"]


def refused(text: str) -> list[RuleProblem]:
    """The problems of a file that has to be refused."""
    with pytest.raises(RulesInvalid) as caught:
        parse_rules(text, FILE)
    assert all(problem.file == FILE for problem in caught.value.problems)
    return list(caught.value.problems)


def only_problem(text: str) -> RuleProblem:
    problems = refused(text)
    assert len(problems) == 1, problems
    return problems[0]


def ladder(body: str) -> QueueRules:
    return parse_rules("[ladder]\n" + body, FILE)["ladder"]


class TestValidFiles:
    def test_an_empty_table_is_a_queue_with_every_default(self) -> None:
        rules = parse_rules("[ladder]", FILE)
        assert rules == {"ladder": QueueRules()}
        assert json.loads(rules["ladder"].compiled()) == {
            "accept": "sum",
            "max_gap": 300,
            "kind": "linear",
            "base": 0,
            "per_second": 1,
            "cap": -1,
            "step": 0,
            "every_ms": 0,
            "doubling_ms": 0,
            "per_deviation": 0,
            "deviation_above": 0,
            "interval_ms": 0,
            "expire_after_ms": 1_800_000,
            "heartbeat_ms": 0,
        }

    def test_every_field_arrives(self) -> None:
        rules = ladder(
            'accept = "both"\nmax_gap = 250.5\ndefault_rating = 1200\ndefault_deviation = 350\n'
            "interval_ms = 500\nexpire_after_seconds = 60\nheartbeat_seconds = 2.5\n"
            "willingness = { base = 1, per_second = 0.5, cap = 90, per_deviation = 0.25, deviation_above = 75 }"
        )
        assert rules == QueueRules(
            accept="both",
            max_gap=250.5,
            default_rating=1200,
            default_deviation=350,
            interval_ms=500,
            expire_after_seconds=60,
            heartbeat_seconds=2.5,
            willingness=Linear(base=1, per_second=0.5, cap=90, per_deviation=0.25, deviation_above=75),
        )

    def test_the_kind_decides_the_fields(self) -> None:
        stepped = ladder('willingness = { kind = "stepped", step = 50, every_seconds = 45, cap = 300 }')
        doubling = ladder('willingness = { kind = "exponential", base = 2, doubling_seconds = 7.5, cap = 100 }')
        assert stepped.willingness == Stepped(kind="stepped", step=50, every_seconds=45, cap=300)
        assert doubling.willingness == Exponential(kind="exponential", base=2, doubling_seconds=7.5, cap=100)

    def test_exponential_growth_is_capped_by_max_gap_unless_it_says_otherwise(self) -> None:
        rules = ladder('max_gap = 150\nwillingness = { kind = "exponential", base = 2, doubling_seconds = 10 }')
        assert rules.willingness.cap == 150

    def test_queues_keep_the_order_of_the_file(self) -> None:
        assert list(parse_rules("[z]\n[a]\n[m-1_x]", FILE)) == ["z", "a", "m-1_x"]

    @pytest.mark.parametrize("name", ["a", "0", "a" * 64, "ladder-1v1_eu"])
    def test_good_queue_names(self, name: str) -> None:
        assert list(parse_rules(f"[{name}]", FILE)) == [name]

    @pytest.mark.parametrize(
        "body",
        [
            "max_gap = 2_000_000",
            "max_gap = 1e-9",
            "interval_ms = 60_000",
            "expire_after_seconds = 0",
            "expire_after_seconds = 0.001",
            "expire_after_seconds = 604_800",
            "heartbeat_seconds = 0",
            "heartbeat_seconds = 1",
            "heartbeat_seconds = 3600",
            "default_rating = -1_000_000",
            "default_rating = 1_000_000",
            "default_deviation = 0",
            "default_deviation = 1_000_000",
            "willingness = { per_second = 0 }",
            "willingness = { per_second = 1_000_000 }",
            "willingness = { cap = 2_000_000 }",
        ],
    )
    def test_the_ends_of_every_range_are_allowed(self, body: str) -> None:
        (written,) = re.findall(r"(\w+) = ([\d_.e-]+)", body)
        rules = ladder(body)
        found = getattr(rules, written[0], None)
        assert (getattr(rules.willingness, written[0]) if found is None else found) == float(written[1])

    def test_rules_are_immutable(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            QueueRules().max_gap = 1.0


class TestOneFault:
    @pytest.mark.parametrize(
        ("line", "field", "bound"),
        [
            ("max_gap = 0", "max_gap", "a number, above 0 and at most 2,000,000"),
            ("max_gap = 2_000_001", "max_gap", "a number, above 0 and at most 2,000,000"),
            ('max_gap = "300"', "max_gap", "a number, above 0 and at most 2,000,000"),
            ("max_gap = true", "max_gap", "a number, above 0 and at most 2,000,000"),
            ("max_gap = nan", "max_gap", "a number, above 0 and at most 2,000,000"),
            ("max_gap = inf", "max_gap", "a number, above 0 and at most 2,000,000"),
            ("max_gap = 1e400", "max_gap", "a number, above 0 and at most 2,000,000"),
            ("max_gap = [300]", "max_gap", "a number, above 0 and at most 2,000,000"),
            ("max_gap = 2026-11-23", "max_gap", "a number, above 0 and at most 2,000,000"),
            ("interval_ms = 5.0", "interval_ms", "a whole number, 0 … 60,000 milliseconds"),
            ("interval_ms = true", "interval_ms", "a whole number, 0 … 60,000 milliseconds"),
            ("interval_ms = -1", "interval_ms", "a whole number, 0 … 60,000 milliseconds"),
            ("interval_ms = 60_001", "interval_ms", "a whole number, 0 … 60,000 milliseconds"),
            (
                "expire_after_seconds = 604_801",
                "expire_after_seconds",
                "a number, 0 … 604,800 seconds, in whole milliseconds",
            ),
            (
                "expire_after_seconds = 0.0005",
                "expire_after_seconds",
                "a number, 0 … 604,800 seconds, in whole milliseconds",
            ),
            (
                "heartbeat_seconds = 0.5",
                "heartbeat_seconds",
                "0 (off), or a number, 1 … 3,600 seconds, in whole milliseconds",
            ),
            (
                "heartbeat_seconds = 3601",
                "heartbeat_seconds",
                "0 (off), or a number, 1 … 3,600 seconds, in whole milliseconds",
            ),
            ("accept = []", "accept", '"sum", "either" or "both"'),
            ('accept = "Some"', "accept", '"sum", "either" or "both"; did you mean "sum"?'),
            ("willingness = { per_second = -1 }", "willingness.per_second", "a number, 0 … 1,000,000"),
            ('willingness = { per_second = "1" }', "willingness.per_second", "a number, 0 … 1,000,000"),
            ("willingness = { base = false }", "willingness.base", "a number, 0 … 1,000,000"),
            ("willingness = { cap = -1 }", "willingness.cap", "a number, 0 … 2,000,000"),
            ("willingness = { per_deviation = inf }", "willingness.per_deviation", "a number, 0 … 1,000,000"),
            ("willingness = { deviation_above = 1_000_001 }", "willingness.deviation_above", "a number, 0 … 1,000,000"),
            (
                'willingness = { kind = "exponential", base = 0, doubling_seconds = 1 }',
                "willingness.base",
                "a number, 0.001 … 1,000,000",
            ),
            (
                'willingness = { kind = "stepped", step = 1, every_seconds = 0 }',
                "willingness.every_seconds",
                "a number, 0.001 … 604,800 seconds, in whole milliseconds",
            ),
            (
                'willingness = { kind = "stepped", step = 1, every_seconds = 0.0015 }',
                "willingness.every_seconds",
                "a number, 0.001 … 604,800 seconds, in whole milliseconds",
            ),
            (
                'willingness = { kind = "exponential", base = 1, doubling_seconds = 0.0015 }',
                "willingness.doubling_seconds",
                "a number, 0.001 … 604,800 seconds, in whole milliseconds",
            ),
            (
                'willingness = { kind = "steped" }',
                "willingness.kind",
                '"linear", "stepped" or "exponential"; did you mean "stepped"?',
            ),
            ("default_rating = 1_000_001", "default_rating", "a number, −1,000,000 … 1,000,000"),
            ("default_rating = nan", "default_rating", "a number, −1,000,000 … 1,000,000"),
            ('default_rating = "1500"', "default_rating", "a number, −1,000,000 … 1,000,000"),
            ("default_deviation = -1", "default_deviation", "a number, 0 … 1,000,000"),
            ("willingness = { kind = 3 }", "willingness.kind", '"linear", "stepped" or "exponential"'),
            (
                "willingness = 1.0",
                "willingness",
                "a table such as { per_second = 1.0 }: rating points given for waiting",
            ),
        ],
    )
    def test_names_queue_field_value_and_bound(self, line: str, field: str, bound: str) -> None:
        problem = only_problem(f"[ladder]\n{line}")
        assert (problem.queue, problem.field, problem.bound) == ("ladder", field, bound)
        written = tomllib.loads(line)
        for part in field.split("."):
            written = written[part]
        assert repr(problem.value) == repr(written)

    def test_reads_as_one_line(self) -> None:
        problem = only_problem("[ladder]\nwillingness = { per_second = -1 }")
        assert str(problem) == (
            "queues.toml: ladder: willingness.per_second: -1 is refused (allowed: a number, 0 … 1,000,000)"
        )

    def test_a_missing_field_says_what_has_to_be_given(self) -> None:
        problem = only_problem('[ladder]\nwillingness = { kind = "stepped", step = 5 }')
        assert (problem.field, problem.value) == ("willingness.every_seconds", None)
        assert problem.bound == "a number, 0.001 … 604,800 seconds, in whole milliseconds; it has to be given"

    @pytest.mark.parametrize(
        ("line", "field", "near"),
        [
            ("maxgap = 300", "maxgap", "max_gap"),
            ('acept = "sum"', "acept", "accept"),
            ("expire_seconds = 5", "expire_seconds", "expire_after_seconds"),
            ("willingness = { per_sec = 1 }", "willingness.per_sec", "per_second"),
            (
                'willingness = { kind = "stepped", step = 1, every = 4, every_seconds = 1 }',
                "willingness.every",
                "every_se",
            ),
        ],
    )
    def test_an_unknown_field_names_the_nearest_known_one(self, line: str, field: str, near: str) -> None:
        problem = only_problem(f"[ladder]\n{line}")
        assert problem.field == field
        assert problem.bound.startswith("the fields ")
        assert f'; did you mean "{near}' in problem.bound

    def test_an_unknown_field_like_no_other_lists_the_fields(self) -> None:
        problem = only_problem("[ladder]\nzzz = 1")
        assert problem.bound == (
            "the fields accept, any_of, avoid, choices, default_deviation, default_rating, distance, "
            "expire_after_seconds, heartbeat_seconds, interval_ms, latency, matching, max_gap, penalties, pool, "
            "provisional, range, rating, ready_check, rematch, results, same, servers, sides, vetoes, willingness"
        )

    @pytest.mark.parametrize(
        ("line", "field", "bound"),
        [
            ("willingness = { step = 5 }", "willingness.step", '`step` belongs to kind = "stepped"'),
            (
                'willingness = { kind = "stepped", step = 1, every_seconds = 1, per_second = 1 }',
                "willingness.per_second",
                '`per_second` belongs to kind = "linear"',
            ),
            (
                'willingness = { kind = "linear", doubling_seconds = 9 }',
                "willingness.doubling_seconds",
                '`doubling_seconds` belongs to kind = "exponential"',
            ),
            ("per_second = 1", "per_second", "`per_second` belongs inside `willingness`"),
            (
                "willingness = { max_gap = 5 }",
                "willingness.max_gap",
                "`max_gap` belongs to the queue, outside `willingness`",
            ),
        ],
    )
    def test_a_field_in_the_wrong_place_is_told_its_place(self, line: str, field: str, bound: str) -> None:
        problem = only_problem(f"[ladder]\n{line}")
        assert (problem.field, problem.bound) == (field, bound)

    @pytest.mark.parametrize(
        "name", ["Ladder", "-a", "_a", '"a b"', '"a.b"', '"ä"', '"{main}"', '"a\\n"', "a" * 65, '""']
    )
    def test_a_bad_queue_name(self, name: str) -> None:
        problem = only_problem(f"[{name}]")
        assert problem.field == "name"
        assert problem.queue == problem.value
        assert "1 … 64 of a-z, 0-9, _ and -" in problem.bound

    def test_a_field_above_the_first_queue(self) -> None:
        problem = only_problem("max_gap = 300\n[ladder]")
        assert (problem.queue, problem.field, problem.value) == ("", "max_gap", 300)
        assert "below its header" in problem.bound

    def test_a_queue_in_double_brackets(self) -> None:
        assert only_problem("[[ladder]]").bound == "one table [ladder], in single brackets"


class TestAllFaultsAtOnce:
    def test_every_fault_of_every_queue_is_listed(self) -> None:
        # Given a file with faults at the top, in names, in fields, in a table of unknown kind
        text = """
            stray = 1
            [Ladder]
            max_gap = -1
            [one]
            acept = "sum"
            interval_ms = "x"
            willingness = { kind = "steped", step = -1, per_second = "x", evry_seconds = 4, cap = 10, base = 0 }
            [fine]
            [two.willingness]
            per_second = nan
            cap = true
        """
        # When it is parsed, then nothing is taken and each fault is named once
        found = {(problem.queue, problem.field) for problem in refused(text)}
        assert found == {
            ("", "stray"),
            ("Ladder", "name"),
            ("Ladder", "max_gap"),
            ("one", "acept"),
            ("one", "interval_ms"),
            ("one", "willingness.kind"),
            ("one", "willingness.step"),
            ("one", "willingness.per_second"),
            ("one", "willingness.evry_seconds"),
            ("two", "willingness.per_second"),
            ("two", "willingness.cap"),
        }
        assert len(refused(text)) == len(found)

    def test_the_message_has_a_line_for_each(self) -> None:
        with pytest.raises(RulesInvalid) as caught:
            parse_rules("[ladder]\nmax_gap = 0\ninterval_ms = -1", FILE)
        assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
        assert len(caught.value.problems) == 2

    @given(
        st.dictionaries(
            st.text(max_size=8),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(
                        st.sampled_from(TABLES),
                        inner,
                        max_size=4,
                    )
                ),
                max_leaves=8,
            ),
            max_size=3,
        )
    )
    def test_no_pydantic_internals_ever_show(self, tables: dict[str, object]) -> None:
        # Given any tables at all, when they are refused
        try:
            rules_from(tables, FILE)
        except RulesInvalid as error:
            # Then each field is a path somebody wrote, or a known one that is missing
            for problem in error.problems:
                path = re.split(r"\.", problem.field)
                assert not {"linear", "stepped", "exponential"} & set(path[1:])
                assert "function" not in problem.field.split(".")
                assert "[key]" not in problem.field
                assert problem.bound
                assert str(problem)


class TestUnreadableText:
    @pytest.mark.parametrize(
        ("text", "line", "shown"),
        [
            ("[a]\nmax_gap = \n", "line 2", "max_gap ="),
            ("[a]\nmax_gap = 1\nmax_gap = 2\n[b]", "line 3", "max_gap = 2"),
            ("[a]\nmax_gap = 1\nmax_gap = 2", "line 3", "max_gap = 2"),
            ("[a]\n[b]\n\n[a]\n", "line 4", "[a]"),
            ("[a]\n\nx = '''", "line 3", "x = '''"),
            ("[a]\n\n\nx = " + "9" * 5000, "line 4", "x = 999"),
            ("\n[a]\nx" + ".x" * 40 + " = 1", "line 3", ".x.x"),
        ],
    )
    def test_syntax_errors_and_duplicates_name_the_line_and_show_it(self, text: str, line: str, shown: str) -> None:
        problem = only_problem(text)
        assert (problem.queue, problem.field) == ("", line)
        assert str(problem.value).startswith(shown)

    def test_the_reason_is_told(self) -> None:
        assert only_problem("[a]\nmax_gap = \n").bound == "valid TOML; Invalid value, column 11"

    @pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
    def test_a_file_without_queues(self, text: str) -> None:
        assert only_problem(text).bound == "at least one queue: a table such as [ladder]"

    @pytest.mark.parametrize("text", ["a = " + "[" * 10_000, "a = " + "{a=" * 10_000])
    def test_deep_nesting(self, text: str) -> None:
        assert only_problem(text).value == "nested too deep"

    @pytest.mark.parametrize("part", [".a", '."a"', ".'a'", " . a", '."\\""'])
    def test_a_key_of_very_many_parts_is_refused_before_it_eats_the_memory(self, part: str) -> None:
        assert only_problem("a" + part * 100_000 + " = 1").bound == "a key of at most 32 dotted parts"

    @pytest.mark.parametrize("line", ["max_gap = 0x" + "f" * 20_000, "zzz = 0x" + "f" * 20_000])
    def test_an_integer_that_python_does_not_print(self, line: str) -> None:
        assert "int too large to show" in str(only_problem(f"[a]\n{line}"))

    def test_tables_nested_10_000_deep(self) -> None:
        deep: dict[str, object] = {}
        for _ in range(10_000):
            deep = {"willingness": deep}
        with pytest.raises(RulesInvalid, match="too large to show"):
            rules_from({"ladder": deep})

    def test_text_over_a_megabyte(self) -> None:
        assert only_problem("#" * (MAX_FILE_BYTES + 1)).bound == "at most 1,000,000 bytes"


class TestFiles:
    def refused_file(self, path: Path) -> RuleProblem:
        with pytest.raises(RulesInvalid) as caught:
            load_rules(path)
        (problem,) = caught.value.problems
        assert problem.file == str(path)
        return problem

    def test_loads(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        path.write_text("[ladder]\nmax_gap = 250", encoding="utf-8")
        assert load_rules(path) == load_rules(str(path)) == {"ladder": QueueRules(max_gap=250)}

    def test_takes_a_byte_order_mark_and_windows_line_ends(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        path.write_bytes(b"\xef\xbb\xbf[ladder]\r\nmax_gap = 250\r\n")
        assert load_rules(path)["ladder"].max_gap == 250

    def test_problems_carry_the_files_name(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        path.write_text("[ladder]\nmax_gap = -1", encoding="utf-8")
        assert self.refused_file(path).field == "max_gap"

    def test_not_utf_8(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        path.write_bytes(b"# a\n\n[ladder] # \xe9t\xe9")
        problem = self.refused_file(path)
        assert (problem.field, problem.bound) == ("line 3", "UTF-8 text")

    def test_not_there(self, tmp_path: Path) -> None:
        assert "No such file" in self.refused_file(tmp_path / "none.toml").bound

    def test_a_folder(self, tmp_path: Path) -> None:
        assert "Is a directory" in self.refused_file(tmp_path).bound

    def test_a_nul_in_the_path(self) -> None:
        assert "a file that can be read" in self.refused_file(Path("a\0b")).bound

    def test_exactly_a_megabyte_is_read_and_a_byte_more_is_not(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        content = b"[ladder]\n".ljust(MAX_FILE_BYTES, b"#")
        path.write_bytes(content)
        assert load_rules(path) == {"ladder": QueueRules()}
        path.write_bytes(content + b"#")
        assert self.refused_file(path).bound == "at most 1,000,000 bytes"


class TestCompiled:
    @given(queue_rules())
    def test_round_trip(self, rules: QueueRules) -> None:
        assert QueueRules.from_compiled(rules.compiled()) == rules

    @given(queue_rules())
    def test_is_canonical_and_complete(self, rules: QueueRules) -> None:
        text = rules.compiled()
        found = json.loads(text)
        later = {name for name, default in LATER.items() if getattr(rules, name) != default}
        assert set(found) == COMPILED_KEYS | later
        assert text == json.dumps(found, sort_keys=True, separators=(",", ":"))
        for key, value in found.items():
            assert isinstance(value, str) == (key in {"accept", "kind"})
            assert not isinstance(value, bool)
            assert isinstance(value, int) or not key.endswith("_ms")

    @given(queue_rules(), queue_rules())
    def test_is_equal_exactly_for_equal_rules(self, one: QueueRules, other: QueueRules) -> None:
        assert (one == other) == (one.compiled() == other.compiled())

    def test_text_that_an_older_program_stored_is_what_it_was(self) -> None:
        """Given the rules of a program that knew no defaults for unknown players, then they read and compare equal."""
        older = (
            '{"accept":"sum","base":0,"cap":-1,"deviation_above":0,"doubling_ms":0,"every_ms":0,'
            '"expire_after_ms":1800000,"heartbeat_ms":0,"interval_ms":0,"kind":"linear","max_gap":300,'
            '"per_deviation":0,"per_second":1,"step":0}'
        )
        assert QueueRules().compiled() == older
        assert QueueRules.from_compiled(older) == QueueRules()

    def test_a_default_rating_is_kept_with_the_rules(self) -> None:
        rules = QueueRules(default_rating=-0.0, default_deviation=0)
        assert '"default_deviation":0,"default_rating":0,' in rules.compiled()
        assert QueueRules.from_compiled(rules.compiled()) == rules

    def test_has_one_spelling_for_a_number(self) -> None:
        negative_zero = QueueRules(willingness=Linear(base=-0.0))
        assert negative_zero.compiled() == QueueRules(willingness=Linear(base=0.0)).compiled()
        assert '"per_second":1,' in QueueRules(willingness=Linear(per_second=1.0)).compiled()

    def test_an_exponential_cap_left_out_is_max_gap_in_the_compiled_form(self) -> None:
        rules = QueueRules(
            max_gap=1_500_000, willingness=Exponential(kind="exponential", base=1, doubling_seconds=0.001)
        )
        compiled = json.loads(rules.compiled())
        assert (compiled["cap"], compiled["doubling_ms"]) == (1_500_000, 1)
        assert QueueRules.from_compiled(rules.compiled()) == rules

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "null",
            "[]",
            "{}",
            "[" * 10_000,
            '{"kind":[]}',
            QueueRules().compiled().replace("300", "-300"),
            QueueRules().compiled().replace("300", "NaN"),
            QueueRules().compiled().replace("300", '"300"'),
            QueueRules().compiled().replace("1800000", "1" + "0" * 400),
            QueueRules().compiled().replace("linear", "cubic"),
            QueueRules().compiled().replace('"step":0', '"step":5'),
            QueueRules().compiled().replace('"step":0', '"step":0,"strange":0'),
            QueueRules().compiled().replace(",", ", "),
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            QueueRules.from_compiled(text)
        assert caught.value.field == "compiled rules"


class TestJsonSchema:
    def test_covers_queues_and_every_kind(self) -> None:
        schema = json.loads(json.dumps(json_schema(), allow_nan=False))
        assert schema["minProperties"] == 1
        queue = schema["$defs"]["QueueRules"]
        assert set(queue["properties"]) == set(QueueRules.model_fields)
        assert queue["additionalProperties"] is False
        assert queue["properties"]["max_gap"]["maximum"] == 2_000_000
        assert queue["properties"]["accept"]["enum"] == ["sum", "either", "both"]
        assert {"Linear", "Stepped", "Exponential"} <= set(schema["$defs"])

    def test_every_reference_in_it_resolves(self) -> None:
        schema = json_schema()
        references = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
        assert references == set(schema["$defs"])

    def test_names_are_bounded_as_in_the_file(self) -> None:
        pattern = json_schema()["propertyNames"]["pattern"]
        assert re.search(pattern, "ladder-1")
        assert not re.search(pattern, "Ladder")


class TestWarnings:
    @pytest.mark.parametrize(
        "body",
        [
            "",
            "willingness = { per_second = 0.2 }",
            "willingness = { per_second = 1, cap = 150 }",
            'accept = "both"\nwillingness = { per_second = 1, cap = 300 }',
            "interval_ms = 500\nwillingness = { base = 20 }",
            "expire_after_seconds = 0\nheartbeat_seconds = 30",
            "willingness = { per_deviation = 0.5, deviation_above = 75 }",
        ],
    )
    def test_sensible_rules_get_none(self, body: str) -> None:
        assert warnings_for(ladder(body)) == []

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("willingness = { base = 20 }", "two players up to 40 points apart are matched on arrival"),
            ('accept = "both"\nwillingness = { base = 20 }', "up to 20 points apart"),
            ("max_gap = 30\nwillingness = { base = 20 }", "up to 30 points apart"),
            (
                'willingness = { kind = "exponential", base = 4, doubling_seconds = 10 }',
                "willingness.base = 4 with interval_ms = 0 pairs too early",
            ),
            (
                "willingness = { per_second = 0 }",
                "willingness stays 0 however long a ticket waits: only equal ratings are matched.",
            ),
            ("willingness = { cap = 0 }", "only equal ratings are matched."),
            (
                "willingness = { per_second = 0, per_deviation = 1 }",
                "only equal ratings are matched unless their deviation adds to it.",
            ),
            ("interval_ms = 1\nwillingness = { base = 9, per_second = 0 }", "waiting covers gaps up to 18 points"),
            ("willingness = { cap = 149 }", "waiting covers gaps up to 298 points, so max_gap = 300 is never reached"),
            ('accept = "either"\nwillingness = { cap = 299 }', "waiting covers gaps up to 299 points"),
            ("expire_after_seconds = 100", "waiting covers gaps up to 200 points"),
            ("willingness = { deviation_above = 5 }", "deviation_above does nothing without"),
            ("interval_ms = 5000\nexpire_after_seconds = 5", "tickets expire before they are looked at"),
            ("heartbeat_seconds = 1800", "it never ends a ticket"),
            ("expire_after_seconds = 0", "waits until somebody cancels it"),
        ],
    )
    def test_what_is_rarely_meant_is_said(self, body: str, said: str) -> None:
        assert any(said in sentence for sentence in warnings_for(ladder(body))), warnings_for(ladder(body))

    @given(queue_rules())
    def test_any_rules_can_be_advised_on(self, rules: QueueRules) -> None:
        assert all(sentence.endswith(".") for sentence in warnings_for(rules))
