"""What the constraints of one queue have to agree on with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from matchmaker.rules.constraint_fields import ConstraintFields
from matchmaker.rules.fields import near
from matchmaker.rules.pieces import Fault, FrozenMap, Table


def disagreements(rules: ConstraintFields) -> Iterator[Fault]:
    """Everything that contradicts something else; each is named where the later of the two stands."""
    yield from _choices(rules)
    yield from _attributes(rules)
    if rules.latency is not None and rules.servers:
        yield Fault(("servers",), dict(rules.servers), "either `latency` or `servers`, not both: each finds the place")
    yield from _servers(rules.servers)
    yield from _vetoes(rules)


def symmetric(servers: Mapping[str, Mapping[str, str]]) -> FrozenMap[str, FrozenMap[str, str]]:
    """The cross table with every pair of regions both ways round."""
    closed: dict[str, dict[str, str]] = {}
    for region, row in servers.items():
        for other, server in row.items():
            closed.setdefault(region, {})[other] = server
            closed.setdefault(other, {})[region] = server
    return FrozenMap({region: FrozenMap(row) for region, row in closed.items()})


def _choices(rules: ConstraintFields) -> Iterator[Fault]:
    for side, names in rules.choices.items():
        if side not in rules.sides:
            known = " or ".join(rules.sides) if rules.sides else "`sides`, which this queue does not set"
            yield Fault(("choices", side), list(names), f"choices of a side: {known}{near(side, rules.sides)}")


def _attributes(rules: ConstraintFields) -> Iterator[Fault]:
    """A text compared as a whole, a set of texts, or a number: an attribute is one of the three."""
    for name, table in rules.any_of.items():
        if name in rules.same:
            yield Fault(("any_of", name), _shown(table), _elsewhere(name, "same"))
    for field in ("range", "distance"):
        for name, table in getattr(rules, field).items():
            if name in rules.same:
                yield Fault((field, name), _shown(table), _elsewhere(name, "same"))
            elif name in rules.any_of:
                yield Fault((field, name), _shown(table), _elsewhere(name, "any_of"))


def _shown(table: Table) -> object:
    return table.model_dump(exclude_none=True)


def _elsewhere(name: str, field: str) -> str:
    return f"an attribute that stands nowhere else but under range and distance; `{name}` stands under `{field}`"


def _servers(servers: Mapping[str, Mapping[str, str]]) -> Iterator[Fault]:
    regions = {*servers, *(other for row in servers.values() for other in row)}
    if len(regions) > 32:
        yield Fault(("servers",), f"{len(regions)} regions", "at most 32 regions, counted both ways")
    for region, row in servers.items():
        for other, server in row.items():
            back = servers.get(other, {}).get(region, server)
            if back != server and region > other:  # once for the two
                words = f'"{back}", as `servers.{other}.{region}` says: two regions have one server, either way round'
                yield Fault(("servers", region, other), server, words)


def _vetoes(rules: ConstraintFields) -> Iterator[Fault]:
    for name, most in rules.vetoes.items():
        if name not in rules.pool:
            known = ", ".join(f"`{pool}`" for pool in rules.pool) or "none: this queue sets no `pool`"
            yield Fault(("vetoes", name), most, f"a pool of this queue ({known}){near(name, rules.pool)}")
        elif most >= len(rules.pool[name]):
            words = f"a whole number, 0 … {len(rules.pool[name]) - 1}: one name of the pool has to be left"
            yield Fault(("vetoes", name), most, words)
