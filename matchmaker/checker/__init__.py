"""The checker: is a realm sound, and does it live? One program for every test, ``matchmaker doctor`` and the demo.

    >>> report = check(client, "main", matchers_alive=True)
    >>> report.ok, report.violations
    (True, ())

It reads, writes nothing, shares no code with the scripts it judges, and never holds the server for more than a
millisecond or so: pages of some 250 entries, and atomic reads of some 500 small commands.

**Why it is right about a realm at work.** State moves between two pages, so what they show together may never have
been. There are three kinds of evidence, and only what one of them proves is reported:

1. *The stream.* Its events never change and are written in the same step as what they tell of. What is wrong among
   them (a ticket that ends twice, a player with two live tickets, a match outside its rules) is wrong for good.
2. *A sharp picture.* The pages, and a :class:`Ledger` of the stream, yield suspects: tickets, players and pairs that
   look wrong. All keys that concern a few suspects are then read again by MULTI/EXEC, together with the id of the
   newest event. Scripts are atomic, so at that moment the state was what the events up to that one say, if the realm
   is sound; the ledger is read on to exactly that event, and the same judgement is made again. What looked wrong
   because it moved looks right now; what is wrong stays wrong.
3. *Time.* A pair that is suspected of being due for too long is looked at again in the same way, at the realm's time
   then: both still wait, under the same rules, and have been due since longer than the grace.

On a realm at rest the pages show one moment, so every fault is a suspect and the verdict is exact. On a busy one a
fault can hide from the pages only by looking sound, for instance a certificate that was late and has been renewed.

**Queues with constraints** are read by what is stored of each ticket's terms, and these are held against its event: a
certificate is judged by the same words as the scripts read, and a match by what the players sent. Of a line longer than
a look there reaches (:data:`~matchmaker.checker.ledger.CROWD`) only what a look promises is asked.

**What the stream no longer holds** is not held against anybody. The realm's ``floor_ms`` says since when nothing was
trimmed, the stream's own count says whether anything ever was: until then counters are compared too.

A fault is reported once, under the code nearest to its cause: a ticket whose record was lost is ``ticket_lost`` and not
also a ghost on its line, a ghost for its player and a wrong count.
"""

from __future__ import annotations

from matchmaker.checker.check import check
from matchmaker.checker.ledger import Ledger
from matchmaker.checker.listeners import ListenerReport, check_listeners
from matchmaker.checker.recorded import RecordsReport, check_records
from matchmaker.checker.report import Report
from matchmaker.checker.violation import Code, Violation

__all__ = [
    "Code",
    "Ledger",
    "ListenerReport",
    "RecordsReport",
    "Report",
    "Violation",
    "check",
    "check_listeners",
    "check_records",
]
