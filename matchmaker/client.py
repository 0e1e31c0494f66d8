"""Matchmaker: what a blocking program talks to. ``matchmaker.aio`` has the same names, awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import redis

from matchmaker import errors
from matchmaker.calls import Calls, Clock
from matchmaker.connect import open_client
from matchmaker.estimate_plan import checked_wait, estimate_plan, estimate_ticket_plan
from matchmaker.estimates import Estimate
from matchmaker.explanation import Explanation
from matchmaker.hindsight import TICKETS, regret_of, windows_plan
from matchmaker.matches import MatchService, MatchVerbs
from matchmaker.model import (
    Attribute,
    Event,
    Match,
    ReadyCheck,
    Side,
    Ticket,
    TicketRequest,
    TicketState,
    checked_text,
    new_ticket_id,
    ticket_of_event,
)
from matchmaker.notifications import Listener, NotificationService
from matchmaker.plans import apply_plan, cancel_plan, enqueue_one_plan, enqueue_plan, stats_plan
from matchmaker.queues import QueueService
from matchmaker.reads_face import Records, Standings
from matchmaker.regret import Regret
from matchmaker.reports import PassReport, QueueChange, RealmStats, StoredRules
from matchmaker.rules import QueueRules
from matchmaker.runner import Runner, typed_errors
from matchmaker.store.lookup import opened_lookup
from matchmaker.store.queries import Transactions
from matchmaker.values import checked_queues

T = TypeVar("T")

RETAIN_SECONDS = 600
"""How long an ended ticket and its events are remembered at least, in a realm that is created."""

MOST_BACKLOG = 2_000_000
"""Events kept before a realm that is created takes no more tickets; some 600 MB."""


def told_of(event: Event, ticket_id: str) -> Ticket | None:
    """That ticket as the event tells of it, None if it tells of none or of another."""
    ticket = ticket_of_event(event, ticket_id)
    return ticket if ticket is not None and ticket.id == ticket_id else None


def match_of(ticket: Ticket) -> Match | None:
    """The ticket's match, None while it waits for one.

    :raises TicketCancelled: it was cancelled.
    :raises TicketExpired: its time was over.
    """
    if ticket.state is TicketState.CANCELLED:
        raise errors.TicketCancelled(ticket.id, ticket.reason)
    if ticket.state is TicketState.EXPIRED:
        raise errors.TicketExpired(ticket.id, ticket.reason)
    return ticket.match


def check_of(ticket: Ticket) -> Match | ReadyCheck | None:
    """As :func:`match_of`, content with the ready check that comes before it."""
    return match_of(ticket) or ticket.check


class Matchmaker(MatchVerbs):
    """One realm on one Redis server. Threads may share it.

    :param redis_or_url: a URL (``redis://``, ``rediss://``, ``unix://``) or a client of the caller's, left open then.
    :param realm: the queues that share players.
    :param database: where ratings are looked up for players who join without one, and ``records`` are read: a URL
        (``postgresql://``) or a :class:`matchmaker.store.connect.Database` of the caller's, left open then; with
        asyncio also a :class:`matchmaker.aio.Database`.
    :param clock: realm ms, for a realm in virtual time (simulation, tests); leave out otherwise.
    """

    def __init__(
        self,
        redis_or_url: redis.Redis | str,
        realm: str = "main",
        *,
        database: Transactions | str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._owns_client = isinstance(redis_or_url, str)
        self.redis = open_client(redis_or_url) if isinstance(redis_or_url, str) else redis_or_url
        self.calls = Calls(checked_text("realm", realm), clock)
        self._ratings = opened_lookup(database, realm)
        self.runner = Runner(self.redis, self._ratings)
        self.notifications = NotificationService(self.redis, realm)
        self.standings = Standings(self.runner, self.calls)
        self.records = Records(self._ratings.database if self._ratings else None, realm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends all listeners, and the connection unless it is the caller's."""
        self.notifications.close()
        if self._ratings:
            self._ratings.close()
        if self._owns_client:
            self.redis.close()

    def queue(self, name: str) -> QueueService:
        """The verbs on one queue."""
        return QueueService(self.runner, self.calls, name)

    @property
    def matches(self) -> MatchService:
        """The verbs on ready checks and open matches, which this class has too."""
        return MatchService(self.runner, self.calls)

    # -- tickets ---------------------------------------------------------------------------------------------------

    def enqueue(
        self,
        queue: str | Sequence[str],
        player: str,
        *,
        rating: float | None = None,
        deviation: float | None = None,
        data: str = "",
        ticket: str | None = None,
        sides: Mapping[str, Side | float] | None = None,
        ratings: Mapping[str, Side | float] | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        accepts: Mapping[str, tuple[float, float]] | None = None,
        pings: Mapping[str, float] | None = None,
        region: str | None = None,
        vetoes: Mapping[str, Sequence[str]] | None = None,
        avoid: Sequence[str] = (),
    ) -> Ticket:
        """The player joins the queue, or up to eight: matched in one, the ticket leaves all. The first of them is the
        ticket's own: its expiry and heartbeat count. A repeated ``ticket`` id gets the first answer again, also after
        its match.

        :param rating: in points; left out, it is the one known of the player in this queue: the realm's, else the
            database's, else the queue's ``default_rating``, with which a player nobody knew is created.
        :param sides: and what follows it: see :class:`~matchmaker.model.TicketRequest`; what the queues' rules ask for.
        :raises InvalidInput: names the field and what is allowed.
        :raises AlreadyWaiting: the player waits already; names the ticket.
        :raises TicketReused: the id belongs to another player or queue.
        :raises UnknownQueue: no such queue.
        :raises BacklogFull: the realm takes no tickets now.
        :raises RatingUnknown: none was given, the realm has none and there is no database.
        :raises DatabaseUnavailable: none was given, the realm has none and the database did not answer in time.
        """
        request = TicketRequest(
            player,
            rating,
            deviation,
            data,
            new_ticket_id() if ticket is None else ticket,
            sides=sides,
            ratings=ratings,
            attributes=attributes,
            accepts=accepts,
            pings=pings,
            region=region,
            vetoes=vetoes,
            avoid=avoid,
        )
        return self.runner.run(enqueue_one_plan(self.calls, checked_queues(queue), request))

    def enqueue_many(
        self, queue: str | Sequence[str], requests: Sequence[TicketRequest]
    ) -> list[Ticket | errors.MatchmakerError]:
        """For each request its ticket, or the error that refused it."""
        return self.runner.run(enqueue_plan(self.calls, checked_queues(queue), requests))

    def cancel(self, ticket: Ticket | str) -> Ticket:
        """Takes the ticket off its line. The answer says how it ended: cancelled, or matched or expired before.

        :raises UnknownTicket: it is not waiting and did not end lately.
        """
        return self.runner.run(cancel_plan(self.calls, *cancel_target(ticket), "requested"))

    def cancel_player(self, player: str) -> Ticket:
        """Cancels the ticket with which the player waits, in whichever queue."""
        return self.runner.run(
            cancel_plan(self.calls, ANY_QUEUE, "player", checked_text("player", player), "requested")
        )

    def heartbeat(self, ticket: Ticket | str) -> Ticket:
        """Tells that the player is still there, for queues with ``heartbeat_seconds``."""
        return self.runner.call(self.calls.heartbeat(ticket_id(ticket)))

    def status(self, ticket: Ticket | str) -> Ticket:
        """The ticket as it stands now, with its match once it has one.

        :raises UnknownTicket: it is not waiting and did not end lately.
        """
        return self.runner.call(self.calls.status("ticket", ticket_id(ticket)))

    def status_of_player(self, player: str) -> Ticket:
        """The player's waiting ticket, else the one that ended last."""
        return self.runner.call(self.calls.status("player", checked_text("player", player)))

    def explain(self, ticket: Ticket | str, most: int = 3) -> Explanation:
        """What keeps the ticket waiting: who is nearest in each of its queues, the first rule that stands between, and
        when that will pass; :func:`~matchmaker.explanation.sentences` says it in words. Of a ticket that ended, how.

        :param most: how many candidates are told below and above each of its ratings, 1 to 20.
        :raises UnknownTicket: it is not waiting and did not end lately.
        """
        return self.runner.call(self.calls.explain("ticket", ticket_id(ticket), most))

    def explain_player(self, player: str, most: int = 3) -> Explanation:
        """As :meth:`explain`, of the player's waiting ticket, else of the one that ended last."""
        return self.runner.call(self.calls.explain("player", checked_text("player", player), most))

    def wait_for_match(self, ticket: Ticket | str, timeout: float) -> Match:
        """Waits at most ``timeout`` seconds for the ticket's match, without polling; through ready checks that fail,
        if it stays in line.

        :raises WaitTimeout: none was found; the ticket still waits.
        :raises TicketCancelled: it was cancelled. :raises TicketExpired: its time was over.
        """
        return self._wait(ticket, timeout, match_of)

    def wait_for_check(self, ticket: Ticket | str, timeout: float) -> ReadyCheck | Match:
        """As :meth:`wait_for_match`, for the ready check that the player is to accept; where the queue has none, or it
        is over already, for the match.
        """
        # Without the cast the checker takes two alternatives for any object.
        return cast(ReadyCheck | Match, self._wait(ticket, timeout, check_of))

    def _wait(self, ticket: Ticket | str, timeout: float, found: Callable[[Ticket], T | None]) -> T:
        deadline = time.monotonic() + timeout
        known = self.status(ticket)
        result = found(known)
        if result is not None:
            return result
        with self.notifications.subscribe(known.player) as listener:
            if not listener.ready(timeout):
                raise errors.WaitTimeout(known.id, timeout)
            result = found(self.status(known.id))
            while result is None:
                event = listener.get(deadline - time.monotonic())
                if event is None:
                    raise errors.WaitTimeout(known.id, timeout)
                told = told_of(event, known.id)
                result = found(told) if told else None
                if result is not None and event.check is not None:
                    result = found(self.status(known.id))  # the listener begins in the past: it may be over
            return result

    # -- listening and reading ---------------------------------------------------------------------------------------

    def listen(self, player: str, after: str = "") -> Listener:
        """The player's events, each once, in order: from the latest ticket on, or all that follow event ``after``."""
        return self.notifications.subscribe(player, after)

    def estimate(self, queue: str, rating: float, *, waited_seconds: float = 0.0, side: str = "") -> Estimate | None:
        """How long a ticket of that rating would wait, or has still to wait after ``waited_seconds``, by what the realm
        saw lately; None where too little was seen.

        :raises InvalidInput: rating or seconds are no finite numbers.
        """
        plan = estimate_plan(self.calls, queue, *checked_wait(rating, waited_seconds), side)
        return self.runner.run(plan)

    def estimate_ticket(self, ticket: Ticket | str) -> Estimate | None:
        """What is left for a ticket; None if it waits no more, or too little was seen."""
        return self.runner.run(estimate_ticket_plan(self.calls, ticket_id(ticket)))

    def snapshot(self, queue: str) -> list[Ticket]:
        """Everyone who waits in the queue, lowest rating first."""
        return self.queue(queue).get_snapshot()

    def attempt_match(self, queue: str) -> PassReport:
        """One pass over the queue, now."""
        return self.queue(queue).attempt_match()

    def stats(self) -> RealmStats:
        """Counts of the realm."""
        return self.runner.run(stats_plan(self.calls))

    def regret(self, queue: str | None = None, last: int = TICKETS) -> list[Regret]:
        """What waits and gaps of a queue's last tickets cost over the best that hindsight could have done.

        Of every queue without a name. Computed here, of a bounded part of the stream: half a second for 150 tickets.

        :param last: tickets looked at, 2 to 400.
        """
        return [regret_of(window) for window in self.runner.run(windows_plan(self.calls, queue, last))]

    # -- rules -----------------------------------------------------------------------------------------------------

    def apply_rules(
        self,
        rules: Mapping[str, QueueRules],
        *,
        prune: bool = False,
        dry: bool = False,
        retain_seconds: int = RETAIN_SECONDS,
        max_backlog: int = MOST_BACKLOG,
    ) -> list[QueueChange]:
        """Stores rules; matchers use them from their next pass on. All or nothing; the same again changes nothing.

        :param prune: also remove queues that are not named: they take no tickets from now on, and those that wait
            are cancelled (reason ``queue_removed``).
        :param dry: only tell what would change.
        :param retain_seconds: for a realm that does not exist yet; so is ``max_backlog``.
        """
        plan = apply_plan(
            self.calls, rules, prune=prune, dry=dry, retain_seconds=retain_seconds, max_backlog=max_backlog
        )
        return self.runner.run(plan)

    def rules(self) -> dict[str, StoredRules]:
        """The rules of every queue, by name."""
        return self.runner.call(self.calls.stored_rules())

    def ping(self) -> None:
        """Asks the server for a sign of life.

        :raises ServerUnavailable: none came.
        """
        with typed_errors():
            self.redis.ping()


ANY_QUEUE = "any"
"""A queue to ask first where none is known: the answer names the right one."""


def ticket_id(ticket: Ticket | str) -> str:
    """The id of a ticket or of an id, checked."""
    return checked_text("ticket", ticket.id if isinstance(ticket, Ticket) else ticket)


def cancel_target(ticket: Ticket | str) -> tuple[str, str, str]:
    """What ``cancel_plan`` asks for: the queue that is likely, the kind of id and the id."""
    return (ticket.queue if isinstance(ticket, Ticket) else ANY_QUEUE), "ticket", ticket_id(ticket)
