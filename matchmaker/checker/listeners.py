"""What listeners heard against what the stream tells of their players."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.report import Report
from matchmaker.checker.violation import Code, Violation
from matchmaker.model import event_order


@dataclass(frozen=True, slots=True)
class ListenerReport:
    """The verdict on listeners. ``missed`` and ``duplicated`` count events, ``expected`` those that should be heard."""

    violations: tuple[Violation, ...]
    expected: int
    heard: int
    missed: int
    duplicated: int

    @property
    def ok(self) -> bool:
        return not self.violations


def check_listeners(
    told: Report | Ledger,
    heard: Mapping[str, Sequence[str]],
    *,
    first: Mapping[str, str] | None = None,
    last: Mapping[str, str] | None = None,
) -> ListenerReport:
    """Whether each listener got every event of its player once, in order.

    :param told: the ground truth: a report of :func:`~matchmaker.checker.check`, or a ledger, that was made after the
        listeners had their time.
    :param heard: player -> ids of the events its listener got, in the order in which it got them. A player nobody
        listened to is not named; one whose listener heard nothing has an empty sequence.
    :param first: player -> id of the event with which its listener began (it came late, or resumed there).
    :param last: player -> id of the last event it was there for.
    """
    ledger = told.ledger if isinstance(told, Report) else told
    violations: list[Violation] = []
    expected = 0
    for player, ids in heard.items():
        wanted = ledger.events_of.get(player, [])
        if first and player in first:
            wanted = [id_ for id_ in wanted if event_order(id_) >= event_order(first[player])]
        if last and player in last:
            wanted = [id_ for id_ in wanted if event_order(id_) <= event_order(last[player])]
        expected += len(wanted)
        violations += _faults(ledger, player, wanted, ids)
    counts = Counter(violation.code for violation in violations)
    return ListenerReport(
        violations=tuple(violations),
        expected=expected,
        heard=sum(map(len, heard.values())),
        missed=counts[Code.MISSED],
        duplicated=counts[Code.DUPLICATED],
    )


def _faults(ledger: Ledger, player: str, wanted: Sequence[str], heard: Sequence[str]) -> Iterator[Violation]:
    def fault(code: Code, message: str) -> Violation:
        return Violation(code, f"player {player!r} {message}")

    times = Counter(heard)
    for id_ in wanted:
        if id_ not in times:
            yield fault(Code.MISSED, f"missed {id_}")
    own = set(wanted)
    for id_, count in times.items():
        for _ in range(count - 1):
            yield fault(Code.DUPLICATED, f"heard {id_} again")
        if id_ not in own and ledger.knows(id_):
            yield fault(Code.FOREIGN, f"heard {id_}, which is not among the player's events to hear")
    newest = ""
    for id_ in dict.fromkeys(heard):
        if newest and event_order(id_) < event_order(newest):
            yield fault(Code.OUT_OF_ORDER, f"heard {id_} after {newest}")
        else:
            newest = id_
