"""A picture of a realm's state: all of it read in pages, or a few tickets and players at one moment.

The checks look at a picture and do not care which kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from matchmaker.checker.records import Ended, Record, bytes_of, text_of, unpack_ended, unpack_record
from matchmaker.checker.source import Commands, Source, realm_now
from matchmaker.checker.terms import Terms, read_terms
from matchmaker.errors import InvalidInput
from matchmaker.keys import lines_of, queue_of
from matchmaker.rules import QueueRules


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue as the realm holds it. ``rules`` is None for text that cannot be read, ``work`` what passes are at:
    None for nothing, "closing", or the position of a recertification."""

    version: int
    rules: QueueRules | None
    work: str | None


@dataclass(slots=True)
class Picture:
    """State by ticket and by player. ``now_ms`` is the realm's last call, ``queues`` those with rules; a ticket stands
    in ``lines[line]`` (of a queue with sides: :func:`of_side`) with its rating and in ``certificates[line]`` with its
    realm ms; a line with constraints has ``ages[line]`` as well, when each came, and in ``deviations[line]`` what the
    highest deviation is there; one in a ready check stands nowhere and is in ``checking``.
    ``ended`` and ``last`` have one part for each of the two rotating hashes.
    """

    now_ms: int = 0
    retain_ms: int = 0
    queues: dict[str, QueueView] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    players: dict[str, str] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    ended: tuple[dict[str, bytes], dict[str, bytes]] = field(default_factory=lambda: ({}, {}))
    last: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))
    lines: dict[str, dict[str, float]] = field(default_factory=dict)
    certificates: dict[str, dict[str, float]] = field(default_factory=dict)
    ages: dict[str, dict[str, float]] = field(default_factory=dict)
    packed_terms: dict[str, bytes] = field(default_factory=dict)
    deviations: dict[str, float] = field(default_factory=dict)
    checking: dict[str, str] = field(default_factory=dict)
    _unpacked: dict[str, Ended] = field(default_factory=dict, init=False)
    _terms: dict[str, Terms] = field(default_factory=dict, init=False)

    def record(self, ticket: str) -> Record | None:
        """:raises ValueError: it cannot be read."""
        packed = self.records.get(ticket)
        return None if packed is None else unpack_record(packed)

    def remembered(self, ticket: str) -> Ended | None:
        """:raises ValueError: it cannot be read."""
        known = self._unpacked.get(ticket)
        if known is None:
            packed = self.ended[0].get(ticket) or self.ended[1].get(ticket)
            if packed is not None:
                known = self._unpacked[ticket] = unpack_ended(packed)
        return known

    def terms(self, ticket: str) -> Terms | None:
        """:raises ValueError: they cannot be read."""
        known = self._terms.get(ticket)
        if known is None and ticket in self.packed_terms:
            known = self._terms[ticket] = read_terms(self.packed_terms[ticket])
        return known

    def tickets(self) -> Iterator[str]:
        """Every ticket that anything is known of, some more than once."""
        yield from self.records
        yield from self.ends
        yield from self.packed_terms
        for remembered in self.ended:
            yield from remembered
        for places in (*self.lines.values(), *self.certificates.values(), *self.ages.values()):
            yield from places

    def everyone(self) -> set[str]:
        """Every player that anything is known of."""
        return {*self.players, *self.last[0], *self.last[1]}

    def queues_of(self, ticket: str) -> set[str]:
        """Lines, by :func:`of_side`, on which the ticket stands or should."""
        found = {queue for queue, line in self.lines.items() if ticket in line}
        for moments_of in (self.certificates, self.ages):
            found.update(line for line, moments in moments_of.items() if ticket in moments)
        try:
            record, terms = self.record(ticket), self.terms(ticket)
        except ValueError:
            record = terms = None
        found.update(of_side(place.line, place.side_name) for place in (terms.at if terms else ()))
        return found | {record.queue} if record else found

    def player_of(self, ticket: str) -> str | None:
        """Whose ticket it is, as far as this can be read."""
        try:
            found = self.record(ticket) or self.remembered(ticket)
        except ValueError:
            found = None
        return found.player if found else None


_OF_SIDE: Final = "\0"
_DEVIATION: Final = b"deviation:"


def of_side(line: str, side: str) -> str:
    """The name in a picture of a line, or of one side of it."""
    return f"{line}{_OF_SIDE}{side}" if side else line


def line_of(name: str) -> tuple[str, str]:
    """Inverse of :func:`of_side`: line and side."""
    line, _, side = name.partition(_OF_SIDE)
    return line, side


def queue_view(rules: bytes | None, version: bytes | None, work: bytes | None) -> QueueView | None:
    """From the fields ``q:``, ``n:`` and ``c:`` of one queue; None for a queue without rules."""
    if rules is None:
        return None
    return QueueView(int(version or 0), read_rules(rules), None if work is None else work.decode())


def read_rules(compiled: bytes) -> QueueRules | None:
    """The rules, None for text that is none."""
    try:
        return QueueRules.from_compiled(compiled.decode())
    except (InvalidInput, UnicodeDecodeError):
        return None


def whole_picture(source: Source, rules_fields: Mapping[bytes, bytes], told: Iterable[str] = ()) -> Picture:
    """Everything, page by page. ``rules_fields`` is the realm's rules hash, ``told`` are lines of classes that held
    tickets once."""
    keys, picture = source.keys, Picture()
    picture.now_ms, picture.retain_ms = moment_and_retain(source.at_once(_about_time(source)))
    names = {field[2:].decode() for field in rules_fields if field.startswith(b"n:")}
    picture.packed_terms.update((text_of(ticket), packed) for ticket, packed in source.hash_fields(keys.terms))
    lines = dict.fromkeys(
        [*(text_of(line) for line, _ in source.hash_fields(keys.lines)), *_lines_of_terms(picture)], 0
    )
    for name, bound in source.hash_fields(keys.meta):
        if name.startswith(_DEVIATION):
            picture.deviations[text_of(name[len(_DEVIATION) :])] = float(bound)
    lines |= dict.fromkeys(_that_exist(source, [line for line in told if line not in lines], rules_fields), 0)
    for queue in sorted(names):
        view = queue_view(*(rules_fields.get(f"{part}:{queue}".encode()) for part in "qnc"))
        if view is not None:
            picture.queues[queue] = view
        sides = view.rules.sides if view is not None and view.rules is not None else ()
        for line in dict.fromkeys((queue, *lines_of(queue, lines))):
            picture.certificates[line] = dict(source.scores(keys.line_due(line)))
            picture.ages[line] = dict(source.scores(keys.line_ages(line)))
            for side in sides or ("",):
                picture.lines[of_side(line, side)] = dict(source.scores(keys.line(line, side)))
    picture.records.update((text_of(ticket), packed) for ticket, packed in source.hash_fields(keys.tickets))
    picture.players.update((text_of(player), text_of(ticket)) for player, ticket in source.hash_fields(keys.players))
    picture.ends.update(source.scores(keys.ends))
    if source.has_stages:
        picture.checking.update((text_of(t), text_of(check)) for t, check in source.hash_fields(keys.checking))
    for i, key in enumerate(keys.ended):
        for name, value in source.hash_fields(key):
            if name.startswith(b"t:"):
                picture.ended[i][text_of(name[2:])] = value
            elif name.startswith(b"p:"):
                picture.last[i][text_of(name[2:])] = text_of(value)
    return picture


def _lines_of_terms(picture: Picture) -> Iterator[str]:
    for ticket in picture.packed_terms:
        try:
            terms = picture.terms(ticket)
        except ValueError:
            continue
        yield from (place.line for place in (terms.at if terms else ()))


def _that_exist(source: Source, lines: list[str], rules_fields: Mapping[bytes, bytes]) -> Iterator[str]:
    """Those of the lines that hold anything still."""
    keys, at_once = source.keys, 100
    for i in range(0, len(lines), at_once):
        few = lines[i : i + at_once]
        commands: Commands = []
        for line in few:
            rules = read_rules(rules_fields.get(f"q:{queue_of(line)}".encode(), b""))
            sides = (rules.sides if rules else ()) or ("",)
            names = [keys.line_due(line), keys.line_ages(line), *(keys.line(line, side) for side in sides)]
            commands.append(("EXISTS", *names))
        yield from (line for line, found in zip(few, source.at_once(commands), strict=True) if found)


def _about_time(source: Source) -> Commands:
    return [*source.clock(), ("HGET", source.keys.meta, "retain_ms")]


def moment_and_retain(replies: list[Any]) -> tuple[int, int]:
    """Realm ms of the last call, and ``retain`` in ms."""
    return realm_now(replies[:3])[0], int(replies[3])


class SharpPicture:
    """A few tickets and players with all that belongs to them, at one moment, and the last event before it.

    What belongs to them is known only once they were read (whose ticket? on which line?): :meth:`take` reads again
    until nothing is missing, and says whether it came to that before everything had moved on too often.
    """

    def __init__(self, source: Source, tickets: Mapping[str, Iterable[str]], players: Iterable[str]) -> None:
        self._source = source
        self._tickets = {ticket: set(queues) for ticket, queues in tickets.items()}
        self._players = set(players)
        self.picture = Picture()
        self.last_event = "0-0"

    def take(self, rounds: int = 5) -> bool:
        """Reads; answers whether the picture is complete."""
        for _ in range(rounds):
            self._read()
            if not self._widen():
                return True
        return False

    def _read(self) -> None:
        keys, picture = self._source.keys, Picture()
        commands: Commands = [*_about_time(self._source), ("XREVRANGE", keys.events, "+", "-", "COUNT", 1)]
        about = len(commands)
        stores: list[Callable[[Any], None]] = []

        def ask(store: Callable[[Any], None], *command: Any) -> None:
            commands.append(command)
            stores.append(store)

        for queue in sorted({queue_of(line_of(name)[0]) for names in self._tickets.values() for name in names}):
            ask(_put_queue(picture, queue), "HMGET", keys.rules, f"q:{queue}", f"n:{queue}", f"c:{queue}")
        for ticket, names in self._tickets.items():
            raw = bytes_of(ticket)
            ask(_put(picture.records, ticket), "HGET", keys.tickets, raw)
            ask(_put(picture.ends, ticket), "ZSCORE", keys.ends, raw)
            ask(_put(picture.packed_terms, ticket), "HGET", keys.terms, raw)
            if self._source.has_stages:
                ask(_put(picture.checking, ticket, text_of), "HGET", keys.checking, raw)
            for ended, key in zip(picture.ended, keys.ended, strict=True):
                ask(_put(ended, ticket), "HGET", key, b"t:" + raw)
            for name in names:
                line, side = line_of(name)
                ask(_put(picture.lines.setdefault(name, {}), ticket), "ZSCORE", keys.line(line, side), raw)
                ask(_put(picture.certificates.setdefault(line, {}), ticket), "ZSCORE", keys.line_due(line), raw)
                ask(_put(picture.deviations, line, float), "HGET", keys.meta, _DEVIATION + bytes_of(line))
                ask(_put(picture.ages.setdefault(line, {}), ticket), "ZSCORE", keys.line_ages(line), raw)
        for player in self._players:
            raw = bytes_of(player)
            ask(_put(picture.players, player, text_of), "HGET", keys.players, raw)
            for last, key in zip(picture.last, keys.ended, strict=True):
                ask(_put(last, player, text_of), "HGET", key, b"p:" + raw)
        replies = self._source.at_once(commands)
        for store, reply in zip(stores, replies[about:], strict=True):
            store(reply)
        picture.now_ms, picture.retain_ms = moment_and_retain(replies)
        events = replies[about - 1]
        self.picture, self.last_event = picture, events[0][0].decode() if events else "0-0"

    def _widen(self) -> bool:
        """Adds what the picture names and does not show; answers whether there was any."""
        before = len(self._players), sum(1 + len(queues) for queues in self._tickets.values())
        picture = self.picture
        for ticket, queues in self._tickets.items():
            queues.update(picture.queues_of(ticket))
            player = picture.player_of(ticket)
            if player is not None:
                self._players.add(player)
        for named in (picture.players, *picture.last):
            for ticket in named.values():
                self._tickets.setdefault(ticket, set())
        return before != (len(self._players), sum(1 + len(queues) for queues in self._tickets.values()))


def _put(into: dict[str, Any], name: str, read: Callable[[Any], Any] | None = None) -> Callable[[Any], None]:
    def store(reply: Any) -> None:
        if reply is not None:
            into[name] = read(reply) if read else reply

    return store


def _put_queue(picture: Picture, queue: str) -> Callable[[Any], None]:
    def store(reply: Any) -> None:
        view = queue_view(*reply)
        if view is not None:
            picture.queues[queue] = view

    return store
