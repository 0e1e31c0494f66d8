"""``ratings import`` and ``export``, and ``enqueue`` without a rating: what is printed, stored and refused."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matchmaker import Matchmaker
from matchmaker.runner import as_text
from matchmaker.store.connect import Database
from matchmaker.store.ratings import stored_ratings
from matchmaker.store.schema import upgrade
from tests.integration.terminal import Cli, Running

HEADER = "player,rating,deviation\n"
FILE = HEADER + 'ann,1520.5,70\nbob,1600,\n"c,at",-3,0\n"d""an",0.1,350\nzoë,1e3,\n'
SORTED = HEADER + 'bob,1600,\nann,1520.5,70\nzoë,1000,\n"d""an",0.1,350\n"c,at",-3,0\n'


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database of the commands, upgraded."""
    monkeypatch.setenv("MATCHMAKER_DATABASE_URL", database_url)
    upgrade(database_url)
    with Database(database_url) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text(FILE, encoding="utf-8")
    return path


def stored(database: Database, realm: str) -> dict[str, tuple[float, float | None]]:
    with database.transaction() as cursor:
        return {name: (one.rating, one.deviation) for name, one in stored_ratings(cursor, realm, "ladder")}


def shown(mm: Matchmaker) -> dict[str, float]:
    """What the realm has."""
    rated: Any = mm.redis.zrange(mm.calls.keys.ratings("ladder"), 0, -1, withscores=True)
    return {as_text(name): score for name, score in rated}


class TestImport:
    def test_stores_and_shows_what_the_file_says(
        self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path
    ) -> None:
        done = cli("ratings", "import", file, "--queue", "ladder")
        assert (done.code, done.err) == (0, "")
        assert done.out == "ladder  5 ratings: 5 new, 0 changed, 0 unchanged\n"
        assert stored(database, realm) == {
            "bob": (1600, None), "ann": (1520.5, 70), "zoë": (1000, None), 'd"an': (0.1, 350), "c,at": (-3, 0),
        }  # fmt: skip
        assert shown(mm) == {name: rating for name, (rating, _) in stored(database, realm).items()}
        # And who joins without a rating gets it
        ticket = mm.enqueue("ladder", "ann")
        assert (ticket.rating, ticket.players[0].deviation) == (1520.5, 70)

    def test_the_same_again_changes_nothing(self, cli: Cli, mm: Matchmaker, database: Database, file: Path) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        with database.transaction() as cursor:
            cursor.execute("SELECT player, xmin::text, changed_at FROM ratings ORDER BY player")
            before = cursor.fetchall()
        done = cli("ratings", "import", file, "--queue", "ladder", "--json")
        assert {name: done.document[name] for name in ("new", "changed", "unchanged")} == {
            "new": 0, "changed": 0, "unchanged": 5,
        }  # fmt: skip
        with database.transaction() as cursor:
            cursor.execute("SELECT player, xmin::text, changed_at FROM ratings ORDER BY player")
            assert cursor.fetchall() == before

    def test_it_changes_those_it_names_and_no_others(
        self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path
    ) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        file.write_text(HEADER + "ann,1520.5,\nbob,1600,\neve,7,\n", encoding="utf-8")
        done = cli("ratings", "import", file, "--queue", "ladder")
        assert done.out == "ladder  3 ratings: 1 new, 1 changed, 1 unchanged\n"
        assert stored(database, realm)["ann"] == (1520.5, None)
        assert len(stored(database, realm)) == 6
        assert mm.enqueue("ladder", "ann").players[0].deviation is None

    def test_a_realm_that_was_emptied_is_filled_again(
        self, cli: Cli, mm: Matchmaker, database: Database, file: Path
    ) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        mm.redis.delete(mm.calls.keys.ratings("ladder"))
        cli("ratings", "import", file, "--queue", "ladder")
        assert len(shown(mm)) == 5

    def test_a_dry_run_only_tells(self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path) -> None:
        done = cli("ratings", "import", file, "--queue", "ladder", "--dry-run")
        assert done.out == "ladder  5 ratings: 5 new, 0 changed, 0 unchanged\nnothing was changed\n"
        assert stored(database, realm) == {}
        assert shown(mm) == {}

    def test_a_file_with_columns_of_its_own_and_several_rows_a_player(
        self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path
    ) -> None:
        """Given a file with a rating for each race, then the rows of one race can be taken, or everybody's best."""
        file.write_text(
            "who,side,race,mmr,games\nann,bw,zerg,1603,193\nann,sc2,zerg,1356,129\nbob,bw,zerg,900,1\n",
            encoding="utf-8",
        )
        columns = ("--player-column", "who", "--rating-column", "mmr", "--deviation-column", "games")
        bad = cli("ratings", "import", file, "--queue", "ladder", *columns)
        assert bad.code == 2
        assert (
            "line 3, who: 'ann' is refused (allowed: one row a player, or --highest (another is on line 2))" in bad.err
        )
        assert cli("ratings", "import", file, "--queue", "ladder", *columns, "--highest").code == 0
        assert stored(database, realm) == {"ann": (1603, 193), "bob": (900, 1)}
        where = ("--where", "side=sc2", "--where", "race=zerg")
        assert cli("ratings", "import", file, "--queue", "ladder", *columns, *where).code == 0
        assert stored(database, realm)["ann"] == (1356, 129)

    def test_a_byte_order_mark_windows_line_ends_and_empty_lines(
        self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path
    ) -> None:
        file.write_bytes(b"\xef\xbb\xbfplayer,rating\r\nann, 1500 \r\n\r\nbob,1\r\n")
        assert cli("ratings", "import", file, "--queue", "ladder").code == 0
        assert stored(database, realm) == {"ann": (1500, None), "bob": (1, None)}

    def test_standard_input(self, environment: dict[str, str], mm: Matchmaker, database: Database, realm: str) -> None:
        settings = {**environment, "MATCHMAKER_DATABASE_URL": database_url_of(database)}
        with Running("ratings", "import", "-", "--queue", "ladder", env=settings) as running:
            assert running.process.stdin is not None
            running.process.stdin.write(FILE)
            running.process.stdin.close()
            assert running.ended() == 0, running.stderr()
        assert len(stored(database, realm)) == 5

    def test_more_than_one_pipeline_of_players(
        self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path
    ) -> None:
        file.write_text(HEADER + "".join(f"p{i},{i}.5,{i}\n" for i in range(2_345)), encoding="utf-8")
        done = cli("ratings", "import", file, "--queue", "ladder")
        assert done.out == "ladder  2,345 ratings: 2,345 new, 0 changed, 0 unchanged\n"
        assert len(shown(mm)) == 2_345
        assert len(stored(database, realm)) == 2_345


NUMBERS = "(allowed −1,000,000 … 1,000,000)"


class TestRefusedFiles:
    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ("ann,nan,\n", f"line 2, rating: nan is not a finite number {NUMBERS}"),
            ("ann,1\nbob,2,3\n", "line 2: '2 fields' is refused (allowed: 3 fields, as in the header)"),
            ("ann,1500,\nbob,fast,\n", f"line 3, rating: 'fast' is not a finite number {NUMBERS}"),
            ("ann,1_000,\n", f"line 2, rating: '1_000' is not a finite number {NUMBERS}"),
            ("ann,,\n", f"line 2, rating: '' is not a finite number {NUMBERS}"),
            ("ann,1000001,\n", f"line 2, rating: 1000001.0 is out of range {NUMBERS}"),
            ("ann,1,-1\n", "line 2, deviation: -1.0 is out of range (allowed 0 … 1,000,000, or nothing)"),
            ("ann,1,inf\n", "line 2, deviation: inf is not a finite number"),
            (",1,\n", "line 2, player: '' is refused (allowed: 1 to 128 bytes"),
            ("a\x07b,1,\n", "line 2, player: 'a\\x07b' is refused"),
            ("x" * 129 + ",1,\n", "line 2, player: 'xxx"),
            (
                "ann,1,\nbob,1,\nann,1,\n",
                "line 4, player: 'ann' is refused (allowed: one row a player, or --highest (another is on",
            ),
            ('"ann\n\n",1,\n', "line 4, player: "),
            ('ann,"1"x,\n', "line 2: 'this line' is refused (allowed: a row of csv; "),
            ("", "'no rows' is refused (allowed: at least one row under the header)"),
            ("ann,nan,\nbob,nan,\n,1,\n", "… 1,000,000; 2 further rows are refused too)"),
        ],
        ids=lambda text: repr(text)[:24],
    )
    def test_nothing_is_written_and_the_place_is_named(
        self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path, rows: str, said: str
    ) -> None:
        file.write_text(HEADER + rows, encoding="utf-8")
        done = cli("ratings", "import", file, "--queue", "ladder")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("error: ")
        assert said in done.err
        assert stored(database, realm) == {}
        assert shown(mm) == {}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                b"",
                "line 1: 'no columns' is refused (allowed: a header that names the column player once; --player-column",
            ),
            (b"name,rating\na,1\n", "line 1: 'name, rating' is refused"),
            (b"player,mmr\na,1\n", "a header that names the column rating once"),
            (b"player,rating,rating\na,1,2\n", "a header that names the column rating once"),
            (b"player;rating\na;1\n", "line 1: 'player;rating' is refused"),
            (b"player,rating\n\xff\xfe,1\n", "csv in UTF-8"),
        ],
    )
    def test_a_file_of_another_kind(
        self, cli: Cli, mm: Matchmaker, database: Database, file: Path, text: bytes, said: str
    ) -> None:
        file.write_bytes(text)
        done = cli("ratings", "import", file, "--queue", "ladder")
        assert done.code == 2
        assert said in done.err

    def test_a_column_that_is_not_there(self, cli: Cli, mm: Matchmaker, database: Database, file: Path) -> None:
        for option in ("--deviation-column", "--rating-column", "--player-column"):
            done = cli("ratings", "import", file, "--queue", "ladder", option, "rd")
            assert (done.code, "the column rd once" in done.err) == (2, True)
        done = cli("ratings", "import", file, "--queue", "ladder", "--where", "race=zerg")
        assert (done.code, "the column race once" in done.err) == (2, True)
        assert cli("ratings", "import", file, "--queue", "ladder", "--where", "race").code == 2

    def test_no_file_a_folder_and_a_nul(self, cli: Cli, mm: Matchmaker, database: Database, tmp_path: Path) -> None:
        for name in (tmp_path / "nowhere.csv", tmp_path, "a\0b"):
            done = cli("ratings", "import", name, "--queue", "ladder")
            assert (done.code, "a file that can be read" in done.err) == (2, True)

    def test_a_queue_that_is_not_there(self, cli: Cli, mm: Matchmaker, database: Database, file: Path) -> None:
        assert cli("ratings", "import", file, "--queue", "ladderr").code == 3
        assert cli("ratings", "import", file, "--queue", "No Queue").code == 2

    def test_no_database_says_what_to_do(self, cli: Cli, mm: Matchmaker, file: Path) -> None:
        done = cli("ratings", "import", file, "--queue", "ladder")
        assert done.code == 5
        assert "matchmaker up" in done.err
        assert "MATCHMAKER_DATABASE_URL" in done.err

    def test_a_database_without_tables(
        self, cli: Cli, mm: Matchmaker, database_url: str, monkeypatch: pytest.MonkeyPatch, file: Path
    ) -> None:
        monkeypatch.setenv("MATCHMAKER_DATABASE_URL", database_url)
        for command in (("import", file), ("export",)):
            done = cli("ratings", *command, "--queue", "ladder")
            assert (done.code, "matchmaker db upgrade" in done.err) == (5, True)


class TestExport:
    def test_to_standard_output_highest_first(self, cli: Cli, mm: Matchmaker, database: Database, file: Path) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        done = cli("ratings", "export", "--queue", "ladder")
        assert (done.code, done.out, done.err) == (0, SORTED, "")

    def test_as_json(self, cli: Cli, mm: Matchmaker, database: Database, realm: str, file: Path) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        document = cli("ratings", "export", "--queue", "ladder", "--json").document
        assert (document["realm"], document["queue"], len(document["ratings"])) == (realm, "ladder", 5)
        assert document["ratings"][1] == {"player": "ann", "rating": 1520.5, "deviation": 70.0}

    def test_what_is_exported_imports_as_it_is(
        self, cli: Cli, mm: Matchmaker, database: Database, file: Path, tmp_path: Path
    ) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        out = tmp_path / "out.csv"
        done = cli("ratings", "export", out, "--queue", "ladder")
        assert done.out == f"{out}  5 ratings of ladder\n"
        assert out.read_text(encoding="utf-8") == SORTED
        assert stat.S_IMODE(out.stat().st_mode) & 0o600 == 0o600
        again = cli("ratings", "import", out, "--queue", "ladder")
        assert again.out == "ladder  5 ratings: 0 new, 0 changed, 5 unchanged\n"

    def test_a_file_is_replaced_as_a_whole_or_not_at_all(
        self, cli: Cli, mm: Matchmaker, database: Database, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = file.read_bytes()
        monkeypatch.setenv("MATCHMAKER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        done = cli("ratings", "export", file, "--queue", "ladder")
        assert done.code == 5
        assert file.read_bytes() == before
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [file.name]

    def test_a_place_that_cannot_be_written(self, cli: Cli, mm: Matchmaker, database: Database, tmp_path: Path) -> None:
        for place in (tmp_path / "nowhere" / "out.csv", tmp_path):
            done = cli("ratings", "export", place, "--queue", "ladder")
            assert (done.code, "a file that can be written" in done.err) == (2, True)
        assert [path for path in tmp_path.parent.iterdir() if path.name.startswith(f".{tmp_path.name}")] == []

    def test_a_queue_nobody_is_rated_in(self, cli: Cli, mm: Matchmaker, database: Database) -> None:
        assert cli("ratings", "export", "--queue", "casual").out == HEADER


class TestEnqueueWithoutARating:
    def test_the_one_that_is_known(self, cli: Cli, mm: Matchmaker, database: Database, file: Path) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        done = cli("enqueue", "ladder", "ann", "--ticket", "T-1")
        assert (done.code, done.out, done.err) == (0, "ticket T-1  waiting    ann (1520.5)  ladder\n", "")

    def test_the_databases_or_the_default(self, cli: Cli, mm: Matchmaker, database: Database, file: Path) -> None:
        cli("ratings", "import", file, "--queue", "ladder")
        mm.redis.delete(mm.calls.keys.ratings("ladder"))
        assert cli("enqueue", "ladder", "ann", "--json").document["rating"] == 1520.5
        assert cli("enqueue", "ladder", "nobody-knows", "--json").document["rating"] == 1500

    def test_without_a_database_it_says_what_to_do(self, cli: Cli, mm: Matchmaker) -> None:
        done = cli("enqueue", "ladder", "ann")
        assert (done.code, done.out) == (3, "")
        assert "give one, or a database to look it up in (MATCHMAKER_DATABASE_URL" in done.err

    def test_with_a_dead_database(self, cli: Cli, mm: Matchmaker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MATCHMAKER_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")
        done = cli("enqueue", "ladder", "ann")
        assert done.code == 5
        assert "127.0.0.1" in done.err
        assert "secret" not in done.err
        assert cli("enqueue", "ladder", "ann", "--rating", 1500).code == 0


def database_url_of(database: Database) -> str:
    """Its URL; it has no password to hide."""
    assert "***" not in database.shown
    return database.shown


@pytest.mark.usefixtures("cli", "database", "mm")
def test_export_through_a_pipe_and_a_link(cli: Cli, file: Path) -> None:
    """Given a pipe, and a link to a file of another mode, when ratings are exported there, then the pipe's reader gets
    them, the link stays, its target changes, and the mode is what it was."""
    assert cli("ratings", "import", file, "--queue", "ladder").code == 0
    pipe, link, target = (file.parent / name for name in ("pipe", "link.csv", "target.csv"))
    os.mkfifo(pipe)
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert cli("ratings", "export", pipe, "--queue", "ladder").code == 0
    reader.join(10)
    assert heard == [SORTED]
    assert cli("ratings", "export", link, "--queue", "ladder").code == 0
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == SORTED
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.usefixtures("cli", "database")
def test_an_interrupted_import_is_not_left_half_done(
    cli: Cli, mm: Matchmaker, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given Ctrl-C in the moment the database has the ratings, then the realm gets them all the same, and the command
    ends as interrupted."""
    committed = Database.transaction

    @contextlib.contextmanager
    def interrupted(self: Database, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with committed(self, *args, **kwargs) as cursor:
            yield cursor
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "transaction", interrupted)
        assert cli("ratings", "import", file, "--queue", "ladder").code == 130
    assert mm.enqueue("ladder", "bob").rating == 1600
