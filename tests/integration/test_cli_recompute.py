"""``matchmaker ratings recompute``: the season once more, and sides in files of ratings."""

from __future__ import annotations

from pathlib import Path

from tests.integration.played import Played, a_season
from tests.integration.terminal import Cli


def test_a_season_is_compared_and_corrected(played: Played, db_cli: Cli) -> None:
    """Given a season in which somebody changed a number by hand, then it is named with what it should be, and
    corrected when that is asked for."""
    a_season(played)
    played.recorded.drain()
    same = db_cli("ratings", "recompute", "glicko")
    assert (same.code, "every number is the same" in same.out) == (0, True)
    with played.database.transaction() as cursor:
        cursor.execute("UPDATE ratings SET rating = rating + 1 WHERE queue = 'glicko'")
        cursor.execute("UPDATE rating_changes SET rating = rating + 1 WHERE queue = 'glicko'")
        cursor.execute("SELECT match FROM results WHERE n IS NOT NULL AND queue = 'glicko' ORDER BY n DESC LIMIT 1")
        (last,) = cursor.fetchone() or ("",)
    differs = db_cli("ratings", "recompute", "glicko", "--until", last, "--json")
    assert differs.code == 1
    assert differs.document["differences"][0]["number"] == "rating"
    assert db_cli("ratings", "recompute", "glicko", "--until", last, "--apply").code == 2
    assert db_cli("ratings", "recompute", "glicko", "--apply").code == 0
    assert db_cli("ratings", "recompute", "glicko").code == 0
    assert played.shown("glicko", "bw") == played.stored("glicko", "bw") != {}
    assert db_cli("ratings", "recompute", "elo", "--from", "1-1").code == 3


def test_an_export_with_sides_can_be_imported(played: Played, db_cli: Cli, tmp_path: Path) -> None:
    """Given ratings by side, when they are exported, then the file names the sides; a queue without such sides refuses
    it."""
    played.season.play("glicko", [[("ann", "bw")], [("ann's rival", "sc2")]])
    played.recorded.drain()
    file = tmp_path / "ratings.csv"
    assert db_cli("ratings", "export", file, "--queue", "glicko").code == 0
    assert file.read_text().startswith("player,rating,deviation,side\nann,")
    refused = db_cli("ratings", "import", file, "--queue", "plain")
    assert (refused.code, "a side of plain: it has none" in refused.err) == (2, True)
