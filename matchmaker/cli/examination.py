"""What ``doctor`` finds out by asking: scripts, clock, realm, backlog, consumer groups, matchers, the checker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from typing import TYPE_CHECKING, Final

from matchmaker import errors
from matchmaker.calls import Command
from matchmaker.cli.findings import Finding, fail, ok, warn
from matchmaker.cli.record_findings import about_groups
from matchmaker.cli.stage_findings import about_stages
from matchmaker.runner import typed_errors
from matchmaker.scripts import SCHEMA, SCHEMAS, script
from matchmaker.server import matchers_of, parse_clients
from matchmaker.words import counted, span

if TYPE_CHECKING:
    from matchmaker.client import Matchmaker
    from matchmaker.reports import RealmStats

SLOW_REPLY_MS: Final = 50.0
CLOCKS_APART_MS: Final = 30_000
LATE_MS: Final = 5_000
"""A pair may stay due for so long after a matcher was killed (the promise), and no longer."""

BACKLOG_SHARE: Final = 0.5


def examine(mm: Matchmaker, *, quick: bool) -> Iterator[Finding]:
    """Everything about the realm, the scripts first. A realm nobody made yet ends the list early.

    ``quick``: the checker looks at what is stored and not at every event.
    """
    yield _scripts(mm)
    yield _clocks(mm)
    meta = mm.runner.call(mm.calls.meta())
    if not meta:
        yield warn("realm", f"{mm.calls.realm} has no rules yet", "matchmaker queues apply FILE")
        return
    if meta.get("schema") not in SCHEMAS:
        message = f"the schema of {mm.calls.realm} is {meta.get('schema')}, this program writes {SCHEMA}"
        yield fail("realm", message, "run one version of this program everywhere")
        return
    stats = mm.stats()
    yield _realm(mm, stats, meta["schema"])
    yield _clock_steps(stats)
    yield _backlog(stats, int(meta["max_backlog"]))
    yield from _asking("consumers", lambda: about_groups(mm, stats))
    matchers = _matchers(mm)
    yield from _matching(mm, stats, matchers)
    if meta["schema"] == SCHEMA:
        now_ms = mm.runner.call(mm.calls.history("", "", "", 1)).now_ms
        yield from _asking("open", lambda: about_stages(mm, now_ms))
    yield from _asking("checker", lambda: _checked(mm, matchers_alive=bool(matchers), quick=quick))


def _asking(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a user of few rights may not ask is a finding too, and no reason to leave out the others."""
    try:
        yield from look()
    except errors.ServerUnsuitable as refused:
        yield warn(name, str(refused), "allow this user what it lacks, or ask as another")


def _scripts(mm: Matchmaker) -> Finding:
    """Loads every script, then runs one that writes nothing."""
    folder = resources.files("matchmaker").joinpath("lua")
    names = sorted(entry.name.removesuffix(".lua") for entry in folder.iterdir() if entry.name.endswith(".lua"))
    try:
        for name in names:
            mm.runner.call(Command(("SCRIPT", "LOAD", script(name).source), str))
        begun = time.perf_counter()
        # Any answer shows that it ran; what it says of the realm is found out further on.
        with contextlib.suppress(errors.UnknownTicket, errors.UnknownRealm, errors.UpgradeNeeded):
            mm.runner.call(mm.calls.status("ticket", "doctor"))
        took = 1000 * (time.perf_counter() - begun)
    except errors.ServerUnsuitable as refused:
        return fail("scripts", str(refused), "allow this user SCRIPT LOAD, EVALSHA and what the scripts call")
    message = f"{len(names)} load, one ran in {took:.1f} ms"
    if took > SLOW_REPLY_MS:
        return warn("scripts", message, "look for a slow network or a busy server (SLOWLOG GET)")
    return ok("scripts", message)


def _clocks(mm: Matchmaker) -> Finding:
    with typed_errors():
        seconds, micros = mm.redis.time()
    apart = time.time() * 1000 - (seconds * 1000 + micros / 1000)
    if abs(apart) > CLOCKS_APART_MS:
        message = f"the server's clock is {span(abs(apart))} {'behind' if apart > 0 else 'ahead of'} this machine's"
        return warn("clock", message, "run NTP on both; matching goes by the server's alone")
    return ok("clock", f"{abs(apart):.0f} ms from this machine's")


def _realm(mm: Matchmaker, stats: RealmStats, schema: str) -> Finding:
    waiting = sum(queue.waiting for queue in stats.queues)
    return ok("realm", f"{mm.calls.realm}: schema {schema}, {counted(len(stats.queues), 'queue')}, {waiting:,} waiting")


def _clock_steps(stats: RealmStats) -> Finding:
    """Also counts the times at which nobody called for so long, so it is told and not complained about."""
    if not stats.clock_jumps:
        return ok("clock steps", "none of over 30 s")
    message = f"{stats.clock_jumps:,} of over 30 s, {span(abs(stats.clock_absorbed_ms))} in all: realm time stood still"
    return ok("clock steps", message)


def _backlog(stats: RealmStats, most: int) -> Finding:
    message = f"{stats.events:,} events kept, the bound is {most:,}"
    if stats.full:
        return fail("backlog", f"no tickets are taken: {stats.full}", "see memory and consumer groups; add memory")
    if stats.events > BACKLOG_SHARE * most:
        return warn("backlog", message, "see consumer groups: what one of them has not acknowledged is kept")
    return ok("backlog", message)


def _matchers(mm: Matchmaker) -> int | None:
    """How many matchers serve the realm; None where the server does not tell who is connected."""
    try:
        clients = parse_clients(mm.runner.call(Command(("CLIENT", "LIST"), str)))
    except errors.ServerUnsuitable:
        return None
    return matchers_of(clients, mm.calls.realm)


def _matching(mm: Matchmaker, stats: RealmStats, matchers: int | None) -> Iterator[Finding]:
    """Who serves the realm, and whether pairs that are due get made."""
    waiting = sum(queue.waiting for queue in stats.queues)
    start = "matchmaker worker, as many as you like"
    if matchers is None:
        yield warn("matchers", "the server does not tell who is connected", "allow this user CLIENT LIST")
    elif matchers:
        yield ok("matchers", f"{matchers} at work")
    elif waiting:
        yield fail("matchers", f"none at work, with {counted(waiting, 'ticket')} waiting", start)
    else:
        yield warn("matchers", "none at work", start)
    now_ms = mm.runner.call(mm.calls.history("", "", "", 1)).now_ms
    moments = [(queue.next_ms, queue.queue) for queue in stats.queues if queue.next_ms is not None]
    moment, queue = min(moments, default=(now_ms, ""))
    if now_ms - moment > LATE_MS:
        yield fail("passes", f"{queue} wants one since {span(now_ms - moment)}", "start more matchers, see their logs")
    else:
        yield ok("passes", "none is late")


def _checked(mm: Matchmaker, *, matchers_alive: bool, quick: bool) -> Iterator[Finding]:
    from matchmaker.checker import check

    report = check(
        mm.redis,
        mm.calls.realm,
        matchers_alive=matchers_alive,
        grace_seconds=LATE_MS / 1000,
        deep=not quick,
        proposals=True,
    )
    if report.ok:
        counts = (counted(report.tickets, "ticket"), counted(report.matches, "match", "matches"))
        late = f"; {counted(report.late, 'match', 'matches')} came late, for want of a matcher" if report.late else ""
        yield ok("checker", f"{', '.join(counts)}, {report.waiting:,} waiting: nothing is wrong{late}")
    for violation in report.violations:
        yield fail("checker", str(violation), "")
