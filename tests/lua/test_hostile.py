"""Whatever a client sends, it gets a typed reply, and what is refused changes no key."""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

import pytest
import redis
from hypothesis import example, given
from hypothesis import strategies as st
from redis.crc import key_slot

from matchmaker.errors import InvalidInput
from matchmaker.keys import Keys
from matchmaker.model import TicketRequest
from matchmaker.scripts import refusal
from tests.lua.headers import header, script_names
from tests.lua.lifecycle import Lifecycle
from tests.lua.plain_calls import DUEL, go_on, plain_calls, ticket
from tests.lua.strategies import examples
from tests.lua.world import QUEUE, World, new_world

DEEP: Final = 10_000

NOT_NUMBERS: Final[list[str | bytes]] = [
    "", "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e400", "1e3", "0x10", " 12 ", "12 ", "+1", "-1", "-0", "1.5",
    "9" * 20, "true", "null", "{", "[" * DEEP, "\x00", "1\x00", b"\xff\xfe", "x" * 1_000_000, "١",
]  # fmt: skip

NOT_TEXT: Final[list[str | bytes]] = [
    *NOT_NUMBERS, "}{", "{other}", "a:b", ":", "*", "\r\nFLUSHALL\r\n", '"', "\\", "%s%n", b"\xed\xa0\x80",
]  # fmt: skip

WHOLE_NUMBERS: Final = {
    "apply": [4, 5], "clear": [6], "explain": [3], "history": [4], "lapse": [3], "overdue": [1, 2], "pass": [4, 6],
    "peek": [2], "snapshot": [2], "tend": [4],
}  # fmt: skip
"""Arguments that are whole numbers, besides ``now``."""

WITH_A_CLOCK: Final = [name for name in script_names() if "time_mode" in header(name).codes]


@pytest.fixture
def world(world: World) -> World:
    """Given a realm in which two wait, a match is open, and a ready check runs."""
    world.enqueue("ann", 1500)
    world.enqueue("bob", 1900)
    go_on(world)
    return world


def assert_sound(world: World) -> None:
    """The realm still takes tickets, matches and tells; what went on can be ended."""
    world.now += 1
    play = Lifecycle(world)
    for player in ("dan", "eva"):
        play.cancel(player, DUEL)
    for match in play.kept("matches"):
        assert play.abort(match, "root", by="operator")[0] == "finished"
    assert play.nothing_goes_on()
    world.enqueue("fay", -500_000)
    world.enqueue("gil", -500_000)
    assert world.match_pass().made == 1
    world.assert_coherent()


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_what_is_no_whole_number_is_refused(world: World, name: str) -> None:
    for place, value in itertools.product(WHOLE_NUMBERS[name], NOT_NUMBERS):
        arguments = plain_calls(world)[name]
        arguments[place - 1] = value
        before = world.dump()
        reply = world.raw(name, *arguments)
        assert reply[0] == b"invalid", (place, value)
        assert world.dump() == before
    assert_sound(world)


@pytest.mark.parametrize("name", WITH_A_CLOCK)
def test_a_clock_that_is_no_clock_is_refused(world: World, name: str) -> None:
    """An infinity once stored would stop the realm for ever."""
    for value in NOT_NUMBERS:
        before = world.dump(), world.client.get(world.keys.clock)
        reply = world.raw(name, value, *plain_calls(world)[name][1:])
        (code, *_) = reply[0] if name == "enqueue" else reply
        assert code == (b"time_mode" if value == "" else b"invalid"), value
        assert (world.dump(), world.client.get(world.keys.clock)) == before
    assert_sound(world)


@pytest.mark.parametrize("name", script_names())
def test_any_argument_gets_a_typed_reply(world: World, name: str) -> None:
    """What is refused has changed nothing; what is accepted leaves the realm sound."""
    places = [place for place in range(len(plain_calls(world)[name])) if place + 1 not in WHOLE_NUMBERS.get(name, [])]
    for place in places:
        for value in NOT_TEXT:
            arguments = plain_calls(world)[name]
            if arguments[place] == world.keys.channel_prefix and isinstance(value, bytes):
                continue  # a channel is the caller's to choose
            arguments[place] = value
            before = world.dump()
            reply = world.raw(name, *arguments)
            one = reply[0] if name == "enqueue" else reply
            said = [str(part, "utf-8", "replace") if isinstance(part, bytes) else str(part) for part in one]
            if refusal(world.realm, said) is not None:
                assert world.dump() == before, (place, value)
    assert_sound(world)


NO_POINTS: Final = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", '"0x10"', '" 12 "', '"12"', "true", "false", "null", "[]", "{}",
    "[1]", "1000001", "-1000001", "[" * DEEP + "]" * DEEP,
]  # fmt: skip

NO_TICKETS: Final = [
    "", "null", "1", '"t"', "[]", "{}", "{", '{"ticket":"eve"}', "[" * DEEP, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP,
    ticket("eve") + "}", ticket("eve") + ticket("eve"), "\x00" + ticket("eve"), "NaN", '{"ticket":',
]  # fmt: skip

NO_IDS: Final = [
    '""', "null", "1", "true", "[]", "{}", '"a\\u0000b"', '"a\\nb"', '"a\nb"', '"\x7f"', '"\\u001f"',
    f'"{"x" * 129}"', f'"{"ä" * 65}"', f'"{"x" * 1_000_000}"',
]  # fmt: skip


class TestTickets:
    def refused(self, world: World, body: str | bytes, field: bytes = b"") -> None:
        before = world.dump()
        ((code, said, *_),) = world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, ticket("fine"), body)
        assert code == b"invalid"
        assert said.startswith(b"tickets[2]." + field)
        assert world.dump() == before

    @pytest.mark.parametrize("field", ["rating", "deviation"])
    @pytest.mark.parametrize("points", NO_POINTS)
    def test_what_is_no_number_of_points(self, world: World, field: str, points: str) -> None:
        body = ticket("eve", **{field: "HERE"}).replace('"HERE"', points)
        self.refused(world, body, b"ticket" if len(points) > DEEP else field.encode())

    def test_a_deviation_under_nothing(self, world: World) -> None:
        self.refused(world, ticket("eve", deviation=-1e-9), b"deviation")

    @pytest.mark.parametrize("body", NO_TICKETS)
    def test_what_is_no_ticket(self, world: World, body: str) -> None:
        self.refused(world, body)

    @pytest.mark.parametrize("field", ["ticket", "player"])
    @pytest.mark.parametrize("text", NO_IDS)
    def test_what_is_no_id(self, world: World, field: str, text: str) -> None:
        self.refused(world, ticket("eve").replace(f'"{field}": "eve"', f'"{field}": {text}'))

    @pytest.mark.parametrize("text", ['"' + "x" * 4097 + '"', "1", "{}", '"\\u0000"', '"\\t"'])
    def test_what_is_no_data(self, world: World, text: str) -> None:
        self.refused(world, ticket("eve", data="D").replace('"D"', text), b"data")

    @pytest.mark.parametrize(
        "player",
        [
            b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"a\xc3",
            b"\xf5\x80\x80\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\\ud800", b"\\udc00",
        ],
    )  # fmt: skip
    def test_what_is_no_utf8(self, world: World, player: bytes) -> None:
        self.refused(world, ticket("eve").encode().replace(b'"player": "eve"', b'"player": "' + player + b'"'))

    def test_more_than_a_call_takes(self, world: World) -> None:
        before = world.dump()
        tickets = [ticket(f"n{n}") for n in range(201)]
        reply = world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, *tickets)
        assert reply[0][:2] == [b"invalid", b"tickets"]
        assert world.dump() == before

    def test_none_at_all(self, world: World) -> None:
        before = world.dump()
        assert world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE) == []
        assert world.dump() == before

    def test_the_longest_of_everything_goes_through(self, world: World) -> None:
        player, data = '"\\/' * 42 + "ä", '"' * 4096
        known = world.mm.enqueue(QUEUE, player, rating=-1e6, deviation=1e6, data=data, ticket="T" * 64)
        assert (known.player, known.data, known.rating) == (player, data, -1e6)
        assert world.mm.cancel_player(player).data == data


def test_more_to_expire_than_a_call_takes(world: World) -> None:
    before = world.dump()
    arguments = [world.now, world.keys.channel_prefix, QUEUE, *(f"t{n}" for n in range(101))]
    assert world.raw("expire", *arguments)[:2] == [b"invalid", b"tickets"]
    assert world.dump() == before


def test_one_that_is_named_twice_expires_once(world: World) -> None:
    world.now += 10**9
    assert world.run(world.calls.expire(QUEUE, ["t-ann", "t-ann"])) == 1
    assert [kind for _, kind, _ in world.events()].count("expired") == 1


STRANGE: Final = [
    "\x00", ":", "{}", "}{", "{", "}", "", "a" * 128, "ä" * 64, "ä" * 65, "\ud800", "é", "e\u0301", "%s", "*",
]  # fmt: skip


def ids() -> st.SearchStrategy[str]:
    """Everyday, strange and arbitrary; surrogates included."""
    text = st.text(st.characters(codec=None, exclude_categories=()), max_size=140)
    return st.sampled_from(STRANGE) | text | st.text("{}:*ab\x00", max_size=8)


def accepted(request: dict[str, Any]) -> TicketRequest | None:
    try:
        return TicketRequest(**request)
    except InvalidInput:
        return None


class TestIds:
    @examples(150)
    @given(player=ids(), ascii_only=st.booleans())
    @example(player="x" * 1_000_000, ascii_only=True)
    def test_a_player_is_refused_or_comes_back_the_same(
        self, client: redis.Redis, player: str, ascii_only: bool
    ) -> None:
        """The script and the library agree on which; the channel leads back to the player."""
        body = json.dumps({"ticket": "t", "player": player, "rating": 1}, ensure_ascii=ascii_only)
        request = accepted({"player": player, "rating": 1.0, "ticket": "t"})
        with new_world(client) as world, world.ear() as ear:
            before = world.dump()
            sent = body.encode("utf-8", "surrogatepass")
            ((code, *_),) = world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, sent)
            if request is None:
                assert code == b"invalid"
                assert world.dump() == before
                return
            assert code == b"waiting"
            assert world.mm.status_of_player(player).player == player
            assert [(name, told["player"]) for name, told in ear.heard()] == [(player, player)]

    @examples(150)
    @given(name=ids() | st.text("abzAZ019._:-", max_size=66))
    def test_a_ticket_is_refused_or_comes_back_the_same(self, client: redis.Redis, name: str) -> None:
        request = accepted({"player": "p", "rating": 1.0, "ticket": name})
        with new_world(client) as world:
            before = world.dump()
            body = json.dumps({"ticket": name, "player": "p", "rating": 1})
            ((code, *_),) = world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, body)
            assert (code == b"waiting") == (request is not None)
            if request is None:
                assert world.dump() == before
            else:
                assert world.mm.status(name).id == name
                assert world.mm.cancel(name).id == name

    @examples(50)
    @given(bytes_=st.binary(min_size=1, max_size=12))
    def test_bytes_are_utf8_to_the_script_exactly_if_they_are(self, client: redis.Redis, bytes_: bytes) -> None:
        kept = bytes(byte for byte in bytes_ if byte not in b'"\\')
        try:
            request = accepted({"player": kept.decode(), "rating": 1.0})
        except UnicodeDecodeError:
            request = None
        with new_world(client) as world:
            body = b'{"ticket":"t","player":"' + kept + b'","rating":1}'
            ((code, *_),) = world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, body)
            assert (code == b"waiting") == (request is not None)

    @examples(50)
    @given(one=ids(), other=ids(), realm=st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,63}\Z"))
    def test_channels_are_injective_and_everything_is_in_one_slot(self, one: str, other: str, realm: str) -> None:
        keys = Keys(realm)
        assert (keys.channel(one) == keys.channel(other)) == (one == other)
        assert keys.player_of(keys.channel(one)) == one
        names = {*keys.line_keys("ladder"), *keys.line_keys("other"), keys.channel(one)}
        assert len(names) == 11 + 2 + 2 + 1
        assert len({key_slot(name.encode("utf-8", "surrogatepass")) for name in names}) == 1


@examples(50)
@given(points=st.floats() | st.integers(-(10**7), 10**7).map(float))
def test_points_are_refused_or_come_back_the_same(client: redis.Redis, points: float) -> None:
    request = accepted({"player": "p", "rating": points, "deviation": abs(points), "ticket": "t"})
    with new_world(client) as world:
        body = json.dumps({"ticket": "t", "player": "p", "rating": points, "deviation": abs(points)})
        ((code, *_),) = world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, body)
        assert (code == b"waiting") == (request is not None)
        if request is not None:
            known = world.mm.status("t")
            assert (known.rating, known.players[0].deviation) == (points, abs(points))
            assert dict(world.line()) == {"t": points}
