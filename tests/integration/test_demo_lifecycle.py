"""``matchmaker demo --lifecycle``: evenings that come out sound, the same for the same seed, and proofs that notice."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from matchmaker.calls import Rated
from matchmaker.cli import main
from matchmaker.demo.evening_options import EveningOptions, ladder_of
from matchmaker.demo.evening_report import EveningReport, judge
from matchmaker.demo.evening_stage import BEGIN_MS, Evenings
from matchmaker.demo.evening_world import World
from matchmaker.demo.server import open_place

SEED = 7
REAL = ("seconds", "settling_seconds", "settled_per_second", "picture")
"""What the machine decides, and the folder."""


def sided(folder: Path, players: int = 60) -> Path:
    rows = ["player,side,race,mmr"]
    for i in range(players):
        rows += [f"p{i},{side},{side}_zerg,{1300 + 7 * i}" for side in ("bw", "sc2")[: 1 + i % 2]]
    path = folder / "ratings.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def play(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the document."""
    out = folder / "out.json"
    common = ("--seed", str(SEED), "--hours", "0.5", "--json", str(out), "--plots", str(folder))
    code = main(["demo", "--lifecycle", *common, *options])
    return code, json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture
def no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo starts its own."""
    for name in ("REDIS_URL", "DATABASE_URL", "RQ_URL"):
        monkeypatch.delenv(f"MATCHMAKER_{name}", raising=False)


@pytest.mark.usefixtures("no_servers")
def test_evenings_of_two_sides_come_out_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a file with sides, when two short evenings are played, then the checker agrees, every rating is what the
    log says, everybody heard everything, and there is a picture."""
    code, body = play(tmp_path, "--evenings", "2", "--ratings", str(sided(tmp_path)))
    said = capsys.readouterr().out
    assert (code, body["checker"], body["faults"]) == (0, {"ok": True, "violations": []}, []), said
    assert "checker: ok" in said
    assert "are the same bits" in said
    outcomes, by = body["outcomes"], body["by"]
    assert sum(outcomes.values()) == body["matches"] == sum(by.values())
    assert body["matches"] > 30
    assert body["settled"] == outcomes["played"] > 0
    assert body["recomputed"]["changes"] == 2 * body["settled"]
    assert body["recomputed"]["differences"] == []
    assert (body["events_missed"], body["events_duplicated"]) == (0, 0)
    assert body["ready_checks"]["declined"] > 0
    assert body["ready_checks"]["returned"] >= body["ready_checks"]["returned_and_matched"] > 0
    assert body["rules"]["constraints"]["sides"] == ["bw", "sc2"]
    assert Path(body["picture"]).stat().st_size > 20_000


@pytest.mark.usefixtures("no_servers")
def test_the_seed_fixes_everything(tmp_path: Path) -> None:
    """Given the built-in players, when the same evening is played twice, then all but real time is the same."""
    (code, one), (_, other) = (play(tmp_path, "--evenings", "1", "--system", "elo") for _ in range(2))
    assert code == 0
    assert one["matches"] > 0
    assert {name: one[name] for name in one if name not in REAL} == {
        name: other[name] for name in other if name not in REAL
    }


class Played(NamedTuple):
    evenings: Evenings
    imported: dict[tuple[str, str], Rated]

    def judge(self) -> EveningReport:
        return judge(self.evenings, self.imported, 1.0)


@pytest.fixture
def played() -> Iterator[Played]:
    """A short evening whose realm and database are still there."""
    options = EveningOptions(SEED, evenings=1, hours=0.5, system="openskill")
    ladder = ladder_of(options)
    with (
        open_place(None, None, None) as place,
        World(place, "ladder", ladder.rules, start_ms=BEGIN_MS, retain_seconds=86_400) as world,
    ):
        evenings = Evenings(options, ladder, world)
        imported = evenings.begin()
        evenings.play(0)
        yield Played(evenings, imported)


def test_the_proofs_notice_the_smallest_lie(played: Played) -> None:
    """Given a sound evening, when one bit in the database, one in the realm or one event is another, then it says
    so."""
    world = played.evenings.world
    assert played.judge().ok, played.judge().broken
    player, side = next(iter(played.evenings.story.games))
    other = math.nextafter(played.evenings.story.shown[player, side].rating, math.inf)
    world.mm.redis.zadd(world.mm.calls.keys.ratings("ladder", side), {player: other})
    (found,) = played.judge().proof.differences
    assert found.startswith("Redis")
    assert player in found
    with world.place.database.transaction() as cursor:
        cursor.execute("UPDATE ratings SET rating = %s WHERE player = %s", (other, player))
    assert len(played.judge().proof.differences) == 2
    lost = world.heard[player].pop()
    report = played.judge()
    assert (report.hearing.missed, report.ok) == (1, False)
    assert any(lost in fault for fault in report.broken)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--lifecycle", "--rate", "5"), "--rate"),
        (("--lifecycle", "--rules", "q.toml"), "--rules"),
        (("--evenings", "2"), "--evenings"),
        (("--lifecycle", "--evenings", "0"), "--evenings"),
        (("--lifecycle", "--hours", "nan"), "--hours"),
        (("--lifecycle", "--system", "chess"), "--system"),
        (("--lifecycle", "--ratings", "missing.csv"), "missing.csv"),
    ],
)
def test_a_bad_option_is_refused(capsys: pytest.CaptureFixture[str], options: tuple[str, ...], named: str) -> None:
    assert main(["demo", *options]) == 2
    said = capsys.readouterr()
    assert named in said.err
    assert not said.out, "nothing was started"
