"""What may be wrong with a realm: one code for each kind of fault."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """A fault. Codes never change their meaning; a fault is reported once, under the code nearest to its cause."""

    # What the stream tells cannot be.
    EVENT_MALFORMED = "event_malformed"  # an entry that no script of this version writes
    EVENT_TIME = "event_time"  # its moment is not that of its id
    EVENT_DISAGREES = "event_disagrees"  # the end of a ticket tells another player, queue, rating or wait
    ENQUEUED_TWICE = "enqueued_twice"  # a ticket id lives again, within the time for which it is remembered
    PLAYER_TWICE = "player_twice"  # a player with two live tickets
    ENDED_TWICE = "ended_twice"  # also: one ticket in two matches
    ENDED_UNKNOWN = "ended_unknown"  # the end of a ticket that never began
    EXPIRED_EARLY = "expired_early"  # under every version of its rules
    MATCH_SHAPE = "match_shape"  # not two teams of one, or not of different players
    MATCH_GAP = "match_gap"  # not the distance of the ratings
    MATCH_VALUE = "match_value"  # value or price are not what the model computes
    MATCH_RULES = "match_rules"  # a pair that was not due, or rules that were not in force
    MATCH_PLACE = "match_place"  # region, ping, server or picks are not what the rules and the draw say
    MATCH_LATE = "match_late"  # due for longer than the grace before it was made, though a matcher lived
    CHECK_ORDER = "check_order"  # an event of a ready check that cannot follow those before it
    IN_TWO_MATCHES = "in_two_matches"  # a player in two matches whose results are awaited
    MATCH_ORDER = "match_order"  # an event of an open match that cannot follow those before it
    FINISHED_WRONG = "finished_wrong"  # a match ended otherwise than its reports say
    RATED_ORDER = "rated_order"  # numbers of rated matches, or of a player's games, that are not consecutive
    RATED_WRONG = "rated_wrong"  # a rating without its cause: no match that was played, or one rated before
    # What is stored disagrees with the stream, or with itself.
    TICKET_LOST = "ticket_lost"  # acknowledged, but neither waiting nor ended
    ENDED_BUT_LIVE = "ended_but_live"
    LIVE_AND_ENDED = "live_and_ended"  # both waiting and remembered as ended
    EVENT_MISSING = "event_missing"  # something happened to a ticket that the stream does not tell
    RECORD_UNREADABLE = "record_unreadable"
    RECORD_DISAGREES = "record_disagrees"  # with the ticket's enqueued event
    CHAIN_BROKEN = "chain_broken"  # the player's previous event or ticket is not the one named
    TIME_IN_FUTURE = "time_in_future"
    NOT_FINITE = "not_finite"
    OFF_LINE = "off_line"  # a waiting ticket that no pass will find
    LINE_GHOST = "line_ghost"  # on a line without waiting there
    LINE_RATING = "line_rating"  # stands at another rating than its own
    TERMS_WRONG = "terms_wrong"  # missing, or not what the ticket's event and its rules tell
    TERMS_GHOST = "terms_ghost"  # of a ticket that does not wait
    AGE_WRONG = "age_wrong"  # in ages:<line>: missing, of nobody, or not since the ticket came
    LINE_COUNT = "line_count"  # the number of tickets in a line with constraints is not that of its ages
    DEVIATION_LOW = "deviation_low"  # the highest deviation noted of a line is not as high as a ticket's
    MET_WRONG = "met_wrong"  # a meeting that is forgotten too early, or never was
    CERTIFICATE_GHOST = "certificate_ghost"  # in due:<line> but not on the line
    ENDS_GHOST = "ends_ghost"  # has an expiry but does not wait
    EXPIRY_WRONG = "expiry_wrong"  # none, or not the one that the rules give
    CHECKING_WRONG = "checking_wrong"  # a ticket in a ready check that the stream does not tell of, or not in its own
    CHECK_WRONG = "check_wrong"  # what is stored of a ready check: missing, of nobody, or not as the stream tells
    OPEN_WRONG = "open_wrong"  # what is stored of an open match: missing, of nobody, or not as the stream tells
    PLAYING_WRONG = "playing_wrong"  # in `playing` without an open match, or the other way round
    DEADLINE_WRONG = "deadline_wrong"  # of nothing, missing, or nobody will look at it in time
    PENALTY_WRONG = "penalty_wrong"  # that cannot be read, or is never forgotten
    QUEUE_UNKNOWN = "queue_unknown"  # waits in a queue without rules
    PLAYER_UNLINKED = "player_unlinked"  # a waiting ticket whose player's entry is missing or names another
    PLAYER_GHOST = "player_ghost"  # the entry of a player who does not wait
    NOT_REMEMBERED = "not_remembered"  # ended lately, and forgotten
    REMEMBERED_TWICE = "remembered_twice"
    REMEMBERED_WRONG = "remembered_wrong"  # not as the stream tells its end
    LAST_WRONG = "last_wrong"  # a player's last ended ticket is not the one named
    DUE_WRONG = "due_wrong"  # a line's earliest moment is not that of its certificates
    CERTIFICATE_LATE = "certificate_late"  # a pair falls due before anybody will look
    COUNTERS_WRONG = "counters_wrong"
    RULES_BROKEN = "rules_broken"  # rules that cannot be read, or a version that is missing
    # Nothing happens although it should.
    PAIR_OVERDUE = "pair_overdue"
    EXPIRY_OVERDUE = "expiry_overdue"
    DEADLINE_OVERDUE = "deadline_overdue"
    # What a listener heard is not what the stream tells.
    MISSED = "missed"
    DUPLICATED = "duplicated"
    OUT_OF_ORDER = "out_of_order"
    FOREIGN = "foreign"  # heard, but not of this player's events
    # What Postgres holds is not what the stream tells.
    ROW_MISSING = "row_missing"  # recorded, by the place in the stream, and not there
    ROW_DISAGREES = "row_disagrees"
    ROW_UNKNOWN = "row_unknown"  # of an event that the stream, as far back as it reaches, does not hold
    ROW_TWICE = "row_twice"  # one life of a ticket in two matches
    SETTLED_WRONG = "settled_wrong"  # results and rating changes that do not go together, or ratings that differ
    RECORDS_BEHIND = "records_behind"  # events that were not recorded, though all should be


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault. ``message`` names the ticket, player, queue or event, what was found and what was expected."""

    code: Code
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
