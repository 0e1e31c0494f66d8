"""Ready check, penalties, results and rating in a rules file: what is taken, what is refused, the compiled form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.errors import InvalidInput, RuleProblem, RulesInvalid
from matchmaker.rules import (
    EloRules,
    Glicko2Rules,
    OpenSkillRules,
    PenaltyRules,
    QueueRules,
    ReadyCheckRules,
    ResultRules,
    json_schema,
    parse_rules,
    warnings_for,
)
from matchmaker.rules.lifecycle_fields import LETTERS, SYSTEMS, LifecycleFields
from tests.oracle import queue_rules

FILE = "queues.toml"

EVERYTHING = """
default_deviation = 350
ready_check = { seconds = 20 }
penalties = { seconds = [0, 60, 300, 900], decay_seconds = 86400 }
results = { by = "players", within_seconds = 7200, alone = "counts", abort_seconds = 0 }
rating = { system = "glicko2", tau = 0.5, volatility = 0.06 }
"""

RESULTS = 'a table such as { by = "players", within_seconds = 7200, alone = "counts", abort_seconds = 0 }'
READY = "a number, 3 … 600 seconds, in whole milliseconds"
RUNG = "a number, 0 … 604,800 seconds, in whole milliseconds"
LADDER = "a list of 1 … 16 times in seconds, none shorter than the one before"
WEEK = "a number, 1 … 604,800 seconds, in whole milliseconds"
NAMES_OF_SYSTEMS = '"elo", "glicko2" or "openskill"'
LETTER = "a letter rank: 1 … 8 letters, digits, + and -"


def ladder(body: str) -> QueueRules:
    return parse_rules("[ladder]\n" + body, FILE)["ladder"]


def refused(body: str) -> list[RuleProblem]:
    with pytest.raises(RulesInvalid) as caught:
        ladder(body)
    assert all((problem.file, problem.queue) == (FILE, "ladder") for problem in caught.value.problems)
    return list(caught.value.problems)


def compiled(body: str) -> Any:
    return json.loads(ladder(body).compiled())


def seconds(low_ms: int, high_ms: int) -> st.SearchStrategy[float]:
    return st.integers(low_ms, high_ms).map(lambda ms: ms / 1000)


@st.composite
def rating_tables(draw: st.DrawFn) -> EloRules | Glicko2Rules | OpenSkillRules:
    percentiles = st.floats(0, 100) | st.integers(0, 100).map(float)
    letters = draw(st.dictionaries(st.from_regex(r"[A-Za-z0-9+-]{1,8}", fullmatch=True), percentiles, max_size=16))
    shared: dict[str, Any] = {
        "deviation_growth_per_day": draw(st.just(0.0) | st.floats(0, 1_000_000)),
        "letters": {letter: least for least, letter in {least: letter for letter, least in letters.items()}.items()},
    }
    system = draw(st.sampled_from(sorted(SYSTEMS)))
    if system == "elo":
        return EloRules(system="elo", k=draw(st.floats(0.1, 1000)), divisor=draw(st.floats(1, 4000)), **shared)
    if system == "glicko2":
        tau, volatility = draw(st.floats(0.01, 10)), draw(st.floats(0.0001, 1))
        return Glicko2Rules(system="glicko2", tau=tau, volatility=volatility, **shared)
    shared["model"] = draw(st.sampled_from(["plackett_luce", "bradley_terry_full", "thurstone_mosteller_full"]))
    return OpenSkillRules(system="openskill", **shared)


@st.composite
def lifecycles(draw: st.DrawFn) -> QueueRules:
    """Any rules that are valid, some of them with nothing after the match."""
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        fields["ready_check"] = ReadyCheckRules(seconds=draw(seconds(3_000, 600_000)))
    if draw(st.booleans()):
        fields["results"] = ResultRules(
            by=draw(st.sampled_from(["players", "server", "either"])),
            within_seconds=draw(seconds(1_000, 604_800_000)),
            alone=draw(st.sampled_from(["counts", "dispute", "nothing"])),
            abort_seconds=draw(st.just(0.0) | seconds(0, 3_600_000)),
        )
        fields["rating"] = draw(st.none() | rating_tables())
    penalised: bool = draw(st.booleans())
    if fields and penalised:
        rungs = sorted(draw(st.lists(seconds(0, 604_800_000), min_size=1, max_size=16)))
        fields["penalties"] = PenaltyRules(seconds=tuple(rungs), decay_seconds=draw(seconds(1_000, 604_800_000)))
    plain = draw(queue_rules())
    if isinstance(fields.get("rating"), OpenSkillRules):
        fields["default_deviation"] = draw(st.floats(1, 1_000_000))
    return QueueRules.model_validate({name: getattr(plain, name) for name in plain.model_fields_set} | fields)


class TestValid:
    def test_everything_arrives(self) -> None:
        assert ladder(EVERYTHING) == QueueRules(
            default_deviation=350,
            ready_check=ReadyCheckRules(seconds=20),
            penalties=PenaltyRules(seconds=(0, 60, 300, 900), decay_seconds=86_400),
            results=ResultRules(by="players", within_seconds=7200, alone="counts", abort_seconds=0),
            rating=Glicko2Rules(system="glicko2", tau=0.5, volatility=0.06),
        )

    def test_what_may_be_left_out(self) -> None:
        rules = ladder('penalties = { seconds = [5] }\nresults = {}\nrating = { system = "elo" }')
        assert rules.penalties == PenaltyRules(seconds=(5,), decay_seconds=86_400)
        assert rules.results == ResultRules(by="players", within_seconds=7200, alone="counts", abort_seconds=0)
        assert rules.rating == EloRules(system="elo", k=32, divisor=400, deviation_growth_per_day=0)
        assert rules.rating.letters == LETTERS == {"S": 95, "A": 80, "B": 50, "C": 20}
        openskill = ladder('results = {}\nrating = { system = "openskill" }').rating
        assert openskill == OpenSkillRules(system="openskill", model="plackett_luce")

    def test_a_plain_queue_has_none_of_it(self) -> None:
        rules = ladder("")
        assert (rules.ready_check, rules.penalties, rules.results, rules.rating) == (None, None, None, None)
        assert rules.lifecycle_fields() == {}
        assert not set(LifecycleFields.model_fields) & set(rules.model_dump())

    def test_it_makes_no_queue_a_constrained_one(self) -> None:
        assert ladder(EVERYTHING).constraints is None
        assert list(ladder(EVERYTHING).lifecycle_fields()) == ["ready_check", "penalties", "results", "rating"]
        assert {"ready_check", "penalties", "results", "rating"} <= set(ladder(EVERYTHING).model_dump())

    @pytest.mark.parametrize(
        "body",
        [
            "ready_check = { seconds = 3 }",
            "ready_check = { seconds = 600 }",
            "ready_check.seconds = 4.5",
            "results = { within_seconds = 1 }",
            "results = { within_seconds = 604_800, abort_seconds = 3600 }",
            "results = {}\npenalties = { seconds = [0, 0, 0.5, 604_800] }",
            "results = {}\npenalties = { seconds = [1,1,1,1, 1,1,1,1, 1,1,1,1, 1,1,1,1], decay_seconds = 1 }",
            'results = {}\nrating = { system = "elo", k = 0.1, divisor = 1, letters = {} }',
            'results = {}\nrating = { system = "elo", letters = { "S+" = 100, a-1 = 0 } }',
            'results = {}\ndefault_deviation = 0\nrating = { system = "elo" }',
            'results = {}\ndefault_rating = 3\nrating = { system = "openskill" }',
        ],
    )
    def test_bounds_themselves_are_taken(self, body: str) -> None:
        assert ladder(body).compiled()


class TestOneFault:
    @pytest.mark.parametrize(
        ("body", "field", "bound"),
        [
            ("ready_check = 20", "ready_check", "a table such as { seconds = 20 }"),
            ("ready_check = {}", "ready_check.seconds", f"{READY}; it has to be given"),
            ("ready_check = { seconds = 2.999 }", "ready_check.seconds", READY),
            ("ready_check = { seconds = 601 }", "ready_check.seconds", READY),
            ("ready_check = { seconds = 20.0005 }", "ready_check.seconds", READY),
            ('ready_check = { seconds = "20" }', "ready_check.seconds", READY),
            ("ready_check = { seconds = true }", "ready_check.seconds", READY),
            ("results = {}\npenalties = { seconds = [] }", "penalties.seconds", LADDER),
            ("results = {}\npenalties = { seconds = 60 }", "penalties.seconds", LADDER),
            (f"results = {{}}\npenalties = {{ seconds = {[1] * 17} }}", "penalties.seconds", LADDER),
            ("results = {}\npenalties = { seconds = [0, -1] }", "penalties.seconds[2]", RUNG),
            ("results = {}\npenalties = { seconds = [604801] }", "penalties.seconds[1]", RUNG),
            ("results = {}\npenalties = { seconds = [nan] }", "penalties.seconds[1]", RUNG),
            ("results = {}\npenalties = { seconds = [0.0001] }", "penalties.seconds[1]", RUNG),
            ("results = {}\npenalties = { seconds = [9, 5] }", "penalties.seconds[2]", "at least 9, the one before it"),
            ("results = {}\npenalties = { seconds = [9], decay_seconds = 0.5 }", "penalties.decay_seconds", WEEK),
            ("results = true", "results", RESULTS),
            ('results = { by = "player" }', "results.by", '"players", "server" or "either"; did you mean "players"?'),
            (
                'results = { alone = "count" }',
                "results.alone",
                '"counts", "dispute" or "nothing"; did you mean "counts"?',
            ),
            ("results = { within_seconds = 0 }", "results.within_seconds", WEEK),
            ("results = { within_seconds = 604801 }", "results.within_seconds", WEEK),
            (
                "results = { abort_seconds = 3601 }",
                "results.abort_seconds",
                "a number, 0 … 3,600 seconds, in whole milliseconds",
            ),
            (
                'results = {}\nrating = { system = "glicko" }',
                "rating.system",
                f'{NAMES_OF_SYSTEMS}; did you mean "glicko2"?',
            ),
            ("results = {}\nrating = { k = 32 }", "rating.system", f"{NAMES_OF_SYSTEMS}; it has to be given"),
            ('results = {}\nrating = { system = "elo", k = 0 }', "rating.k", "a number, above 0 and at most 1,000,000"),
            (
                'results = {}\nrating = { system = "elo", k = inf }',
                "rating.k",
                "a number, above 0 and at most 1,000,000",
            ),
            ('results = {}\nrating = { system = "elo", divisor = 0.5 }', "rating.divisor", "a number, 1 … 1,000,000"),
            ('results = {}\nrating = { system = "glicko2", tau = 0 }', "rating.tau", "a number, 0.01 … 10"),
            (
                'results = {}\nrating = { system = "glicko2", volatility = 1.5 }',
                "rating.volatility",
                "a number, 0.0001 … 1",
            ),
            (
                'results = {}\nrating = { system = "openskill", model = "plackett" }',
                "rating.model",
                '"plackett_luce", "bradley_terry_full" or "thurstone_mosteller_full"; did you mean "plackett_luce"?',
            ),
            (
                'results = {}\nrating = { system = "elo", deviation_growth_per_day = -1 }',
                "rating.deviation_growth_per_day",
                "a number, 0 … 1,000,000",
            ),
            (
                'results = {}\nrating = { system = "elo", letters = { S = 101 } }',
                "rating.letters.S",
                "a number, 0 … 100",
            ),
            ('results = {}\nrating = { system = "elo", letters = { "S S" = 9 } }', 'rating.letters."S S"', LETTER),
            (
                'results = {}\nrating = { system = "elo", letters = { A = 9, B = 9 } }',
                "rating.letters.B",
                "another percentile than that of `A`: each letter begins at its own",
            ),
            (
                "penalties = { seconds = [5] }",
                "penalties",
                "penalties only where there is `ready_check` or `results` to offend against",
            ),
            ('rating = { system = "elo" }', "rating", "a rating only together with `results`, which it rates"),
            (
                'results = {}\ndefault_deviation = 0.5\nrating = { system = "openskill" }',
                "default_deviation",
                'at least 1, as rating.system is "openskill"; left out: a third of default_rating',
            ),
            (
                'results = {}\ndefault_rating = 0\nrating = { system = "openskill" }',
                "default_deviation",
                'at least 1, as rating.system is "openskill"; left out: a third of default_rating',
            ),
        ],
    )
    def test_is_told_with_its_place_and_its_bound(self, body: str, field: str, bound: str) -> None:
        assert [(problem.field, problem.bound) for problem in refused(body)] == [(field, bound)]

    @pytest.mark.parametrize(
        ("body", "field", "bound"),
        [
            ("k = 32", "k", "`k` belongs inside `rating`"),
            ("decay_seconds = 32", "decay_seconds", "`decay_seconds` belongs inside `penalties`"),
            ("seconds = 32", "seconds", "`seconds` belongs inside `ready_check` or `penalties`"),
            (
                'results = {}\nrating = { system = "elo", tau = 0.5 }',
                "rating.tau",
                '`tau` belongs to system = "glicko2"',
            ),
            (
                'results = {}\nrating = { system = "elo", max_gap = 5 }',
                "rating.max_gap",
                "`max_gap` belongs to the queue, outside `rating`",
            ),
            (
                "results = { within = 5 }",
                "results.within",
                'the fields abort_seconds, alone, by, within_seconds; did you mean "within_seconds"?',
            ),
        ],
    )
    def test_a_field_at_the_wrong_place_is_told_where_it_belongs(self, body: str, field: str, bound: str) -> None:
        assert [(problem.field, problem.bound) for problem in refused(body)] == [(field, bound)]

    @pytest.mark.parametrize("misspelt", ["readycheck", "penalty", "result", "ratings"])
    def test_a_misspelt_table_gets_a_hint(self, misspelt: str) -> None:
        meant = {"readycheck": "ready_check", "penalty": "penalties", "result": "results", "ratings": "rating"}
        (problem,) = refused(f"{misspelt} = {{}}")
        assert problem.bound.endswith(f'; did you mean "{meant[misspelt]}"?')

    def test_an_unknown_system_still_gets_its_fields_checked(self) -> None:
        found = refused('results = {}\nrating = { system = "elo2", taw = 3, k = -1 }')
        assert [problem.field for problem in found] == ["rating.system", "rating.taw", "rating.k"]
        assert found[1].bound.endswith('; did you mean "tau"?')

    def test_every_fall_of_a_ladder_is_told(self) -> None:
        found = refused("results = {}\npenalties = { seconds = [5, 3, 4, 1] }")
        assert [(problem.field, problem.value) for problem in found] == [
            ("penalties.seconds[2]", 3),
            ("penalties.seconds[4]", 1),
        ]


class TestCompiled:
    def test_each_table_is_a_key_of_its_own(self) -> None:
        found = compiled(EVERYTHING)
        plain = set(compiled("default_deviation = 350"))
        assert {key: found[key] for key in found.keys() - plain} == {
            "ready": {"window_ms": 20_000},
            "penalties": {"decay_ms": 86_400_000, "ladder_ms": [0, 60_000, 300_000, 900_000]},
            "results": {"abort_ms": 0, "alone": "counts", "by": "players", "within_ms": 7_200_000},
            "rating": {
                "system": "glicko2",
                "tau": 0.5,
                "volatility": 0.06,
                "deviation_growth_per_day": 0,
                "letters": {"A": 80, "B": 50, "C": 20, "S": 95},
            },
        }

    def test_times_are_whole_numbers(self) -> None:
        text = ladder("ready_check = { seconds = 4.5 }\npenalties = { seconds = [0.25, 1e2] }").compiled()
        assert '"ready":{"window_ms":4500}' in text
        assert '"ladder_ms":[250,100000]' in text

    def test_the_other_systems(self) -> None:
        elo = compiled('results = {}\nrating = { system = "elo", letters = {} }')["rating"]
        assert elo == {"system": "elo", "k": 32, "divisor": 400, "deviation_growth_per_day": 0, "letters": {}}
        openskill = compiled('results = {}\nrating = { system = "openskill" }')["rating"]
        assert (openskill["system"], openskill["model"]) == ("openskill", "plackett_luce")

    def test_rules_without_them_have_the_text_they_had(self) -> None:
        assert not {"ready", "penalties", "results", "rating"} & set(compiled(""))

    @given(lifecycles())
    def test_round_trip(self, rules: QueueRules) -> None:
        assert QueueRules.from_compiled(rules.compiled()) == rules

    @given(lifecycles(), lifecycles())
    def test_is_equal_exactly_for_equal_rules(self, one: QueueRules, other: QueueRules) -> None:
        assert (one == other) == (one.compiled() == other.compiled())

    @given(lifecycles())
    def test_a_dump_reads_like_the_file(self, rules: QueueRules) -> None:
        assert QueueRules.model_validate_json(rules.model_dump_json()) == rules

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"window_ms":20000', '"window_ms":2000'),
            ('"window_ms":20000', '"window_ms":"20000"'),
            ('"window_ms":20000', '"window":20000'),
            ('"window_ms":20000', '"window_ms":20000,"strange":0'),
            ('"ladder_ms":[0,60000,300000,900000]', '"ladder_ms":[9,8]'),
            ('"ladder_ms":[0,60000,300000,900000]', '"ladder_ms":5'),
            ('"by":"players"', '"by":"nobody"'),
            ('"abort_ms":0', '"abort_ms":0.5'),
            ('"abort_ms":0,', ""),
            ('"system":"glicko2"', '"system":"elo"'),
            ('"system":"glicko2"', '"system":"other"'),
            ('"system":"glicko2"', '"system":["glicko2"]'),
            ('"tau":0.5', '"tau":0.50'),
            ('"A":80', '"A":50'),
            ('"ready":{"window_ms":20000}', '"ready":null'),
            ('"ready":{"window_ms":20000}', '"ready":[]'),
        ],
    )
    def test_anything_else_is_refused(self, old: str, new: str) -> None:
        text = ladder(EVERYTHING).compiled()
        assert text.count(old) == 1
        with pytest.raises(InvalidInput):
            QueueRules.from_compiled(text.replace(old, new))


class TestJsonSchema:
    def test_every_field_has_its_meaning(self) -> None:
        queue = json_schema()["$defs"]["QueueRules"]["properties"]
        assert all(queue[name]["description"] for name in LifecycleFields.model_fields)

    def test_a_ladder_may_repeat_itself(self) -> None:
        rungs = json_schema()["$defs"]["PenaltyRules"]["properties"]["seconds"]
        assert (rungs["minItems"], rungs["maxItems"], rungs["uniqueItems"]) == (1, 16, False)

    @pytest.mark.parametrize("table", SYSTEMS.values())
    def test_letters_are_bounded_and_have_their_default(self, table: type[EloRules]) -> None:
        letters = json_schema()["$defs"][table.__name__]["properties"]["letters"]
        assert letters["default"] == LETTERS
        assert letters["maxProperties"] == 16


class TestWarnings:
    def test_sensible_rules_get_none(self) -> None:
        assert warnings_for(ladder(EVERYTHING)) == []

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("ready_check = { seconds = 60 }\nexpire_after_seconds = 60", "has expired when it comes back"),
            ("ready_check = { seconds = 60 }\npenalties = { seconds = [0, 0] }", "nobody is ever kept from joining"),
            (
                'results = { by = "server", alone = "nothing" }',
                'results.alone = "nothing" does nothing with by = "server"',
            ),
            ("results = { within_seconds = 60, abort_seconds = 60 }", "can be aborted as long as it is open"),
            ('results = {}\nrating = { system = "elo", deviation_growth_per_day = 1 }', "which knows no deviation"),
            ('results = {}\nrating = { system = "glicko2" }', "start with a deviation of 350"),
            ('results = {}\nrating = { system = "openskill" }', "start with a deviation of a third of default_rating"),
            ('results = {}\nrating = { system = "elo", letters = { D = 5 } }', "begin a letter at 0"),
        ],
    )
    def test_what_is_rarely_meant_is_said(self, body: str, said: str) -> None:
        assert [sentence for sentence in warnings_for(ladder(body)) if said in sentence], warnings_for(ladder(body))

    @pytest.mark.parametrize(
        "body",
        [
            "ready_check = { seconds = 59 }\nexpire_after_seconds = 400",
            "ready_check = { seconds = 60 }\nexpire_after_seconds = 0\nheartbeat_seconds = 30",
            'results = { by = "server" }',
            'results = {}\nrating = { system = "elo", letters = { D = 5, E = 0 } }',
            'results = {}\ndefault_deviation = 500\nrating = { system = "openskill", deviation_growth_per_day = 1 }',
        ],
    )
    def test_what_makes_sense_is_left_alone(self, body: str) -> None:
        assert warnings_for(ladder(body)) == []

    @given(lifecycles())
    def test_any_rules_can_be_advised_on(self, rules: QueueRules) -> None:
        assert all(sentence.endswith(".") for sentence in warnings_for(rules))
