"""What a ticket brings besides one rating: sides, ratings by queue, attributes, accepts, pings, region, vetoes, avoid.

Their shape is checked here; whether they fit the rules of the ticket's queues is the script's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import PydanticCustomError

from matchmaker.errors import InvalidInput
from matchmaker.values import BOUNDS, MOST_QUEUES, Deviation, Name, PlayerId, Rating, plain

MEMBERS: Final = ("ratings", "sides", "attributes", "accepts", "pings", "region", "vetoes", "avoid")
"""Terms by the names they have everywhere, in the order of the events."""

TEXT_BYTES: Final = 64
MOST_NUMBER: Final = 1_000_000_000
MOST_PING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Side:
    """What a player offers on one side, or is worth in one queue: rating and deviation in points, and a choice inside
    the side ("" for none)."""

    rating: float
    deviation: float | None = None
    choice: str = ""


class Frozen(Mapping[str, Any]):
    """What nobody can change, all the way down: lists within are tuples. Equal to a dict that holds the same."""

    __slots__ = ("_held",)

    def __init__(self, held: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self._held = {name: _frozen(value) for name, value in dict(held).items()}

    def __getitem__(self, name: str) -> Any:
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __hash__(self) -> int:
        return hash(frozenset(self._held.items()))

    def __repr__(self) -> str:
        return repr(self._held)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Frozen(value)
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


NOTHING: Final = Frozen()


class Termed(Protocol):
    """What has terms, as :class:`matchmaker.model.TicketRequest` does."""

    @property
    def sides(self) -> Mapping[str, Side | float] | None: ...
    @property
    def ratings(self) -> Mapping[str, Side | float] | None: ...
    @property
    def attributes(self) -> Mapping[str, Attribute] | None: ...
    @property
    def accepts(self) -> Mapping[str, tuple[float, float]] | None: ...
    @property
    def pings(self) -> Mapping[str, float] | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def vetoes(self) -> Mapping[str, Sequence[str]] | None: ...
    @property
    def avoid(self) -> Sequence[str]: ...


Attribute = str | float | Sequence[str] | frozenset[str]
"""A text, a number, or the texts of a set."""

# -- shapes ------------------------------------------------------------------------------------------------------------

_PLAIN = "of a-z 0-9 _ . -, beginning with a letter or digit"
_Plain = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}$", strict=True)]
_SideName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", strict=True)]
_Text = Annotated[str, Field(min_length=1, strict=True), plain(TEXT_BYTES)]
_Choice = Annotated[str, Field(strict=True), plain(TEXT_BYTES)]
_Number = Annotated[float, Field(ge=-MOST_NUMBER, le=MOST_NUMBER, allow_inf_nan=False, strict=True)]
_Ping = Annotated[float, Field(ge=0, le=MOST_PING, allow_inf_nan=False, strict=True)]


def _in_order(pair: list[float]) -> list[float]:
    if pair[0] > pair[1]:
        raise PydanticCustomError("order", "the lower comes first")
    return pair


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "several"
    return "text" if isinstance(value, str) else "number"


_KINDS: Final = {"several", "text", "number"}
_Attribute = Annotated[
    Annotated[list[_Text], Field(min_length=1, max_length=16), Tag("several")]
    | Annotated[_Text, Tag("text")]
    | Annotated[_Number, Tag("number")],
    Discriminator(_kind),
]


class _Table(BaseModel):
    model_config = ConfigDict(strict=True)


class _Rated(_Table):
    rating: Rating
    deviation: Deviation | None = None
    choice: _Choice = ""


class _Terms(_Table):
    ratings: Annotated[dict[Name, _Rated], Field(max_length=MOST_QUEUES)] = {}
    sides: Annotated[dict[_SideName, _Rated], Field(max_length=2 * MOST_QUEUES)] = {}
    attributes: Annotated[dict[_Plain, _Attribute], Field(max_length=32)] = {}
    accepts: Annotated[
        dict[_Plain, Annotated[list[_Number], Field(min_length=2, max_length=2), AfterValidator(_in_order)]],
        Field(max_length=8),
    ] = {}
    pings: Annotated[dict[_Plain, _Ping], Field(max_length=16)] = {}
    region: _Plain = "any"
    vetoes: Annotated[dict[_Plain, Annotated[list[_Text], Field(max_length=64)]], Field(max_length=8)] = {}
    avoid: Annotated[list[PlayerId], Field(max_length=100)] = []


# The bound of each place, "*" for a name of the caller's and "[]" for a member of a list.
_NUMBER_WORDS = f"a finite number, −{MOST_NUMBER:,} … {MOST_NUMBER:,}"
_TEXT_WORDS = f"text, 1 to {TEXT_BYTES} bytes of UTF-8 without control characters"
_WORDS: Final[Mapping[str, str]] = {
    "ratings": f"a table of at most {MOST_QUEUES} queues, each with a rating; queues are named by {BOUNDS['queue']}",
    "sides": "a table of at most 16 sides, each with a rating; sides are named by 1 to 32 of a-z 0-9 _ -, beginning "
    "with a letter or digit",
    "sides.*.rating": BOUNDS["rating"],
    "sides.*.deviation": BOUNDS["deviation"],
    "sides.*.choice": f"text, at most {TEXT_BYTES} bytes of UTF-8 without control characters",
    "ratings.*.rating": BOUNDS["rating"],
    "ratings.*.deviation": BOUNDS["deviation"],
    "ratings.*.choice": "nothing: a choice belongs to a side",
    "attributes": f"a table of at most 32 attributes, named by 1 to 32 {_PLAIN}",
    "attributes.*": f"{_TEXT_WORDS}, a list of 1 to 16 such texts, or {_NUMBER_WORDS}",
    "attributes.*[]": _TEXT_WORDS,
    "accepts": f"a table of at most 8 attributes, named by 1 to 32 {_PLAIN}, each with the lowest and highest number",
    "accepts.*": "two numbers, the lower first",
    "accepts.*[]": _NUMBER_WORDS,
    "pings": f"a table of at most 16 regions, named by 1 to 32 {_PLAIN}, each with milliseconds",
    "pings.*": f"a finite number, 0 … {MOST_PING:,} milliseconds",
    "region": f"1 to 32 {_PLAIN}",
    "vetoes": f"a table of at most 8 pools, named by 1 to 32 {_PLAIN}, each with a list of names",
    "vetoes.*": "a list of at most 64 names",
    "vetoes.*[]": _TEXT_WORDS,
    "avoid": "a list of at most 100 players",
    "avoid[]": BOUNDS["player"],
}


# -- checking and sending ----------------------------------------------------------------------------------------------


def has_terms(request: Termed) -> bool:
    """Whether the request brings anything beyond what every ticket has."""
    return bool(
        request.sides
        or request.attributes
        or request.ratings
        or request.pings
        or request.accepts
        or request.vetoes
        or request.avoid
        or request.region is not None
    )


def check_terms(request: Termed) -> None:
    """Refuses terms of a wrong shape.

    :raises InvalidInput: names the place as in ``sides.bw.rating`` or ``avoid[2]`` (counted from 1), its value and what
        is allowed there.
    """
    wire = terms_of(request)
    try:
        _Terms.model_validate(wire)
    except ValidationError as refused:
        fault = refused.errors(include_url=False, include_context=False)[0]
        place = [part for i, part in enumerate(fault["loc"]) if not (i == 2 and part in _KINDS)]
        raise _refused(wire, place) from None
    for queue, rated in wire.get("ratings", {}).items():
        if "choice" in rated:
            raise InvalidInput(f"ratings.{queue}.choice", rated["choice"], _WORDS["ratings.*.choice"])


def _refused(wire: Mapping[str, Any], place: Sequence[str | int]) -> InvalidInput:
    if place[-1] == "[key]":
        return InvalidInput(f"{place[0]}.{place[1]}", place[1], _WORDS[str(place[0])])
    field, shape, value = "", "", wire
    for i, part in enumerate(place):
        if isinstance(part, int):
            field, shape = f"{field}[{part + 1}]", f"{shape}[]"
        else:
            shape = f"{shape}.{'*' if i == 1 else part}".lstrip(".")
            field = f"{field}.{part}".lstrip(".")
        value = value[part]  # type: ignore[index]
    return InvalidInput(field, value, _WORDS[shape])


def terms_of(request: Termed) -> dict[str, Any]:
    """The terms as scripts read them: only what is set, sets in order, numbers as they are."""
    wire = {name: _plainly(getattr(request, name)) for name in MEMBERS}
    for name in ("ratings", "sides"):
        if isinstance(wire[name], dict):
            wire[name] = {key: _rated(one) for key, one in wire[name].items()}
    return {name: value for name, value in wire.items() if value is not None and value not in ({}, [], ())}


def _plainly(value: Any) -> Any:
    """Mappings as dicts, lists and tuples as lists, sets as lists in order. What is none of it stays, to be refused."""
    if isinstance(value, Mapping):
        return {name: _plainly(one) for name, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return list(value) if isinstance(value, (list, tuple)) else value


def _rated(one: Any) -> Any:
    if not isinstance(one, Side):
        return {"rating": one}
    wire: dict[str, Any] = {"rating": one.rating}
    if one.deviation is not None:
        wire["deviation"] = one.deviation
    if one.choice != "":
        wire["choice"] = one.choice
    return wire


def value_at(request: object, field: str) -> object:
    """What stands in the request at a place that the script named, as in ``sides.bw.choice`` or ``vetoes.map[2]``; None
    where nothing does, which is often what was refused."""
    name, _, rest = field.partition(".")
    name, bracket, index = name.partition("[")
    if bracket:
        rest = f"[{index}"
    return _within(_plainly(getattr(request, name, None)), rest)


def _within(value: Any, path: str) -> object:
    if not path:
        return value
    if isinstance(value, Side):
        return getattr(value, path, None)
    if isinstance(value, list):
        number = path.strip("[]")
        return value[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(value) else None
    if isinstance(value, dict):
        for name in sorted(value, key=lambda one: -len(str(one))):  # names may hold dots themselves
            rest = path[len(str(name)) :]
            if path.startswith(str(name)) and (not rest or rest[0] in ".["):
                return _within(value[name], rest.removeprefix("."))
        return None
    return value if path == "rating" else None
