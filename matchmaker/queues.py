"""QueueService: the line of one queue, the one truth of who waits. Blocking; ``matchmaker.aio`` has its twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matchmaker import errors
from matchmaker.calls import Calls
from matchmaker.model import Attribute, Match, ReadyCheck, Side, Ticket, TicketRequest, checked_text
from matchmaker.plans import (
    attempt_plan,
    cancel_plan,
    clear_plan,
    enqueue_one_plan,
    enqueue_plan,
    get_player_plan,
    size_plan,
    snapshot_plan,
)
from matchmaker.reports import PassReport
from matchmaker.runner import Runner


class QueueService:
    """Verbs on one queue. Every one is a single atomic script, so no two of them can interleave."""

    def __init__(self, runner: Runner, calls: Calls, queue: str) -> None:
        self.queue = checked_text("queue", queue)
        self._runner = runner
        self._calls = calls

    def add_player(
        self,
        player: str,
        rating: float | None = None,
        deviation: float | None = None,
        *,
        data: str = "",
        sides: Mapping[str, Side | float] | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        accepts: Mapping[str, tuple[float, float]] | None = None,
        pings: Mapping[str, float] | None = None,
        region: str | None = None,
        vetoes: Mapping[str, Sequence[str]] | None = None,
        avoid: Sequence[str] = (),
    ) -> Ticket:
        """The player joins the line.

        :param rating: in points; left out, it is the one known of the player in this queue: the realm's, else the
            database's, else the queue's ``default_rating``, with which a player nobody knew is created.
        :param sides: and what follows it: see :class:`~matchmaker.model.TicketRequest`; what the queue's rules ask for.
        :raises InvalidInput: names the field and what is allowed.
        :raises AlreadyWaiting: names the ticket with which the player waits already, in whichever queue.
        :raises RatingUnknown: none was given, the realm has none and there is no database.
        :raises DatabaseUnavailable: none was given, the realm has none and the database did not answer in time.
        """
        request = TicketRequest(
            player,
            rating,
            deviation,
            data,
            sides=sides,
            attributes=attributes,
            accepts=accepts,
            pings=pings,
            region=region,
            vetoes=vetoes,
            avoid=avoid,
        )
        return self.add(request)

    def add(self, request: TicketRequest) -> Ticket:
        """As :meth:`add_player`, with a ticket id of the caller's: the same request again gets the same answer."""
        return self._runner.run(enqueue_one_plan(self._calls, self.queue, request))

    def add_many(self, requests: Sequence[TicketRequest]) -> list[Ticket | errors.MatchmakerError]:
        """Many at once: for each request its ticket, or the error that refused it."""
        return self._runner.run(enqueue_plan(self._calls, self.queue, requests))

    def remove_player(self, player: str, reason: str = "requested") -> Ticket:
        """The player leaves. The ticket that comes back says whether this cancelled it or how it had ended before.

        :raises UnknownTicket: the player does not wait, and no ticket of the player ended lately.
        """
        plan = cancel_plan(self._calls, self.queue, "player", checked_text("player", player), reason)
        return self._runner.run(plan)

    def remove_matched_players(self, one: str, other: str) -> Match | ReadyCheck:
        """Makes the match of two waiting tickets that the caller chose, or begins its ready check where the queue has
        one, and takes both off the line, in one step.

        :raises TicketsChanged: names those that no longer wait here; then nothing changed.
        """
        return self._runner.call(
            self._calls.pair(self.queue, checked_text("ticket", one), checked_text("ticket", other))
        )

    def get_snapshot(self) -> list[Ticket]:
        """Everyone who waits, lowest rating first; consistent within each page of 200."""
        return self._runner.run(snapshot_plan(self._calls, self.queue))

    def queue_size(self) -> int:
        """How many tickets wait."""
        return self._runner.run(size_plan(self._calls, self.queue))

    def is_player_in_queue(self, player: str) -> bool:
        """Whether the player waits in this queue now."""
        return self.get_player(player) is not None

    def get_player(self, player: str) -> Ticket | None:
        """The player's waiting ticket, None when the player does not wait in this queue."""
        return self._runner.run(get_player_plan(self._calls, self.queue, checked_text("player", player)))

    def clear(self) -> int:
        """Cancels everyone who waits now, with their events; answers how many."""
        return self._runner.run(clear_plan(self._calls, self.queue))

    def attempt_match(self, shown: int = 100) -> PassReport:
        """One pass over what is due, now, without waiting for the queue's interval.

        ``shown`` bounds how many matches the report repeats; all of them are announced in any case.
        """
        return self._runner.run(attempt_plan(self._calls, self.queue, shown))
