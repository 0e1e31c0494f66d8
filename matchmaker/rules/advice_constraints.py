"""What valid constraints probably do not mean."""

from __future__ import annotations

from collections.abc import Iterator

from matchmaker.rules.constraint_fields import MAX_PING_MS, Distance, Relax, Rematch
from matchmaker.rules.fields import to_ms
from matchmaker.rules.model import QueueRules


def warn_constraints(rules: QueueRules) -> list[str]:
    """Sentences about constraints that are allowed but rarely meant; none for a plain queue."""
    found = [*_relaxing(rules), *_latency(rules), *_servers(rules), *_vetoes(rules), *_rematch(rules)]
    provisional = rules.provisional
    if provisional is not None and provisional.willingness == rules.willingness:
        found.append("provisional.willingness is the same as willingness: provisional changes nothing.")
    return found


def _relaxing(rules: QueueRules) -> Iterator[str]:
    """A demand that outlives its ticket."""
    tables: dict[str, Relax | Distance | Rematch] = {}
    for field in ("any_of", "range", "distance"):
        tables |= {f"{field}.{name}": table for name, table in getattr(rules, field).items()}
    if rules.rematch is not None:
        tables["rematch"] = rules.rematch
    expire_ms = to_ms(rules.expire_after_seconds)
    for place, table in tables.items():
        after = table.relax_after_seconds
        if after is not None and expire_ms and to_ms(after) >= expire_ms:
            yield (
                f"{place}.relax_after_seconds = {after:g} is not shorter than expire_after_seconds = "
                f"{rules.expire_after_seconds:g}: it never relaxes."
            )


def _latency(rules: QueueRules) -> Iterator[str]:
    """A ``most_ms`` that was set and is never reached. The bound itself says that nobody set it."""
    latency, expire_ms = rules.latency, to_ms(rules.expire_after_seconds)
    if latency is None or latency.most_ms == MAX_PING_MS:
        return
    if latency.most_ms == latency.limit_ms:
        if latency.widen_ms_per_second:
            yield "latency.widen_ms_per_second does nothing: most_ms is no more than limit_ms."
        return
    reached = latency.limit_at(expire_ms)
    if reached < latency.most_ms and (expire_ms or not latency.widen_ms_per_second):
        yield (
            f"latency reaches {reached:g} ms before a ticket expires, so most_ms = {latency.most_ms:g} is never "
            "reached: set widen_ms_per_second higher."
        )


def _servers(rules: QueueRules) -> Iterator[str]:
    for region, row in rules.servers.items():
        if region not in row:
            yield f"servers.{region} has no server for {region} itself: two players of that region never meet."


def _vetoes(rules: QueueRules) -> Iterator[str]:
    for pool, most in rules.vetoes.items():
        size = len(rules.pool[pool])
        if 2 * most >= size:
            yield (
                f"vetoes.{pool} = {most}: two players can veto all {size} names of the pool, and then never meet. "
                f"Up to {(size - 1) // 2} is safe."
            )


def _rematch(rules: QueueRules) -> Iterator[str]:
    """A ticket is younger than its player's last match, so a longer wait than the cool-down ends after it."""
    rematch = rules.rematch
    if rematch is None or rematch.relax_after_seconds is None:
        return
    if rematch.relax_after_seconds >= rematch.after_seconds:
        yield (
            f"rematch.relax_after_seconds = {rematch.relax_after_seconds:g} does nothing: after_seconds = "
            f"{rematch.after_seconds:g} is over by then."
        )
