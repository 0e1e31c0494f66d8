"""The fields of a queue's rules beyond gap and willingness: who may meet at all, at what price, what a match draws.

To add a constraint: its field in :class:`ConstraintFields`, how it is compiled in
:mod:`matchmaker.rules.compiled_constraints`, what it must agree with in :mod:`matchmaker.rules.agreement`, a section in
``docs/rules.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from matchmaker.rules.fields import MAX_POINTS, MAX_SECONDS, WHOLE_MS, choice, number, seconds, whole
from matchmaker.rules.pieces import Fault, FrozenMap, InWords, Listed, Name, Named, PlainText, SideName, Table, refusal
from matchmaker.rules.willingness import Willingness

MAX_PING_MS: Final = 10_000
MAX_AVOID: Final = 100

_RELAX: Final = seconds(0.001, MAX_SECONDS, "how long a ticket insists on this; left out: always")


class Relax(Table):
    """A demand on the other player. Each of the two drops its own after its own wait."""

    relax_after_seconds: Annotated[float | None, _RELAX, WHOLE_MS] = None


class Distance(Table):
    """A difference of two numbers that costs rating points."""

    points_per_unit: Annotated[
        float, number(0, MAX_POINTS, "rating points that each unit of difference costs", above=True)
    ]
    relax_after_seconds: Annotated[
        float | None,
        seconds(0.001, MAX_SECONDS, "once both waited this long, the difference is free; left out: never"),
        WHOLE_MS,
    ] = None


class Latency(Table):
    """How many milliseconds to the match's region a ticket bears, growing with its wait."""

    limit_ms: Annotated[
        float, number(0, MAX_PING_MS, "what a ticket bears on arrival, to the match's region", unit=" milliseconds")
    ]
    widen_ms_per_second: Annotated[
        float, number(0, MAX_PING_MS, "added by each second of waiting", unit=" milliseconds")
    ] = 0.0
    most_ms: Annotated[
        float, number(0, MAX_PING_MS, "widening ends here; not below limit_ms", unit=" milliseconds")
    ] = float(MAX_PING_MS)

    def limit_at(self, waited_ms: int) -> float:
        """Milliseconds a ticket bears after waiting so long."""
        return min(self.most_ms, self.limit_ms + self.widen_ms_per_second * (waited_ms / 1000))

    @model_validator(mode="after")
    def _ends_above(self) -> Self:
        if self.most_ms < self.limit_ms:
            raise refusal([Fault(("most_ms",), self.most_ms, f"at least limit_ms, which is {self.limit_ms:g}")])
        return self


class Rematch(Table):
    """A cool-down before the same two players meet again."""

    after_seconds: Annotated[
        float, seconds(0.001, MAX_SECONDS, "two players who met do not meet again for this long"), WHOLE_MS
    ]
    relax_after_seconds: Annotated[
        float | None,
        seconds(0.001, MAX_SECONDS, "unless both have waited this long; left out: no exception"),
        WHOLE_MS,
    ] = None


class Provisional(Table):
    """Another willingness for those whose rating is still uncertain."""

    deviation_from: Annotated[
        float, number(0, MAX_POINTS, "tickets of this deviation or more are provisional", above=True)
    ]
    willingness: Willingness = Field(description="their willingness, a table as the queue's own")


_NAMED_LIST: Final = "a list of 1 … 64 different names"
_Choices = Annotated[
    tuple[PlainText, ...], Listed(1, 64, _NAMED_LIST), Field(description="the choices that this side has")
]
_Demand = Annotated[
    Relax,
    InWords("a table such as { relax_after_seconds = 60 }, or {}"),
    Field(description="the demand on one attribute; {} never relaxes"),
]
_Cost = Annotated[
    Distance, InWords("a table such as { points_per_unit = 2.0 }"), Field(description="the price of one attribute")
]
_Server = Annotated[PlainText, Field(description="the server for players of these two regions, either way round")]
_Row = Annotated[
    Mapping[Name, _Server],
    Named("region", 1, 32, 'a table such as { eu = "frankfurt" }'),
    Field(description="with which regions this one plays"),
]
_Pool = Annotated[
    tuple[PlainText, ...], Listed(1, 64, _NAMED_LIST), Field(description="its names, in the order of the draw")
]
_Most = Annotated[
    int,
    Field(ge=0, le=63),
    InWords("a whole number, 0 … 63"),
    Field(description="the most vetoes of one ticket; fewer than the pool has names"),
]


class ConstraintFields(Table):
    """Everything about a queue that makes it a constrained one; each field alone does."""

    sides: Annotated[
        tuple[SideName, ...],
        Listed(2, 2, "a list of two different names"),
        Field(description="a match has one player of each; the first side is team 1"),
    ] = Field(default_factory=tuple)
    choices: Annotated[
        Mapping[SideName, _Choices],
        Named("side", 0, 2, 'a table such as { bw = ["terran", "zerg"] }'),
        Field(description="what a ticket may choose inside a side"),
    ] = Field(default_factory=FrozenMap)
    same: Annotated[
        tuple[Name, ...],
        Listed(1, 4, "a list of 1 … 4 different attributes"),
        Field(description="attributes in which two players must be equal; never relaxes"),
    ] = Field(default_factory=tuple)
    any_of: Annotated[
        Mapping[Name, _Demand],
        Named("attribute", 0, 8, "a table of up to 8 attributes, such as { language = { relax_after_seconds = 60 } }"),
        Field(description="attributes of which two players must share a value"),
    ] = Field(default_factory=FrozenMap)
    range: Annotated[
        Mapping[Name, _Demand],
        Named("attribute", 0, 8, "a table of up to 8 attributes, such as { level = { relax_after_seconds = 60 } }"),
        Field(description="numbers that each player must accept of the other"),
    ] = Field(default_factory=FrozenMap)
    distance: Annotated[
        Mapping[Name, _Cost],
        Named("attribute", 0, 8, "a table of up to 8 attributes, such as { level = { points_per_unit = 2.0 } }"),
        Field(description="numbers whose difference costs rating points"),
    ] = Field(default_factory=FrozenMap)
    latency: Annotated[
        Latency | None,
        InWords("a table such as { limit_ms = 60, widen_ms_per_second = 2.0, most_ms = 200 }"),
        Field(description="a match needs a region that both reach fast enough; not together with servers"),
    ] = None
    servers: Annotated[
        Mapping[Name, _Row],
        Named("region", 0, 32, 'a table of up to 32 regions, such as { eu = { eu = "frankfurt", us = "newyork" } }'),
        Field(description="the server for players of two regions, either way round; not together with latency"),
    ] = Field(default_factory=FrozenMap)
    pool: Annotated[
        Mapping[Name, _Pool],
        Named("pool", 0, 8, 'a table of up to 8 pools, such as { map = ["Radeon", "Death Valley"] }'),
        Field(description="a match draws one name of each pool, among those neither player vetoed"),
    ] = Field(default_factory=FrozenMap)
    vetoes: Annotated[
        Mapping[Name, _Most],
        Named("pool", 0, 8, "a table of pools, such as { map = 2 }"),
        Field(description="the most names of a pool that one ticket may veto; left out: all but one"),
    ] = Field(default_factory=FrozenMap)
    avoid: Annotated[
        int | None, whole(1, MAX_AVOID, "the most players a ticket may name never to meet; left out: none")
    ] = None
    rematch: Annotated[
        Rematch | None,
        InWords("a table such as { after_seconds = 300, relax_after_seconds = 120 }"),
        Field(description="a cool-down before the same two players meet again"),
    ] = None
    provisional: Annotated[
        Provisional | None,
        InWords("a table such as { deviation_from = 200, willingness = { per_second = 4.0 } }"),
        Field(description="another willingness for players whose rating is uncertain"),
    ] = None
    matching: Annotated[
        Literal["engine", "own"],
        choice('who pairs the waiting tickets: the engine, or, with "own", a function of yours', "engine", "own"),
    ] = "engine"
