"""``matchmaker demo`` as people run it: a process that starts others, shows, judges, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import redis

from matchmaker import Matchmaker, aio, parse_rules
from matchmaker.cli import main
from matchmaker.demo.arrivals import CANCELLING_SHARE, LEAVING_SHARE, Arrival, Behaviour, arrivals
from matchmaker.demo.figures import figures
from matchmaker.demo.options import PLAYER_PROCESSES
from matchmaker.demo.ratings import HIGHEST, LOWEST
from matchmaker.keys import Keys
from matchmaker.store import schema
from matchmaker.store.connect import Database
from tests.servers import Process, StartServer

ROOT = Path(__file__).parent.parent.parent
SEED, RATE, SECONDS = 7, 100.0, 3.0
SOON = 20.0
FIGURES = ("wait_ms", "doorbell_ms", "gap", "enqueue_ms", "lag_ms")
MATCHER, RECORDER, PLAYERS = " -m workers ", " -m matchmaker.cli recorder ", " -m matchmaker.demo.players"
STARTED = {"valkey-server": 1, "/postgres -D": 1, MATCHER: 2, RECORDER: 1, PLAYERS: PLAYER_PROCESSES}
# Everybody gives so much that hardly anybody waits: a demo that is soon over.
GENEROUS = "[arena]\nwillingness = { per_second = 1000.0 }\nmax_gap = 5000\n"


class Outcome(NamedTuple):
    """What a demo left: its exit code, what it said, its document and its folder."""

    code: int
    said: str
    body: dict[str, Any]
    folder: Path


class Demo:
    """A demo in a folder of its own, with ``out.json`` and the picture in it. Killed, if it still runs in the end."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MATCHMAKER_")}
        self.folder = folder
        self._said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "matchmaker.cli", "demo", "--json", "out.json", "--plots", "plots", *options],
            cwd=folder,
            env={**clean, "PYTHONPATH": str(ROOT), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def says(self, words: str) -> None:
        """Reads what it says up to the line with these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said += line
            if words in line:
                return
        raise AssertionError(f"it ended without {words!r}: {self._said}")

    def outcome(self) -> Outcome:
        """Waits for its end."""
        rest, _ = self.process.communicate(timeout=50)
        out = self.folder / "out.json"
        text = out.read_text(encoding="utf-8") if out.exists() else ""
        return Outcome(self.process.returncode, self._said + rest, json.loads(text) if text else {}, self.folder)

    def children(self, stack: ExitStack) -> list[Process]:
        """Handles on all that it has started: servers with their guards, matchers, a recorder and players."""
        found: list[int] = []
        while not all(sum(word in command(pid) for pid in found) >= count for word, count in STARTED.items()):
            assert self.process.poll() is None
            found = list(descendants(self.process.pid))
        return [stack.enter_context(Process(each)) for each in found]


def play(folder: Path, *options: str, **variables: str) -> Outcome:
    """A whole demo."""
    with Demo(folder, *options, **variables) as demo:
        return demo.outcome()


def quick(folder: Path, *ratings: float) -> tuple[str, ...]:
    """Options of a demo that is soon over, with players of these ratings."""
    (folder / "queues.toml").write_text(GENEROUS)
    (folder / "ratings.csv").write_text("\n".join(["mmr", *map(str, ratings)]))
    return "--rules", "queues.toml", "--queue", "arena", "--ratings", "ratings.csv", "--rate", "50", "--seconds", "2"


def descendants(pid: int) -> Iterator[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except FileNotFoundError:  # it ended while we looked
        return
    for child in map(int, found):
        yield child
        yield from descendants(child)


def command(pid: int) -> str:
    """The command line of a process, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("demo")
    options = ("--rate", f"{RATE:g}", "--seconds", f"{SECONDS:g}", "--seed", str(SEED))
    return play(folder, *options)


# -- one that goes well ----------------------------------------------------------------------------------------------


def test_it_ends_well_and_says_so(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.said
    body = outcome.body
    assert f"checker: ok ({body['arrived']} tickets, {body['matches']} matches, 0 missed, 0 duplicated)" in outcome.said
    assert "picture: plots/waits.png" in outcome.said
    assert f"seed {SEED}" in outcome.said


def test_piped_it_shows_how_it_goes_in_plain_lines(outcome: Outcome) -> None:
    lines = [line for line in outcome.said.splitlines() if " ladder " in line]
    assert lines
    assert all("waiting" in line and "wait p50" in line and "bell p99" in line for line in lines)
    assert "\x1b" not in outcome.said


def test_the_document_is_complete_and_adds_up(outcome: Outcome) -> None:
    body = outcome.body
    assert body["arrived"] == body["matched"] + body["cancelled"] + body["expired"] + body["waiting"]
    assert body["matched"] == 2 * body["matches"] > 0
    assert body["cancelled"] > 0
    assert (body["events_missed"], body["events_duplicated"]) == (0, 0)
    assert body["checker"] == {"ok": True, "violations": []}
    assert body["faults"] == []
    assert body["seed"] == SEED
    assert body["server"]["name"] in ("valkey", "redis")
    assert body["server"]["version"][0].isdigit()
    assert not body["interrupted"]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_there_and_in_order(outcome: Outcome, name: str) -> None:
    found = outcome.body[name]
    assert 0 <= found["p50"] <= found["p95"] <= found["p99"]
    assert found["mean"] > 0


def test_what_may_go_wrong_for_a_listener_did_go_wrong(outcome: Outcome) -> None:
    assert outcome.body["connections_killed"] > 0
    assert outcome.body["resumed"] > 0
    assert outcome.body["caught_up"] > 0


def test_everybody_whom_the_seed_names_arrived(outcome: Outcome) -> None:
    assert outcome.body["arrived"] == sum(len(crowd(part=part)) for part in range(PLAYER_PROCESSES))


def test_the_picture_shows_something(outcome: Outcome) -> None:
    """Given the PNG, then it has the size of a picture, many colours, and cells in several places."""
    from matplotlib.image import imread

    pixels = (imread(outcome.folder / "plots" / "waits.png")[:, :, :3] * 255).astype(int)
    height, width, _ = pixels.shape
    assert width > 800
    assert height > 600
    colourful = pixels.max(axis=2) - pixels.min(axis=2) > 40
    assert len({tuple(pixel) for pixel in pixels[colourful].tolist()}) > 20
    # In the picture's middle column of axes, so neither the scale nor a margin's bars.
    cells = colourful[height // 3 : int(height * 0.9), width // 4 : int(width * 0.8)]
    assert cells.any(axis=0).mean() > 0.2
    assert cells.any(axis=1).mean() > 0.2


# -- who arrives -----------------------------------------------------------------------------------------------------


def crowd(
    *, seed: int = SEED, part: int = 0, rate: float = RATE, seconds: float = SECONDS, ratings: Sequence[float] = ()
) -> list[Arrival]:
    drawn = arrivals(seed=seed, part=part, parts=PLAYER_PROCESSES, rate=rate, seconds=seconds, ratings=ratings)
    return list(drawn)


def test_a_seed_names_the_same_players_every_time() -> None:
    assert crowd() == crowd()
    assert crowd() != crowd(seed=SEED + 1)
    assert not {each.player for each in crowd()} & {each.player for each in crowd(part=1)}


def test_arrivals_are_poisson_at_the_rate_that_was_asked_for() -> None:
    """Given 20,000 arrivals, then their number and the spread of their distances are within 5 standard errors."""
    players = crowd(rate=2 * 200.0, seconds=100.0)
    assert abs(len(players) - 20_000) < 5 * 20_000**0.5
    times = [each.at_s for each in players]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < 100.0
    per_second = Counter(int(at) for at in times)
    variance = sum((per_second[second] - 200) ** 2 for second in range(100)) / 100
    assert 60 < variance < 400, "Poisson counts vary as much as their mean, 200"


def test_behaviours_come_in_their_shares() -> None:
    players = crowd(rate=2 * 200.0, seconds=100.0)
    shares = Counter(each.behaviour for each in players)
    assert abs(shares[Behaviour.CANCELS] / len(players) - CANCELLING_SHARE) < 0.007
    assert abs(shares[Behaviour.LEAVES] / len(players) - LEAVING_SHARE) < 0.008
    assert all(0.5 <= each.away_s <= 2 for each in players if each.behaviour is Behaviour.LEAVES)


def test_ratings_are_drawn_with_replacement_or_made_up() -> None:
    assert {each.rating for each in crowd(ratings=[1200.0, 1800.5])} == {1200.0, 1800.5}
    made_up = [each.rating for each in crowd(seconds=60.0) if each.rating is not None]
    assert len(made_up) == len(crowd(seconds=60.0))
    assert min(made_up) >= LOWEST
    assert max(made_up) <= HIGHEST
    assert 1400 < sum(made_up) / len(made_up) < 1600


def test_figures_interpolate_between_neighbours() -> None:
    assert figures([4, 1, 3, 2]) == {"p50": 2.5, "p95": 3.85, "p99": 3.97, "mean": 2.5}
    assert figures([]) == {"p50": None, "p95": None, "p99": None, "mean": None}


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "No such file"),
        (b"player,rating\np1,1500\n", "columns player, rating"),
        (b"mmr\n1500\nabc\n", "line 3, mmr: 'abc'"),
        (b"mmr\nnan\n", "line 2, mmr: 'nan'"),
        (b"player,mmr\np1\n", "line 2, mmr: None"),
        (b"mmr\n2000000\n", "±1,000,000"),
        (b"mmr\n", "no rows"),
        (b"mmr\n\xff\n", "utf-8"),
    ],
)
def test_a_bad_ratings_file_is_refused_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, named: str
) -> None:
    file = tmp_path / "ratings.csv"
    if content is not None:
        file.write_bytes(content)
    assert main(["demo", "--ratings", str(file), "--plots", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert named in said.err
    assert str(file) in said.err
    assert not said.out, "nothing was started"


@pytest.mark.parametrize(
    "options",
    [
        ("--rate", "nan"),
        ("--rate", "0"),
        ("--seconds", "inf"),
        ("--matchers", "0"),
        ("--seed", "-1"),
        ("--queue", "A b"),
        ("--rules", "missing.toml"),
        ("--json", "missing/out.json"),
        ("--plots", "/dev/null/plots"),
    ],
)
def test_a_bad_option_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", *options]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert options[0].removeprefix("--") in said.err or options[1] in said.err
    assert not said.out, "nothing was started"


def test_a_queue_that_the_rules_do_not_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "queues.toml").write_text(GENEROUS)
    assert main(["demo", "--rules", str(tmp_path / "queues.toml")]) == 2
    assert "'ladder' is refused" in capsys.readouterr().err


# -- without this or that --------------------------------------------------------------------------------------------


def test_without_matplotlib_it_says_what_to_install_and_goes_on(tmp_path: Path) -> None:
    absent = tmp_path / "absent" / "matplotlib"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ImportError('not installed')\n")
    found = play(tmp_path, *quick(tmp_path, 1400, 1500, 1600), PYTHONPATH=f"{absent.parent}:{ROOT}")
    assert found.code == 0, found.said
    assert "pip install 'matchmaker[plots]'" in found.said
    assert found.body["picture"] is None
    assert found.body["matched"] > 0
    assert set(found.body["rules"]) == {"arena"}
    assert found.body["gap"]["p99"] <= 200


# -- what it must not keep to itself ---------------------------------------------------------------------------------


def first_match(url: str) -> tuple[str, dict[str, Any]]:
    """Waits for the first match on a server: the realm and the event's body."""
    with redis.Redis.from_url(url, decode_responses=True) as client, client.pubsub() as listening:
        listening.psubscribe("mm:{*}:player:*")
        while True:
            message = listening.get_message(timeout=SOON)
            assert message is not None, "nobody was matched"
            if message["type"] == "pmessage" and '"event":"matched"' in message["data"]:
                realm = message["channel"].partition("{")[2].partition("}")[0]
                return realm, json.loads(message["data"])


def test_a_realm_that_is_corrupted_fails_the_demo(own_server: StartServer, tmp_path: Path) -> None:
    """Given a match that is told a second time, and a ticket that was never there, then both are named."""
    server = own_server()
    with (
        Demo(tmp_path, *quick(tmp_path, 1400, 1600), MATCHMAKER_REDIS_URL=server.url) as demo,
        redis.Redis.from_url(server.url) as client,
    ):
        realm, match = first_match(server.url)
        again = {name: value for name, value in match.items() if name not in ("id", "prev")}
        forged = {"v": 1, "event": "enqueued", "at": 0, "queue": "arena", "ticket": "new", "player": "x", "rating": 1}
        for body in (again, forged):
            client.xadd(Keys(realm).events, {"event": body["event"], "body": json.dumps(body)})
        found = demo.outcome()
        assert client.dbsize() == 0, "a server that was given gets back as it was"
    assert found.code == 1, found.said
    assert "checker: NOT OK" in found.said
    assert not found.body["checker"]["ok"]
    codes = {violation.partition(":")[0] for violation in found.body["checker"]["violations"]}
    assert {"ended_twice", "ticket_lost", "missed"} <= codes
    # The forged player heard nothing. He also counts as one who waits, so that one who does not may be sent home before
    # he has heard.
    assert found.body["events_missed"] in (1, 2)


def test_a_lost_record_fails_the_demo(own_server: StartServer, tmp_path: Path) -> None:
    """Given the record of one who waits is gone, when the demo ends, then the checker names the ticket."""
    server = own_server()
    alone = (1500, *(100_000 * place for place in range(1, 10)))
    with (
        Demo(tmp_path, *quick(tmp_path, *alone), MATCHMAKER_REDIS_URL=server.url) as demo,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        keys = Keys(first_match(server.url)[0])
        ticket = ""
        while not ticket:
            ticket = next(iter(client.zrange(keys.line("arena"), 100_000, "+inf", byscore=True)), "")
        assert client.hdel(keys.tickets, ticket) == 1
        found = demo.outcome()
    assert found.code == 1, found.said
    assert any(ticket in violation for violation in found.body["checker"]["violations"])


def test_a_matcher_that_dies_is_a_fault_even_if_the_other_does_its_work(tmp_path: Path) -> None:
    with ExitStack() as stack, Demo(tmp_path, "--rate", "50", "--seconds", "4") as demo:
        demo.says(" s  ladder")
        matchers = [each for each in demo.children(stack) if MATCHER in command(each.pid)]
        os.kill(matchers[0].pid, signal.SIGKILL)
        found = demo.outcome()
    assert found.code == 1
    assert any("ended with signal 9" in fault for fault in found.body["faults"])
    assert found.body["checker"]["ok"]
    assert found.body["matched"] > 0


def test_a_recorder_that_dies_is_a_fault(tmp_path: Path) -> None:
    with ExitStack() as stack, Demo(tmp_path, "--rate", "50", "--seconds", "30") as demo:
        demo.says(" s  ladder")
        recorders = [each for each in demo.children(stack) if RECORDER in command(each.pid)]
        os.kill(min(each.pid for each in recorders), signal.SIGKILL)
        found = demo.outcome()
    assert found.code == 1
    assert any("recorder ended with signal 9" in fault for fault in found.body["faults"])


def test_a_database_that_is_given_gets_back_as_it_was(tmp_path: Path, database_url: str) -> None:
    """Given a database with tables, when a demo records there, then it says how much it wrote, and leaves no row."""
    with Database(database_url) as database:
        schema.upgrade(database)
        found = play(tmp_path, *quick(tmp_path, 1400, 1600), MATCHMAKER_DATABASE_URL=database_url)
        assert found.code == 0, found.said
        rows, body = found.body["rows"], found.body
        assert rows["matches"] == body["matches"] > 0
        assert rows["teams"] == 2 * body["matches"]
        assert rows["tickets"] == rows["players"] == body["arrived"]
        assert f"recorded {body['matches']}/{body['matches']} matches" in found.said
        with database.transaction() as cursor:
            for table in (*rows, "realms"):
                cursor.execute(f"SELECT count(*) FROM {table}")
                assert cursor.fetchone() == (0,), table


def test_a_database_without_tables_is_refused_before_anything_starts(tmp_path: Path, database_url: str) -> None:
    found = play(tmp_path, MATCHMAKER_DATABASE_URL=database_url)
    assert found.code == 5
    assert "run `matchmaker db upgrade`" in found.said


# -- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_tells_what_there_was_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with ExitStack() as stack, Demo(tmp_path, "--rate", "50", "--seconds", "600") as demo:
        demo.says(" s  ladder")
        started = demo.children(stack)
        demo.process.send_signal(number)
        found = demo.outcome()
        assert all(each.ended(SOON) for each in started)
    assert found.code == 130, found.said
    assert "once more" in found.said
    assert "checker: ok" in found.said
    body = found.body
    assert body["interrupted"]
    assert body["arrived"] == body["matched"] + body["cancelled"] + body["expired"] + body["waiting"] > 0


def test_interrupted_twice_it_ends_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with ExitStack() as stack, Demo(tmp_path, "--rate", "50", "--seconds", "600") as demo:
        demo.says(" s  ladder")
        started = demo.children(stack)
        demo.process.send_signal(signal.SIGINT)
        demo.says("once more")
        demo.process.send_signal(signal.SIGINT)
        found = demo.outcome()
        assert all(each.ended(SOON) for each in started)
    assert found.code == 130
    assert not found.body


def test_killed_it_takes_everybody_along(tmp_path: Path) -> None:
    with ExitStack() as stack, Demo(tmp_path, "--rate", "50", "--seconds", "600") as demo:
        demo.says(" s  ladder")
        started = demo.children(stack)
        demo.process.kill()
        assert all(each.ended(SOON) for each in started)


# -- what the demo found in the engine -------------------------------------------------------------------------------


def test_more_calls_at_once_than_there_are_connections(redis_url: str, realm: str) -> None:
    """Given 300 tasks that enqueue at the same moment over one client, then each gets its ticket."""

    async def everybody() -> list[str]:
        async with aio.Matchmaker(redis_url, realm) as mm:
            tickets = await asyncio.gather(
                *(mm.enqueue("ladder", f"p{number}", rating=1000.0 * number) for number in range(300))
            )
        return [ticket.player for ticket in tickets]

    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules(parse_rules("[ladder]\n", "queues.toml"))
    assert asyncio.run(everybody()) == [f"p{number}" for number in range(300)]
