"""The fields of a queue's rules for what comes after a match is found: ready check, penalties, result, rating.

To add a field: declare it here; how it is compiled is told in :mod:`matchmaker.rules.compiled_lifecycle`, what it must
agree with in :mod:`matchmaker.rules.lifecycle`, and it gets a section in ``docs/rules.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from matchmaker.rules.fields import MAX_POINTS, MAX_SECONDS, WHOLE_MS, choice, number, seconds
from matchmaker.rules.pieces import Fault, FrozenMap, InWords, Listed, Named, Table, refusal

MAX_ABORT_SECONDS: Final = 3600

LETTERS: Final[Mapping[str, float]] = {"S": 95.0, "A": 80.0, "B": 50.0, "C": 20.0}
"""Letter ranks of a queue that names none: from which percentile each is given."""

By = Literal["players", "server", "either"]
Alone = Literal["counts", "dispute", "nothing"]
OpenSkillModel = Literal["plackett_luce", "bradley_terry_full", "thurstone_mosteller_full"]


class ReadyCheckRules(Table):
    """A match that was found is made only once all its players accepted it."""

    seconds: Annotated[float, seconds(3, 600, "how long the players have to accept"), WHOLE_MS]


_Rung = Annotated[
    float,
    Field(ge=0, le=MAX_SECONDS),
    WHOLE_MS,
    InWords(f"a number, 0 … {MAX_SECONDS:,} seconds, in whole milliseconds"),
]


class PenaltyRules(Table):
    """How long a player may not join again after an offence: longer with each offence that is not yet decayed."""

    seconds: Annotated[
        tuple[_Rung, ...],
        Listed(1, 16, "a list of 1 … 16 times in seconds, none shorter than the one before", distinct=False),
        Field(description="the penalty of the first offence, of the second, …; the last counts for all further ones"),
    ]
    decay_seconds: Annotated[
        float, seconds(1, MAX_SECONDS, "after this long without another, one offence is forgotten"), WHOLE_MS
    ] = 86_400.0

    @model_validator(mode="after")
    def _never_falls(self) -> Self:
        steps = enumerate(pairwise(self.seconds), start=1)
        falls = [
            Fault(("seconds", place), later, f"at least {earlier:g}, the one before it")
            for place, (earlier, later) in steps
            if later < earlier
        ]
        if falls:
            raise refusal(falls)
        return self


class ResultRules(Table):
    """Matches of the queue stay open until their result is known."""

    by: Annotated[By, choice("whose reports count", "players", "server", "either")] = "players"
    within_seconds: Annotated[
        float, seconds(1, MAX_SECONDS, "a match is over this long after it was made, whatever was reported"), WHOLE_MS
    ] = 7200.0
    alone: Annotated[
        Alone,
        choice("what reports of one side only mean when the time is over", "counts", "dispute", "nothing"),
    ] = "counts"
    abort_seconds: Annotated[
        float,
        seconds(0, MAX_ABORT_SECONDS, "for this long after a match was made a player may abort it; 0 = never"),
        WHOLE_MS,
    ] = 0.0


_Letter = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9+-]{1,8}$"), InWords("a letter rank: 1 … 8 letters, digits, + and -")
]
_Percentile = Annotated[
    float,
    Field(ge=0, le=100),
    InWords("a number, 0 … 100"),
    Field(description="percentile of the queue's rated players from which this letter is given"),
]


class _RatingRules(Table):
    """What every rating system has."""

    deviation_growth_per_day: Annotated[
        float,
        number(
            0,
            MAX_POINTS,
            "points; after t days without a match a deviation d is √(d² + growth² · t), up to the default",
        ),
    ] = 0.0
    letters: Annotated[
        Mapping[_Letter, _Percentile],
        Named("letter", 0, 16, "a table of up to 16 letters, such as { S = 95, A = 80, B = 50, C = 20 }"),
        Field(
            description='letter ranks and the percentile each begins at; who is below all of them has "D"',
            json_schema_extra={"default": dict(LETTERS)},
        ),
    ] = Field(default_factory=lambda: FrozenMap(LETTERS))

    @model_validator(mode="after")
    def _letters_differ(self) -> Self:
        first: dict[float, str] = {}
        faults = []
        for letter, percentile in self.letters.items():
            if first.setdefault(percentile, letter) != letter:
                bound = f"another percentile than that of `{first[percentile]}`: each letter begins at its own"
                faults.append(Fault(("letters", letter), percentile, bound))
        if faults:
            raise refusal(faults)
        return self


class EloRules(_RatingRules):
    """Elo: ``k · (score − 1 / (1 + 10^(difference / divisor)))``."""

    system: Literal["elo"]
    k: Annotated[float, number(0, MAX_POINTS, "most points that one match moves", above=True)] = 32.0
    divisor: Annotated[
        float, number(1, MAX_POINTS, "difference in points at which the better one is expected to win 10 of 11")
    ] = 400.0


class Glicko2Rules(_RatingRules):
    """Glicko-2, each match a rating period of its own."""

    system: Literal["glicko2"]
    tau: Annotated[float, number(0.01, 10, "how much volatility may change; 0.3 … 1.2 is usual")] = 0.5
    volatility: Annotated[float, number(0.0001, 1, "volatility of a player without a rating")] = 0.06


class OpenSkillRules(_RatingRules):
    """OpenSkill (Weng and Lin), in points."""

    system: Literal["openskill"]
    model: Annotated[
        OpenSkillModel,
        choice("which of its models", "plackett_luce", "bradley_terry_full", "thurstone_mosteller_full"),
    ] = "plackett_luce"


SYSTEMS: Final[dict[str, type[EloRules] | type[Glicko2Rules] | type[OpenSkillRules]]] = {
    "elo": EloRules,
    "glicko2": Glicko2Rules,
    "openskill": OpenSkillRules,
}


def _system_of(rating: object) -> object:
    return rating.get("system") if isinstance(rating, dict) else getattr(rating, "system", None)


RatingRules = Annotated[
    Annotated[EloRules, Tag("elo")]
    | Annotated[Glicko2Rules, Tag("glicko2")]
    | Annotated[OpenSkillRules, Tag("openskill")],
    Discriminator(_system_of),
]


class LifecycleFields(Table):
    """Everything about a queue that its matches have after they are found; None where it has it not."""

    ready_check: Annotated[
        ReadyCheckRules | None,
        InWords("a table such as { seconds = 20 }"),
        Field(description="a match is made once all its players accepted it; left out: at once"),
    ] = None
    penalties: Annotated[
        PenaltyRules | None,
        InWords("a table such as { seconds = [0, 60, 300, 900], decay_seconds = 86400 }"),
        Field(description="who declines, does not answer, aborts or leaves may not join again for a while"),
    ] = None
    results: Annotated[
        ResultRules | None,
        InWords('a table such as { by = "players", within_seconds = 7200, alone = "counts", abort_seconds = 0 }'),
        Field(description="matches stay open until their result is known; left out: a match is over once it is made"),
    ] = None
    rating: RatingRules | None = Field(
        default=None, description='a table such as { system = "elo", k = 32 }: how results move ratings; needs results'
    )
