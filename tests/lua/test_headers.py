"""Scripts say what they do: headers, the reply enum, the error factory and the bodies tell the same."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from matchmaker.calls import Call, Calls
from matchmaker.model import EventKind, TicketRequest
from matchmaker.outcomes import By
from matchmaker.scripts import Reply, refusal, script
from tests.lua.headers import Header, header, library_names, script_names, text_of

SCRIPTS: Final = script_names()
LIBRARIES: Final = library_names()
MOST_LINES: Final = 180

# Codes that a script answers because it calls one of these, and events that it emits because it does.
CODES_OF_CALLS: Final = {
    "open_realm": {"invalid", "unknown_realm", "time_mode", "upgrade"},
    "read_realm": {"upgrade"},
    "whole_argument": {"invalid"},
    "ticket_reply": {"waiting", "proposed", "matched", "cancelled", "expired"},
    "waiting_reply": {"waiting", "proposed"},
    "ended_reply": {"matched", "cancelled", "expired"},
    "passed_reply": {"passed"},
    "load_barred_from": {"in_match", "penalised"},
}
# What cannot come of such a call all the same.
NEVER: Final = {
    "apply": {"unknown_realm"},  # it makes the realm
    "cancel": {"waiting", "proposed"},  # what waits is cancelled, who is asked declines
    "explain": {"waiting"},  # what waits is explained
}
FAILED_CHECK: Final = {"declined", "cancelled", "returned"}
EVENTS_OF_CALLS: Final = {
    "commit_pair": {"matched"},
    "commit_standings": {"matched"},
    "cancel_some": {"cancelled"},
    "load_constrained_pass": {"matched"},
    "load_going_on": {"matched", "proposed"},
    "load_complete_check": {"matched"},
    "fail_check": FAILED_CHECK,
    "load_time_out": FAILED_CHECK,
    "load_decline_for": FAILED_CHECK,
    "finish_match": {"finished"},
    "dispute_match": {"disputed"},
    "load_close_unreported": {"finished", "disputed"},
    "load_finish_reported": {"finished"},
    "load_dispute_match": {"disputed"},
}

# Arguments for one reply of each refusing code.
REFUSALS: Final = {
    Reply.INVALID: ["field", "bound"],
    Reply.ALREADY_WAITING: ["ticket", "queue", "player"],
    Reply.TICKET_REUSED: ["ticket", "player", "queue"],
    Reply.CHANGED: ["t1", "t2"],
    Reply.RATING_UNKNOWN: ["player", "queue"],
    Reply.UNKNOWN_QUEUE: ["queue"],
    Reply.UNKNOWN_TICKET: ["ticket"],
    Reply.UNKNOWN_MATCH: ["1-0"],
    Reply.IN_MATCH: ["ann", "1-0"],
    Reply.PENALISED: ["ann", "5", "0"],
    Reply.CHECK_OVER: ["1-0", "declined"],
    Reply.STRANGER: ["1-0", "ann"],
    Reply.ALREADY_REPORTED: ["1-0", "ann", "[1, 2]"],
    Reply.MATCH_OVER: ["1-0", "aborted"],
    Reply.TOO_LATE: ["1-0", "0"],
    Reply.UNKNOWN_CHECK: ["1-0"],
    Reply.UNKNOWN_REALM: [],
    Reply.BACKLOG_FULL: ["reason"],
    Reply.TIME_MODE: ["virtual"],
    Reply.UPGRADE: ["2", "1"],
}


def calls(called: str, text: str) -> bool:
    return re.search(rf"\b{called}\(", text) is not None


def codes_of_calls(stated: Header) -> set[str]:
    """What the script may answer because of the functions it calls."""
    codes = {code for call, codes in CODES_OF_CALLS.items() if calls(call, stated.body) for code in codes}
    return codes - NEVER.get(stated.name, set())


@pytest.mark.parametrize("name", SCRIPTS)
class TestEveryHeader:
    def test_names_keys_arguments_reply_and_events(self, name: str) -> None:
        stated = header(name)
        assert stated.keys in (11, 13, 15)
        assert stated.codes
        assert list(stated.arguments) == list(range(1, len(stated.arguments) + 1))
        assert "-- Events:" in text_of(name)
        assert text_of(name).splitlines()[1].startswith(f"-- {name}: ")

    def test_says_whether_it_runs_when_memory_is_full(self, name: str) -> None:
        """Only what takes tickets or rules may be refused then."""
        assert header(name).flags == frozenset(
            () if name in ("enqueue", "apply") else ("no-writes",) if name in READERS else ("allow-oom",)
        )

    def test_codes_in_the_body_are_in_the_header(self, name: str) -> None:
        stated = header(name)
        returned = set(re.findall(r'(?:return|reply =) \{\s*(?:\{ )?"(\w+)"|\breply\("(\w+)"', stated.body))
        assert {code for pair in returned for code in pair if code} | codes_of_calls(stated) <= stated.codes

    def test_codes_in_the_header_can_come(self, name: str) -> None:
        """A code stands in the body, or comes of a function the script calls."""
        stated = header(name)
        assert {code for code in stated.codes if f'"{code}"' not in stated.body} <= codes_of_calls(stated)

    def test_events_in_the_body_are_those_of_the_header(self, name: str) -> None:
        stated = header(name)
        emitted = set(re.findall(r'record_event\([^,]+, "(\w+)"', stated.body))
        emitted |= set(re.findall(r'tell_all\([^"]+"(\w+)"', stated.body))
        emitted |= set(re.findall(r'end_unmatched\([^"]+"(\w+)"', stated.body))
        emitted |= {event for call, events in EVENTS_OF_CALLS.items() if calls(call, stated.body) for event in events}
        assert stated.events == emitted
        assert emitted <= set(EventKind)

    def test_arguments_of_the_body_are_in_the_header(self, name: str) -> None:
        stated = header(name)
        used = {int(number) for number in re.findall(r"\b(?:ARGV\[|whole_argument\()(\d+)", stated.body)}
        assert used <= set(stated.arguments)
        assert stated.open_ended == (re.search(r"#ARGV\b(?!\[)", stated.body) is not None)

    def test_keys_of_one_line_are_asked_for_where_they_are_used(self, name: str) -> None:
        stated = header(name)
        # Where another key is given, the line's stands for nothing.
        reached = _reachable(stated).replace("key or KEYS[13]", "key")
        assert (re.search(r"KEYS\[1[23]\]", reached) is not None) == (stated.keys >= 13)
        assert (re.search(r"KEYS\[1[45]\]", reached) is not None) == (stated.keys == 15)

    def test_what_it_includes_is_there_and_once(self, name: str) -> None:
        assert set(header(name).includes) <= set(LIBRARIES)
        always, *others = included_by(name)
        for one in ([], *others):
            assert len(set(always + one)) == len(always + one)
        assert script(name).source.startswith("#!lua")

    def test_it_fits_a_screen_or_two(self, name: str) -> None:
        assert len(text_of(name).splitlines()) <= MOST_LINES


READERS: Final = ("explain", "history", "match", "overdue", "snapshot", "status")


def included_by(name: str) -> list[list[str]]:
    """The libraries that every call of a script needs, and those that each of its lazy functions needs besides."""
    needed: dict[str, list[str]] = {"": []}
    for lazy, libraries in re.findall(r"^-- @(?:include|lazy (\w+):) (.*)$", text_of(name), re.MULTILINE):
        needed.setdefault(lazy, []).extend(libraries.split())
    return list(needed.values())


def _functions(text: str) -> dict[str, str]:
    """The functions of a library, by name, with their text."""
    return {
        found[1]: found[0] for found in re.finditer(r"^local function (\w+)\(.*?^end$", text, re.MULTILINE | re.DOTALL)
    }


def _reachable(stated: Header) -> str:
    """The script's body and what it calls of its libraries, and what that calls."""
    functions: dict[str, str] = {}
    for library in stated.includes:
        functions |= _functions(text_of(library))
    reached, todo = stated.body, [stated.body]
    while todo:
        text = todo.pop()
        for name in [name for name in functions if calls(name, text)]:
            body = functions.pop(name)
            reached += body
            todo.append(body)
    return reached


@pytest.mark.parametrize("name", LIBRARIES)
class TestEveryLibrary:
    def test_it_fits_a_screen_or_two(self, name: str) -> None:
        assert len(text_of(name).splitlines()) <= MOST_LINES

    def test_some_script_needs_it(self, name: str) -> None:
        assert any(name in header(one).includes for one in SCRIPTS)

    def test_it_says_what_it_is_for(self, name: str) -> None:
        assert text_of(name).startswith("-- ")


class TestReplies:
    def test_every_code_of_a_header_is_a_reply_and_the_other_way_round(self) -> None:
        assert {code for name in SCRIPTS for code in header(name).codes} == set(Reply)

    @pytest.mark.parametrize("code", list(Reply))
    def test_a_code_is_an_error_exactly_if_it_refuses(self, code: Reply) -> None:
        error = refusal("main", [code, *REFUSALS.get(code, ["some", "thing"])])
        assert (error is not None) == (code in REFUSALS)

    def test_each_refusal_is_an_error_of_its_own_with_what_was_said(self) -> None:
        found = [refusal("main", [code, *said]) for code, said in REFUSALS.items()]
        assert len({type(error) for error in found}) == len(REFUSALS)
        for error, said in zip(found, REFUSALS.values(), strict=True):
            assert all(part.strip("[]") in str(error) for part in said)


def test_calls_bring_the_keys_and_arguments_that_headers_name() -> None:
    """Every script has a typed method, and that method's call is of the header's shape."""
    one = Calls("main", clock=lambda: 5)
    made: list[Call[Any]] = [
        one.enqueue("q", [TicketRequest("p", 1, ticket="t"), TicketRequest("r", ticket="u")]),
        one.cancel("q", "ticket", "t", "requested"),
        one.heartbeat("t"),
        one.status("ticket", "t"),
        one.explain("ticket", "t", 3),
        one.expire("q", ["t", "u"]),
        one.overdue(5, 1),
        one.match_pass("q"),
        one.tend("q"),
        one.pair("q", "t", "u"),
        one.peek(1),
        one.history("p", "", "", 1),
        one.snapshot("q", "", 1),
        one.ring("5-0"),
        one.apply([("q", "{}"), ("r", "{}")], prune=False, dry=False, retain_ms=1, max_backlog=1),
        one.clear("q", "", "", 1),
        one.accept("5-0", "p"),
        one.decline("5-0", "p"),
        one.report("5-0", By.PLAYER, "p", [1, 2]),
        one.abort("5-0", By.OPERATOR, "root", "void"),
        one.leave("5-0", "p"),
        one.match_state("5-0"),
        one.lapse(1),
    ]
    # What is settled the recorder tells, which knows how much of it a call takes.
    assert {call.script.name for call in made} == set(SCRIPTS) - {"rate"}
    for call in made:
        stated = header(call.script.name)
        assert len(call.keys) == stated.keys
        assert len(call.args) > len(stated.arguments) if stated.open_ended else len(call.args) == len(stated.arguments)
