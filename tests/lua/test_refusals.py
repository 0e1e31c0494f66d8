"""What every script refuses alike, before it writes anything: no realm, another schema, the other kind of time."""

from __future__ import annotations

from typing import Any, Final

import pytest
import redis

from matchmaker import Matchmaker
from matchmaker.errors import TimeModeMismatch, UpgradeNeeded
from matchmaker.rules import QueueRules
from tests.lua.headers import header, script_names
from tests.lua.plain_calls import go_on, plain_calls
from tests.lua.world import QUEUE, World

SCRIPTS: Final = script_names()


def refusing(code: str) -> list[str]:
    return [name for name in SCRIPTS if code in header(name).codes]


@pytest.fixture
def world(world: World) -> World:
    """Given a realm in which two wait, one of whom is overdue, and both of whom are due for a look; a match is open,
    and a ready check runs."""
    world.apply(QueueRules(expire_after_seconds=1, heartbeat_seconds=1))
    world.enqueue("ann", 1500)
    world.enqueue("bob", 1900)
    go_on(world)
    world.now += 5_000
    return world


def everything(world: World) -> Any:
    """The realm with its clock and its last housekeeping."""
    return world.dump(), world.client.get(world.keys.clock), world.meta()


def answer(name: str, reply: Any) -> list[bytes]:
    (one,) = reply if name == "enqueue" else [reply]
    return list(one)


def test_every_script_has_its_plain_call(world: World) -> None:
    assert plain_calls(world).keys() == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_plain_call_is_accepted(world: World, name: str) -> None:
    """So that what follows refuses for the one reason given."""
    code = answer(name, world.raw(name, *plain_calls(world)[name]))[0].decode()
    assert code not in ("invalid", "stranger", "upgrade", "time_mode")
    assert not code.startswith("unknown")


@pytest.mark.parametrize("name", refusing("unknown_realm"))
def test_no_realm(world: World, name: str) -> None:
    calls = plain_calls(world)
    world.client.delete(world.keys.meta)
    before = everything(world)
    assert answer(name, world.raw(name, *calls[name])) == [b"unknown_realm"]
    assert everything(world) == before


@pytest.mark.parametrize("name", refusing("upgrade"))
def test_another_schema(world: World, name: str) -> None:
    """Given a realm that a later version wrote, then nobody of this version writes into it."""
    calls = plain_calls(world)
    world.client.hset(world.keys.meta, "schema", "4")
    before = everything(world)
    assert answer(name, world.raw(name, *calls[name])) == [b"upgrade", b"4", b"3"]
    assert everything(world) == before


def test_every_script_that_writes_knows_its_schema() -> None:
    writers = {name for name in SCRIPTS if "no-writes" not in header(name).flags}
    assert writers <= set(refusing("upgrade"))


@pytest.mark.parametrize("name", refusing("time_mode"))
class TestTimeMode:
    def test_a_realm_in_virtual_time_wants_a_clock(self, world: World, name: str) -> None:
        arguments = plain_calls(world)[name]
        before = everything(world)
        assert answer(name, world.raw(name, "", *arguments[1:])) == [b"time_mode", b"virtual"]
        assert everything(world) == before

    def test_a_realm_in_server_time_takes_none(self, client: redis.Redis, realm: str, name: str) -> None:
        Matchmaker(client, realm).apply_rules({QUEUE: QueueRules()})
        world = World(client, realm)
        arguments = plain_calls(world)[name]
        before = everything(world)
        assert answer(name, world.raw(name, *arguments)) == [b"time_mode", b"server"]
        assert everything(world) == before


def test_errors_say_it(world: World) -> None:
    with pytest.raises(TimeModeMismatch, match="virtual"):
        Matchmaker(world.client, world.realm).enqueue(QUEUE, "eve", rating=1)
    world.client.hset(world.keys.meta, "schema", "9")
    with pytest.raises(UpgradeNeeded, match="9"):
        world.mm.enqueue(QUEUE, "eve", rating=1)
