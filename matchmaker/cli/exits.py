"""Exit codes: one table from the codes of errors to what a shell sees. Both are stable; ``docs/cli.md`` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from matchmaker.errors import MatchmakerError


class Exit(IntEnum):
    """What a command leaves behind."""

    OK = 0
    NO = 1
    INPUT = 2
    NOT_FOUND = 3
    CONFLICT = 4
    SERVER = 5
    FULL = 6
    DEFECT = 70
    INTERRUPTED = 130
    READER_GONE = 141


MEANING: Final[Mapping[Exit, str]] = {
    Exit.OK: "done; `up`, `worker` and `proposer` also after Ctrl-C or SIGTERM",
    Exit.NO: "the answer is no: a check failed, no match within the time, the ticket ended without a match, "
    "too late to cancel, accept, report or abort",
    Exit.INPUT: "bad input or usage; nothing was changed",
    Exit.NOT_FOUND: "no such ticket, match, ready check, queue, player, rating or realm; events that are no longer "
    "remembered",
    Exit.CONFLICT: "the player waits already, is in a match or barred, or is not part of the match, or has told "
    "another result; the ticket id belongs to another; tickets changed meanwhile",
    Exit.SERVER: "the server or the realm is unavailable, or not fit for this program",
    Exit.FULL: "the realm takes no new tickets",
    Exit.DEFECT: "a defect of this program, with the details",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
    Exit.READER_GONE: "whoever read the output is gone, as when it was piped into `head`",
}

OF_CODE: Final[Mapping[str, Exit]] = {
    "error": Exit.DEFECT,
    "invalid_input": Exit.INPUT,
    "rules_invalid": Exit.INPUT,
    "unknown_queue": Exit.NOT_FOUND,
    "unknown_realm": Exit.NOT_FOUND,
    "unknown_ticket": Exit.NOT_FOUND,
    "unknown_match": Exit.NOT_FOUND,
    "already_waiting": Exit.CONFLICT,
    "ticket_reused": Exit.CONFLICT,
    "tickets_changed": Exit.CONFLICT,
    "in_match": Exit.CONFLICT,
    "penalised": Exit.CONFLICT,
    "unknown_check": Exit.NOT_FOUND,
    "check_over": Exit.NO,
    "not_in_match": Exit.CONFLICT,
    "already_reported": Exit.CONFLICT,
    "match_over": Exit.NO,
    "too_late": Exit.NO,
    "match_function_failed": Exit.INPUT,
    "ticket_cancelled": Exit.NO,
    "ticket_expired": Exit.NO,
    "wait_timeout": Exit.NO,
    "events_lost": Exit.NOT_FOUND,
    "listener_closed": Exit.SERVER,
    "backlog_full": Exit.FULL,
    "upgrade": Exit.SERVER,
    "time_mode": Exit.SERVER,
    "server_unsuitable": Exit.SERVER,
    "server_unavailable": Exit.SERVER,
    "rating_unknown": Exit.NOT_FOUND,
    "unknown_player": Exit.NOT_FOUND,
    "database_unavailable": Exit.SERVER,
    "database_unsuitable": Exit.SERVER,
    "database_schema": Exit.SERVER,
    "embedded_server": Exit.SERVER,
    "script_fault": Exit.DEFECT,
}


def exit_of(error: MatchmakerError) -> Exit:
    """The exit code that an error stands for."""
    return OF_CODE.get(error.code, Exit.DEFECT)
