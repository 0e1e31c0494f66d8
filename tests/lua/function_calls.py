"""Scripts called as functions: what any other language does, in place of EVALSHA."""

from __future__ import annotations

import os
from typing import Any, Final, TypeVar

import redis

from matchmaker import errors
from matchmaker.calls import Batch, Call, Command
from matchmaker.functions import LIBRARY, LibraryState, function_name, load, status
from matchmaker.runner import Runner, parsed, typed_errors

T = TypeVar("T")

BY_FUNCTION: Final = os.environ.get("MATCHMAKER_TEST_CALLS") == "functions"
"""Whether the realms of tests/lua call functions."""


class FunctionRunner(Runner):
    """A runner whose calls are FCALLs."""

    def __init__(self, client: redis.Redis, library: str = LIBRARY) -> None:
        super().__init__(client)
        self._library = library
        if library == LIBRARY and status(client).state is not LibraryState.CURRENT:
            load(client)

    def words(self, name: str, keys: tuple[str, ...], args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The command that calls the function of a script."""
        return ("FCALL", function_name(name, self._library), len(keys), *keys, *args)

    def _request(self, call: Call[Any] | Command[Any]) -> tuple[Any, ...]:
        return call.args if isinstance(call, Command) else self.words(call.script.name, call.keys, call.args)

    def call(self, call: Call[T] | Command[T]) -> T:
        with typed_errors():
            reply = self._execute(*self._request(call))
        return parsed(call, reply)

    def batch(self, batch: Batch[T]) -> list[T | errors.MatchmakerError]:
        results: list[T | errors.MatchmakerError] = []
        for call in batch.calls:
            try:
                results.append(self.call(call))
            except errors.MatchmakerError as error:
                results.append(error)
        return results
