"""Runs the worked example of docs/protocol.md: every command as it stands on the page."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from tests.faults.ears import reached
from tests.protocol.drivers import cut_listeners
from tests.protocol.page import Block, Shells

LISTENING = "3"
NOT_ENDING = ("2", LISTENING)
"""Terminals whose commands go on until they are stopped."""


def follow(page: list[Block], shells: Shells, client: redis.Redis) -> Iterator[tuple[str, str]]:
    """Text on the page and what a terminal showed there, for each block of text, in order."""
    shown = ""
    for block in page:
        terminal = block.terminal.removeprefix("terminal ")
        if block.terminal == "every terminal":
            shells.everywhere(block.text)
        elif block.kind == "text" and block.terminal:
            yield block.text, "".join(shells.lines(terminal, count=block.text.count("\n")))
        elif block.kind == "text":
            yield block.text, shown
            shown = ""
        elif block.terminal.endswith(": Ctrl-C"):
            assert cut_listeners(client) == 1
        elif terminal in NOT_ENDING:
            shells.enter(terminal, block.text)
            if terminal == LISTENING:
                _await_listener(client)
        else:
            shown += shells.run(terminal, block.text)


def _await_listener(client: redis.Redis) -> None:
    """A person sees the subscription confirmed before typing on elsewhere."""
    assert reached(lambda: bool(client.client_list(_type="pubsub")), 20.0), "nobody listens"
