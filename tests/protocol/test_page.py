"""docs/protocol.md says what is: its tables, its examples, its commands."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from matchmaker import Matchmaker
from matchmaker.functions import function_name, load, script_names
from matchmaker.keys import Keys
from matchmaker.model import EventKind
from matchmaker.protocol import GROUPS, OTHERS, reference, renewed
from matchmaker.rules import QueueRules
from matchmaker.scripts import Reply, refusal
from tests.integration.terminal import ROOT
from tests.lua.plain_calls import go_on, plain_calls
from tests.lua.test_headers import REFUSALS
from tests.lua.world import QUEUE, World
from tests.protocol.page import (
    LIFECYCLE_KINDS,
    PAGE,
    Shells,
    blocks,
    example_messages,
    lifecycle_messages,
    rows,
    section,
    steady,
)
from tests.protocol.worked_example import follow
from tests.servers import StartServer, remove_keys

FOLLOWS: Final = "Ready checks and results"
NODE: Final = ROOT / "tests" / "protocol" / "node"


def test_the_page_says_what_the_scripts_say() -> None:
    """Given docs/protocol.md, when its second part is made anew from the headers, then nothing changes."""
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text) == text, "run: python -m matchmaker.protocol docs/protocol.md"


def test_a_page_without_its_mark_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="mark"):
        renewed("# The protocol\n")


def test_every_function_is_there_and_under_a_heading() -> None:
    assert {name for names in GROUPS.values() for name in names} == set(script_names())
    assert OTHERS not in reference()
    assert set(re.findall(r"^#### `mm1_(\w+)`$", reference(), re.MULTILINE)) == set(script_names())


def test_every_key_and_channel_is_named_as_they_are() -> None:
    """The first eleven are in the order in which calls bring them, and further ones are where calls have them."""
    keys = Keys("<realm>")
    table = [(int(cells[0]), cells[1].strip("`")) for cells in _key_rows()]
    assert [number for number, _ in table] == list(range(1, len(table) + 1))
    brought = keys.rated_keys("<queue>")
    assert [keys.prefix + name for _, name in table] == list(brought)
    assert f"`{keys.channel_prefix}`" in section("Calls")
    assert f"SUBSCRIBE {keys.channel('<player id>')}" in section("Listening")


def _key_rows() -> list[list[str]]:
    lines = [line for line in section("Keys").splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_refusal_is_explained() -> None:
    codes = [cells[0].strip("`") for cells in rows("Refusals") if cells[0].strip("`").islower()]
    refusing = [code for code in Reply if refusal("main", [code, *REFUSALS.get(code, ["some", "thing"])]) is not None]
    assert sorted(codes) == sorted(refusing)


def test_every_field_of_every_event_is_explained(world: World) -> None:
    """Given one event of each kind with all it can hold, when its fields are compared with the table, then they are
    the same, and so are their types."""
    told: dict[str, dict[str, str]] = {kind: {} for kind in EventKind}
    inner = set()
    for name, of, type_, meaning in rows("What events say"):
        for kind in EventKind if of == "all" else of.split(", "):
            told[kind][name.strip("`")] = type_
        if name == "`teams`":
            inner = set(re.findall(r"`(\w+)`", meaning))
    types: dict[type, str] = {int: "integer", float: "number", str: "string", list: "array"}
    for text in example_messages(world):
        body = json.loads(text)
        fields = {name: types[type(value)] for name, value in body.items() if name not in ("id", "prev")}
        wanted = told[body["event"]]
        assert fields.keys() == wanted.keys()
        assert all(type_ == wanted[name] or wanted[name] == "number" for name, type_ in fields.items())
        if "teams" in body:
            assert body["teams"][0][0].keys() | body["teams"][1][0].keys() == inner


def test_the_examples_are_what_is_sent(world: World) -> None:
    """Given the examples of events, when the same happens in a realm in virtual time, then they are so to the byte."""
    shown = [block.text.rstrip("\n") for block in blocks("What events say")]
    assert example_messages(world) == shown


def test_what_follows_a_match_is_explained_and_shown_as_sent(world: World) -> None:
    """Given ready checks and results in virtual time, when the examples are compared, then they are so to the byte, and
    the table has their fields."""
    shown = [block.text.rstrip("\n") for block in blocks(FOLLOWS) if block.kind == "json"]
    sent = lifecycle_messages(world)
    assert sent == shown
    told: dict[str, set[str]] = {kind: {"id", "prev", "v", "event", "at", "queue"} for kind in LIFECYCLE_KINDS}
    optional: dict[str, set[str]] = {kind: set() for kind in LIFECYCLE_KINDS}
    for names, of, _, meaning in rows(FOLLOWS):
        for kind in of.split(", "):
            fields = set(re.findall(r"\w+", names))
            told[kind] |= fields
            optional[kind] |= fields if "only if" in meaning else set()
    optional["declined"] |= {"id", "prev"}
    for kind, text in zip(LIFECYCLE_KINDS, sent, strict=True):
        assert told[kind] - optional[kind] <= json.loads(text).keys() <= told[kind], kind


def test_the_commands_of_what_follows_a_match_work(
    redis_url: str, redis_client: redis.Redis, realm: str, tmp_path: Path
) -> None:
    """Given two who are asked, one of whom accepted, when the page's commands are typed, then they answer as shown."""
    commands = [block for block in blocks(FOLLOWS) if block.kind == "sh"]
    replies = [block.text for block in blocks(FOLLOWS) if block.kind == "text"]
    load(redis_client)
    mm = Matchmaker(redis_client, realm)
    table = {"willingness": {"base": 50.0}, "ready_check": {"seconds": 60.0}, "results": {"by": "players"}}
    mm.apply_rules({QUEUE: QueueRules.model_validate(table)})
    mm.enqueue(QUEUE, "ann", rating=1520.5, ticket="t-1")
    mm.enqueue(QUEUE, "bob", rating=1540, ticket="t-2")
    mm.attempt_match(QUEUE)
    check = mm.status_of_player("bob").check
    assert check is not None
    mm.accept(check.id, "bob")
    with Shells(tmp_path, redis_url, realm) as shells:
        shells.everywhere(blocks("Worked example")[0].text)
        assert [steady(shells.run("1", block.text)) for block in commands] == [steady(shown) for shown in replies]


@pytest.fixture
def world(redis_client: redis.Redis, realm: str) -> World:
    """A realm in virtual time to which no rules were applied."""
    return World(redis_client, realm)


def test_the_worked_example_works(redis_url: str, redis_client: redis.Redis, realm: str, tmp_path: Path) -> None:
    """Given three terminals, when the page's commands are typed as they stand, then each shows what the page shows."""
    page = blocks("Worked example")
    with Shells(tmp_path, redis_url, realm) as shells:
        compared = [(steady(shown), steady(said)) for said, shown in follow(page, shells, redis_client)]
    assert [shown for shown, _ in compared] == [said for _, said in compared]
    assert len(compared) == len([block for block in page if block.kind == "text"])
    assert QueueRules().compiled() in section("Worked example")


# -- rights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_the_rights_of_the_page_are_enough(own_server: StartServer, group: str) -> None:
    """Given a user with the rights that the page lists for a group, the realm's keys and its channels, when it calls
    each of the group's functions, then none is refused; another realm is."""
    server = own_server(appendonly=False)
    (rights,) = [cells[1].strip("`") for cells in _rights() if cells[0] == group.removeprefix("For ")]
    with redis.Redis.from_url(server.url) as admin:
        load(admin)
        limits = ["~mm:{shop}:*", "&mm:{shop}:player:*"]
        admin.execute_command("ACL", "SETUSER", "game", "on", ">pw", *limits, *rights.split())
        # RESP2: who has so few rights may not ask for another.
        with redis.Redis.from_url(f"redis://game:pw@127.0.0.1:{server.port}", protocol=2) as game:
            for name in GROUPS[group]:
                world = crowded(admin, with_match=name == "ring")
                go_on(world)
                args = plain_calls(world)[name]
                reply = _fcall(game, world.keys, name, args)
                code = (reply[0] if name == "enqueue" else reply)[0]
                assert code.decode() not in REFUSALS
                with pytest.raises(redis.exceptions.NoPermissionError):
                    _fcall(game, Keys("other"), name, args)


def crowded(client: redis.Redis, *, with_match: bool) -> World:
    """The realm ``shop``, made anew, in which a few wait, so that a call has all its work to do."""
    remove_keys(client, "shop")
    world = World(client, "shop")
    world.apply()
    for player, rating in {"ann": 1500, "bob": 1500, "cy": 9_000, "dot": 9_000}.items():
        world.enqueue(player, rating)
    if with_match:
        world.match_pass()
    return world


def _fcall(client: redis.Redis, keys: Keys, name: str, args: list[Any]) -> Any:
    names = keys.rated_keys("ladder") if name == "enqueue" else keys.line_keys("ladder")
    return client.execute_command("FCALL", function_name(name), len(names), *names, *args)


def _rights() -> list[list[str]]:
    lines = [line for line in section("Rights").splitlines() if "`+" in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_reader_of_scripts_misses_no_command() -> None:
    """Every command is called by its name, in the one way that the reader knows."""
    for path in (ROOT / "matchmaker" / "lua").rglob("*.lua"):
        code = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r'\bcall\((?!")|redis\.p?call\((?!")', code), path.name


# -- the clients -------------------------------------------------------------------------------------------------------


def test_the_raw_client_is_small_and_needs_nothing() -> None:
    path = ROOT / "tests" / "protocol" / "resp_client.py"
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert len(path.read_text().splitlines()) <= 150


def test_the_node_client_is_small_and_pinned() -> None:
    """Given the lock file, when it is read, then each package has a version and a hash, and no place to come from:
    whoever installs it uses their own registry."""
    assert len((NODE / "client.js").read_text().splitlines()) < 120
    lock = (NODE / "package-lock.json").read_text()
    assert "://" not in lock
    packages = {name: one for name, one in json.loads(lock)["packages"].items() if name}
    assert "node_modules/ioredis" in packages
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    (pinned,) = json.loads((NODE / "package.json").read_text())["dependencies"].items()
    assert pinned == ("ioredis", packages["node_modules/ioredis"]["version"])
