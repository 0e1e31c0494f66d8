"""Scripts as functions: what FCALL does is what EVALSHA does, and it outlives restarts and new versions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from matchmaker import __version__
from matchmaker.functions import LIBRARY, flags_of, function_name, library_source, load, script_names, status, unload
from matchmaker.rules import QueueRules
from matchmaker.scripts import script
from tests.lua.function_calls import BY_FUNCTION, FunctionRunner
from tests.lua.headers import header
from tests.lua.plain_calls import go_on, plain_calls, ticket
from tests.lua.world import QUEUE, START_MS, World, new_world
from tests.servers import StartServer

RULES: Final = QueueRules.model_validate({"willingness": {"base": 40.0}, "heartbeat_seconds": 5.0})
CHANGED: Final = QueueRules.model_validate({"willingness": {"base": 80.0}, "interval_ms": 200})
PLAYERS: Final = ("ann", "bob", "cy", "zoë")


@contextmanager
def twins(client: redis.Redis) -> Iterator[tuple[World, World]]:
    """Two equal realms in virtual time: one is asked by scripts, one by functions."""
    with ExitStack() as stack:
        by_script = stack.enter_context(new_world(client, RULES, by_function=False))
        by_function = stack.enter_context(new_world(client, RULES, by_function=True))
        yield by_script, by_function


@pytest.fixture(scope="module", autouse=True)
def _library_goes(client: redis.Redis) -> Iterator[None]:
    """The suite's server is left without functions, unless the whole run is about them."""
    yield
    if not BY_FUNCTION:
        unload(client)


def left_behind(world: World) -> dict[bytes, Any]:
    """Every key of the realm, by its name within the realm."""
    prefix = world.keys.prefix.encode()
    return {name.removeprefix(prefix): held for name, held in world.dump().items()}


def one_after_the_other(world: World, steps: list[tuple[int, str, list[Any]]]) -> list[Any]:
    """The replies to raw calls; before each, time passes."""
    replies = []
    for wait, name, args in steps:
        world.now += wait
        prefix = world.keys.channel_prefix
        reply = world.raw(name, *[{"NOW": world.now, "PREFIX": prefix}.get(arg, arg) for arg in args])
        replies.append(steady(name, reply))
    return replies


def steady(name: str, reply: list[Any]) -> list[Any]:
    """A reply without the server's own clock: a history tells it and its distance to the realm's, which add up."""
    if name == "history" and len(reply) > 3:
        return [*reply[:2], int(reply[2]) + int(reply[3]), *reply[4:]]
    return reply


LINE: Final = ["NOW", "PREFIX", QUEUE]
player = st.sampled_from(PLAYERS)
call = st.one_of(
    st.tuples(player, st.integers(1400, 1600)).map(
        lambda one: (
            ("enqueue", [*LINE, ticket(f"{one[0]}-{one[1] % 3}", player=one[0], rating=one[1])])
            if one[0].isascii()
            else ("enqueue", [*LINE, ticket("t", player=one[0], rating=one[1], data="✓"), ticket("u", player="dan")])
        )
    ),
    st.tuples(player, st.integers(0, 2)).map(
        lambda one: ("cancel", [*LINE, "ticket", f"{one[0]}-{one[1]}", "requested"])
    ),
    player.map(lambda one: ("history", [one, "0-0", "", 10])),
    player.map(lambda one: ("status", ["player", one])),
    player.map(lambda one: ("explain", ["player", one, 2])),
    player.map(lambda one: ("heartbeat", ["NOW", f"{one}-0"])),
    player.map(lambda one: ("expire", [*LINE, f"{one}-0", f"{one}-1", f"{one}-2"])),
    st.sampled_from(
        [
            ("apply", ["NOW", "0", "0", 600_000, 1_000, QUEUE, CHANGED.compiled()]),
            ("clear", [*LINE, "", "", 2]),
            ("enqueue", [*LINE, '{"ticket":"x","player":"eve","rating":NaN}']),
            ("enqueue", ["", "PREFIX", QUEUE, ticket("x")]),
            ("overdue", ["NOW", 10]),
            ("pair", [*LINE, "ann-0", "bob-0"]),
            ("pass", [*LINE, 256, 0, 10]),
            ("pass", [*LINE, "many", 0, 10]),
            ("peek", ["NOW", 10]),
            ("snapshot", ["", 2]),
            ("tend", [*LINE, 256]),
        ]
    ),
)
steps = st.lists(st.tuples(st.sampled_from([0, 1, 400, 2_000]), call).map(lambda one: (one[0], *one[1])), max_size=20)


@given(steps=steps)
def test_functions_do_what_scripts_do(client: redis.Redis, steps: list[tuple[int, str, list[Any]]]) -> None:
    """Given two equal realms, when one is asked by EVAL and one by FCALL, then replies, messages, keys and the stream
    are the same to the byte."""
    with twins(client) as (by_script, by_function):
        replies, heard = [], []
        for world in (by_script, by_function):
            with world.ear() as ear:
                replies.append(one_after_the_other(world, steps))
                heard.append(ear.heard())
        assert replies[0] == replies[1]
        assert heard[0] == heard[1]
        assert left_behind(by_script) == left_behind(by_function)


@pytest.mark.parametrize("name", script_names())
def test_every_script_is_a_function(client: redis.Redis, name: str) -> None:
    """Given a realm in which two wait, a match is open and a ready check runs, when a script's ordinary call is made
    either way, then nothing differs."""
    with twins(client) as (by_script, by_function):
        replies = []
        for world in (by_script, by_function):
            world.enqueue("ann", 1500)
            world.enqueue("bob", 1510)
            go_on(world)
            replies.append(steady(name, world.raw(name, *plain_calls(world)[name])))
        assert replies[0] == replies[1]
        assert left_behind(by_script) == left_behind(by_function)


def test_functions_have_the_flags_of_their_scripts(client: redis.Redis) -> None:
    """What writes nothing may be called read-only, on replicas too; what frees memory runs when there is none."""
    load(client)
    (library,) = client.execute_command("FUNCTION", "LIST", "LIBRARYNAME", LIBRARY)
    found = {}
    for one in _mapped(library)[b"functions"]:
        fields = _mapped(one)
        found[fields[b"name"].decode()] = {flag.decode() for flag in fields[b"flags"]}
    wanted = {function_name(name): set(header(name).flags) for name in script_names()}
    assert found == {**wanted, "mm1_version": {"no-writes"}}
    assert all(set(flags_of(name)) == header(name).flags for name in script_names())


def _mapped(reply: Any) -> dict[bytes, Any]:
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def test_full_memory_refuses_those_who_come_and_lets_go_those_who_leave(own_server: StartServer) -> None:
    """Given a server at its maxmemory, when functions are called, then only those that take in are refused."""
    server = own_server(appendonly=False)
    with redis.Redis.from_url(server.url) as client:
        world = World(client, "full", by_function=True)
        world.apply()
        world.enqueue("ann", 1500)
        client.config_set("maxmemory", 1)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, ticket("bob"))
        (code, *_) = world.raw("cancel", world.now, world.keys.channel_prefix, QUEUE, "ticket", "t-ann", "requested")
        assert code == b"cancelled"
        assert client.fcall_ro("mm1_status", 11, *world.keys.realm_keys(), "ticket", "t-ann")[0] == b"cancelled"


def test_functions_outlive_a_restart(own_server: StartServer) -> None:
    """Given functions and tickets in a server with an append-only file, when it restarts, then functions answer at
    once, where a script would have to be sent anew."""
    server = own_server()
    with redis.Redis.from_url(server.url) as client:
        world = World(client, "kept", by_function=True)
        world.apply(QueueRules.model_validate({"willingness": {"base": 50.0}}))
        world.enqueue("ann", 1500)
        client.evalsha(client.script_load(script("peek").source), 11, *world.keys.realm_keys(), world.now, 1)
    server.restart()
    with redis.Redis.from_url(server.url) as client:
        keys = world.keys.line_keys(QUEUE)
        with pytest.raises(redis.exceptions.NoScriptError):
            client.evalsha(script("peek").sha, 11, *keys[:11], START_MS + 1, 1)
        assert client.fcall("mm1_status", 11, *keys[:11], "ticket", "t-ann")[0] == b"waiting"
        prefix = world.keys.channel_prefix
        client.fcall("mm1_enqueue", len(keys), *keys, START_MS + 1, prefix, QUEUE, ticket("bob"))
        assert client.fcall("mm1_pass", len(keys), *keys, START_MS + 2, prefix, QUEUE, 64, 0, 0)[3] == 1
        assert status(client).state == "current"


def test_two_major_versions_live_side_by_side(own_server: StartServer) -> None:
    """Given the libraries of two majors, when clients of both use one realm and the older library is replaced and then
    removed, then the newer one's clients notice nothing."""
    server = own_server(appendonly=False)
    with redis.Redis.from_url(server.url) as client:
        older = World(client, "both", by_function=True)
        client.function_load(library_source("mm2", "2.0.0"))
        newer = World(client, "both")
        newer.mm.runner = FunctionRunner(client, "mm2")
        older.apply()
        older.enqueue("ann", 1500)
        assert newer.mm.status("t-ann").player == "ann"
        newer.enqueue("bob", 1500)
        assert older.mm.cancel("t-bob").state == "cancelled"

        load(client)
        assert client.fcall("mm2_version", 0)[1] == b"2.0.0"
        assert unload(client)

        with pytest.raises(redis.exceptions.ResponseError, match="Function not found"):
            client.fcall("mm1_version", 0)
        assert newer.mm.cancel("t-ann").state == "cancelled"
        newer.assert_coherent()


def test_a_call_meets_the_old_library_or_the_new(own_server: StartServer) -> None:
    """Given clients that call all the time, when the library is replaced again and again, then no call fails."""
    server = own_server(appendonly=False)
    over = threading.Event()
    answers: set[bytes] = set()
    faults: list[redis.RedisError] = []

    def ask() -> None:
        with redis.Redis.from_url(server.url) as asking:
            try:
                while not over.is_set():
                    answers.add(asking.fcall("mm1_version", 0)[1])
            except redis.RedisError as fault:
                faults.append(fault)

    with redis.Redis.from_url(server.url) as client:
        load(client)
        thread = threading.Thread(target=ask)
        thread.start()
        for i in range(20):
            client.function_load(library_source(LIBRARY, f"9.{i % 2}"), replace=True)
        over.set()
        thread.join()
    assert not faults
    assert answers <= {b"9.0", b"9.1", __version__.encode()}
    assert len(answers) > 1


def test_the_library_is_within_what_a_server_holds_easily() -> None:
    """It is kept in memory once and sent to every replica."""
    assert len(library_source()) < 1_000_000
