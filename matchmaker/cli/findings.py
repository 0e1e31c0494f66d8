"""What ``doctor`` finds out about a server, from the facts alone."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from matchmaker.cli.output import size
from matchmaker.server import OLDEST, ServerFacts, faults

FULL_SHARE: Final = 0.85
"""Of maxmemory: above it a realm takes no tickets (``lua/lib/housekeeping.lua``)."""

TIGHT_SHARE: Final = 0.7
SMALL_BUFFER_BYTES: Final = 1_000_000


class State(StrEnum):
    """How much a finding matters: FAIL breaks a promise now, warn may do so one day."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


class Finding(NamedTuple):
    """One line of the report: what was looked at, what was found, and what to do about it where there is something."""

    state: State
    name: str
    message: str
    remedy: str = ""


def ok(name: str, message: str) -> Finding:
    return Finding(State.OK, name, message)


def warn(name: str, message: str, remedy: str) -> Finding:
    return Finding(State.WARN, name, message, remedy)


def fail(name: str, message: str, remedy: str) -> Finding:
    return Finding(State.FAIL, name, message, remedy)


def about_server(facts: ServerFacts) -> Iterator[Finding]:
    """Version and role, persistence, eviction, memory, buffers: in this order."""
    wrong = dict(faults(facts))
    yield _kind(facts, wrong)
    yield _persistence(facts)
    yield _eviction(facts, wrong)
    yield _memory(facts)
    yield _buffers(facts)


def _kind(facts: ServerFacts, wrong: dict[str, str]) -> Finding:
    if "server" in wrong:
        return fail("server", wrong["server"], "upgrade it")
    if "role" in wrong:
        return fail("server", wrong["role"], "use the primary")
    if facts.version is None or facts.name not in OLDEST:
        return warn("server", f"{facts.title}: not one that is known to work", "use Redis 7 or Valkey 8, or newer")
    return ok("server", facts.title)


def _persistence(facts: ServerFacts) -> Finding:
    name = "persistence"
    if facts.aof_write_ok is False:
        return fail(name, "the last write of the append-only file failed", "free its disk; the server's log says more")
    if facts.snapshot_ok is False:
        return fail(name, "the last snapshot failed, and the server may refuse writes", "free its disk; see its log")
    if facts.aof is None:
        return warn(name, "the server does not tell whether it keeps its data", "see that it does: appendonly yes")
    if not facts.aof:
        return warn(name, "appendonly is no: a restart loses who waits", "CONFIG SET appendonly yes")
    if facts.appendfsync == "no":
        return warn(name, "appendfsync is no: a crash may lose half a minute", "CONFIG SET appendfsync everysec")
    lost = {"always": "a crash loses nothing", "everysec": "a crash may lose the last second"}
    how = facts.appendfsync or "unknown"
    return ok(name, f"appendonly yes, appendfsync {how}" + (f": {lost[how]}" if how in lost else ""))


def _eviction(facts: ServerFacts, wrong: dict[str, str]) -> Finding:
    name = "eviction"
    if facts.policy is None:
        return warn(name, "the server does not tell its maxmemory-policy", "see that it is noeviction")
    if "maxmemory-policy" in wrong:
        message = f"maxmemory-policy is {facts.policy}: it may evict those who wait"
        return fail(name, message, "CONFIG SET maxmemory-policy noeviction, and in its configuration")
    return ok(name, "maxmemory-policy noeviction")


def _memory(facts: ServerFacts) -> Finding:
    name = "memory"
    if facts.used_bytes is None:
        return warn(name, "the server does not tell how much it uses", "allow this user INFO")
    used = size(facts.used_bytes)
    most = facts.limit_bytes or facts.machine_bytes
    if not most:
        return ok(name, f"{used} used")
    share = facts.used_bytes / most
    whose = "maxmemory" if facts.limit_bytes else "the machine's memory (maxmemory is not set)"
    message = f"{used} used, {100 * share:.1f}% of {size(most)}, {whose}"
    if share > FULL_SHARE and facts.limit_bytes:
        return fail(name, f"{message}: no tickets are taken", "raise maxmemory")
    if share > TIGHT_SHARE:
        return warn(name, message, "give the server more; above 85% of maxmemory no tickets are taken")
    return ok(name, message)


def _buffers(facts: ServerFacts) -> Finding:
    name = "listeners"
    if facts.pubsub_limit is None:
        return warn(
            name, "the server does not tell the output buffer limits of listeners", "allow this user CONFIG GET"
        )
    hard, soft, seconds = facts.pubsub_limit
    setting = "client-output-buffer-limit pubsub 32mb 8mb 60"
    if hard == 0:
        message = "nothing bounds the buffer of a listener that does not read: it may use up the memory"
        return warn(name, message, f"CONFIG SET {setting}")
    if hard < SMALL_BUFFER_BYTES:
        return warn(name, f"a listener is cut at {size(hard)} of unread events", f"CONFIG SET {setting}")
    limits = f"cut at {size(hard)} of unread events" + (f", or {size(soft)} for {seconds} s" if soft else "")
    if facts.cut_clients:
        message = f"{limits}; {facts.cut_clients:,} clients were, since the server's start"
        return warn(name, message, "find out who reads so slowly; listeners resume, at the price of a reading")
    return ok(name, limits)
