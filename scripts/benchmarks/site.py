"""A server of the run's own, and what it tells about its work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from typing import Any

import redis

from matchmaker import Matchmaker
from matchmaker.calls import Call, Clock
from matchmaker.embedded import EmbeddedServer
from matchmaker.rules import parse_rules
from matchmaker.runner import as_text
from matchmaker.scripts import script
from scripts.benchmarks.harness import Run
from scripts.benchmarks.wire import Wire, packed_call

REALM = "bench"
QUEUE = "line"


class Site:
    """One running server, and readings of what it costs."""

    def __init__(self, server: EmbeddedServer, client: redis.Redis) -> None:
        self.server = server
        # Its answers depend on how it is set up, which its types leave open: here they are bytes.
        self.client: Any = client

    def wire(self) -> Wire:
        """A new raw connection; the caller closes it."""
        return Wire(self.server.port)

    def info(self, section: str) -> dict[str, Any]:
        return dict(self.client.info(section))

    def cpu_us(self) -> float:
        """CPU of the server since its start, in µs: what other processes take from the machine does not add to it.

        Of the whole process, whose threads beside the main one rest while nothing is logged to disk: Linux brings a
        single thread's account up to date once a tick only, which is up to 4 ms late.
        """
        info = self.info("cpu")
        return 1e6 * (float(info["used_cpu_user"]) + float(info["used_cpu_sys"]))

    def cpu_of(self, work: Callable[[], object]) -> float:
        """CPU that the server spends on ``work``, in µs."""
        before = self.cpu_us()
        work()
        return self.cpu_us() - before

    def memory(self) -> int:
        """Bytes the server has allocated."""
        return int(self.info("memory")["used_memory"])

    def empty(self) -> None:
        """A server with nothing in it; scripts stay. All of it is freed on return, not while something is measured."""
        self.client.flushall(asynchronous=False)


class Realm:
    """A realm under measurement: the calls of the package, run over a raw connection."""

    def __init__(
        self, site: Site, rules: str, *, name: str = REALM, clock: Clock | None = None, retain_s: int = 86_400
    ) -> None:
        self.site = site
        self._retain_s = retain_s
        self.mm = Matchmaker(site.client, name, clock=clock)
        self.calls = self.mm.calls
        self.keys = self.calls.keys
        self.apply(rules)

    def apply(self, rules: str) -> None:
        """Sets the rules: the fields of the table ``[line]`` of a rules file."""
        table = parse_rules(f"[{QUEUE}]\n{rules}\n", "bench.toml")
        self.mm.apply_rules(table, retain_seconds=self._retain_s, max_backlog=1_000_000_000)

    def run(self, wire: Wire, call: Call[Any]) -> Any:
        """One call and its parsed reply."""
        wire.send(packed_call(call))
        return call.parse(as_text(wire.replies(1)[0]))

    def waiting(self) -> int:
        return int(self.mm.redis.zcard(self.keys.line(QUEUE)))


def script_names() -> list[str]:
    """Every script of the package."""
    folder = resources.files("matchmaker").joinpath("lua")
    return sorted(file.name.removesuffix(".lua") for file in folder.iterdir() if file.name.endswith(".lua"))


@contextmanager
def site(run: Run, *options: str, appendonly: bool = False) -> Iterator[Site]:
    """A server on a free port, ended with the block. Without a log on disk unless asked for: both sides of every
    comparison write the same, and a rewrite of the log would fall into one of them."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedServer(None, appendonly=appendonly, extra_args=options, binary=run.binary))
        client = stack.enter_context(redis.Redis.from_url(server.url))
        for name in script_names():
            client.script_load(script(name).source)
        yield Site(server, client)
