"""ring: the doorbell of a match once more."""

from __future__ import annotations

import pytest

from matchmaker.errors import UnknownMatch
from tests.lua.world import World


def matched(world: World, one: str = "ann", other: str = "bob") -> str:
    world.enqueue(one, 1500)
    world.enqueue(other, 1500)
    return world.match_pass().matches[0].id


@pytest.mark.parametrize("rotated", [0, 1])
def test_both_players_hear_the_very_message_again(world: World, rotated: int) -> None:
    retain_ms = int(world.meta()["retain_ms"])
    with world.ear() as ear:
        match_id = matched(world)
        first = [message for message in ear.heard() if message[1]["event"] == "matched"]
        if rotated:
            world.now += retain_ms
            world.enqueue("eve", 1500)
            ear.heard()
        before = world.dump()
        assert world.run(world.calls.ring(match_id)) == 2
        assert sorted(ear.heard(), key=str) == sorted(first, key=str)
    assert world.dump() == before


def test_another_kind_of_event_is_no_match(world: World) -> None:
    world.enqueue("ann", 1500)
    with pytest.raises(UnknownMatch):
        world.run(world.calls.ring(world.events()[-1][0]))


@pytest.mark.parametrize("match_id", ["1-1", "0-0", "", "-", "+", "1", "abc", "9" * 40 + "-0", "9" * 20 + "-9"])
def test_nobody_knows_it(world: World, match_id: str) -> None:
    before = world.dump()
    with world.ear() as ear:
        with pytest.raises(UnknownMatch):
            world.run(world.calls.ring(match_id))
        assert ear.heard() == []
    assert world.dump() == before
