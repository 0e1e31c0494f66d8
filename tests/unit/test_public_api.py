"""What a program imports: few names, all documented, typed, and the same from both faces."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import matchmaker
from matchmaker import aio, client, errors, matches, notifications, queues
from matchmaker.aio import matches as aio_matches

MOST_NAMES = 12

# What a face is awaited or not by: the same things under the names Python has for them.
OF_ITS_KIND = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__"}

# The types that each face has of its own, by name.
TWINS = ("Matchmaker", "MatchService", "QueueService", "NotificationService", "Listener")
PAIRS = {
    "Matchmaker": (client.Matchmaker, aio.Matchmaker),
    "MatchService": (matches.MatchService, aio.MatchService),
    "MatchVerbs": (matches.MatchVerbs, aio_matches.MatchVerbs),
    "QueueService": (queues.QueueService, aio.QueueService),
    "NotificationService": (notifications.NotificationService, aio.NotificationService),
    "Listener": (notifications.Listener, aio.Listener),
}

# How the services talk to each other: no verbs of a user's.
INNER = {"wait_synced", "caught_up"}


def public(kind: type) -> dict[str, Any]:
    """A class's own public methods and properties, special ones under their blocking names."""
    back = {theirs: ours for ours, theirs in OF_ITS_KIND.items()}
    return {
        back.get(name, name): member
        for name, member in vars(kind).items()
        if name in OF_ITS_KIND or name in back or not (name.startswith("_") or name in INNER)
    }


def errors_of_the_package() -> Iterator[type[errors.MatchmakerError]]:
    for member in vars(errors).values():
        if inspect.isclass(member) and issubclass(member, errors.MatchmakerError):
            yield member


# -- names -------------------------------------------------------------------------------------------------------------


def test_the_package_offers_few_names_in_order() -> None:
    assert len(matchmaker.__all__) <= MOST_NAMES
    assert matchmaker.__all__ == sorted(matchmaker.__all__)
    assert set(aio.__all__) == {*TWINS, "Database"}  # which has a driver to choose


@pytest.mark.parametrize("name", matchmaker.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    member = getattr(matchmaker, name)
    doc = inspect.getdoc(member)
    assert doc
    # A dataclass or an enumeration without a docstring is given its signature or Python's own for one.
    assert not doc.startswith(f"{name}(")
    assert doc not in {inspect.getdoc(base) for base in inspect.getmro(member)[1:]} if inspect.isclass(member) else True
    assert member.__module__.startswith("matchmaker")


def test_the_version_is_one() -> None:
    numbers = matchmaker.__version__.split(".")
    assert len(numbers) == 3
    assert all(number.isdigit() for number in numbers)


def test_types_are_shipped() -> None:
    assert resources.files("matchmaker").joinpath("py.typed").is_file()
    packaging = (Path(__file__).parents[2] / "setup.cfg").read_text(encoding="utf-8")
    assert "py.typed" in packaging.partition("[options.package_data]")[2].partition("[options.entry_points]")[0]


# -- errors ------------------------------------------------------------------------------------------------------------


def test_every_error_has_one_root_a_docstring_and_a_code_of_its_own() -> None:
    found = list(errors_of_the_package())
    assert len(found) > 15
    for error in found:
        assert error.__doc__, error
        assert error.__doc__ not in {base.__doc__ for base in error.__mro__[1:]}, error
        assert error.code.replace("_", "").isalpha(), error
        assert error.code == error.code.lower(), error
    codes = [error.code for error in found]
    assert len(set(codes)) == len(codes)


# -- two faces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
def test_both_faces_have_the_same_methods(name: str) -> None:
    blocking, awaited = PAIRS[name]
    assert public(blocking).keys() == public(awaited).keys()


def unwrapped(annotation: object) -> object:
    """A type by its name, apart from the face it belongs to."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__qualname__", str(annotation))
    return (
        str(text)
        .replace("redis.asyncio.", "redis.")
        .replace("AsyncIterator", "Iterator")
        .replace("AsyncRunner", "Runner")
        .replace("AsyncDatabase | Transactions", "Transactions")
    )


def shape(function: Callable[..., Any]) -> tuple[list[tuple[Any, ...]], object]:
    """Parameters with kinds, defaults and types, and the type of the result."""
    signature = inspect.signature(function)
    parameters = [(one.name, one.kind, one.default, unwrapped(one.annotation)) for one in signature.parameters.values()]
    return parameters, unwrapped(signature.return_annotation)


@pytest.mark.parametrize("name", PAIRS)
def test_both_faces_take_and_answer_the_same(name: str) -> None:
    blocking, awaited = PAIRS[name]
    twins = public(awaited)
    assert shape(vars(blocking).get("__init__", object)) == shape(vars(awaited).get("__init__", object))
    for method, ours in public(blocking).items():
        if isinstance(ours, property):
            assert isinstance(twins[method], property), method
            continue
        assert shape(ours) == shape(twins[method]), f"{name}.{method}"


NOT_AWAITED = {("Matchmaker", "queue")}
"""What only makes an object, and asks nobody."""


@pytest.mark.parametrize("name", PAIRS)
def test_whatever_asks_the_server_is_awaited(name: str) -> None:
    for method, theirs in public(PAIRS[name][1]).items():
        if isinstance(theirs, property):
            continue
        is_awaited = inspect.iscoroutinefunction(theirs) or inspect.isasyncgenfunction(theirs)
        assert is_awaited is ((name, method) not in NOT_AWAITED), f"{name}.{method}"
    for method, ours in public(PAIRS[name][0]).items():
        assert not inspect.iscoroutinefunction(ours), f"{name}.{method}"


@pytest.mark.parametrize("name", PAIRS)
def test_everything_a_user_calls_is_documented(name: str) -> None:
    """The blocking face says what each method does, the asyncio one refers to it."""
    blocking, awaited = PAIRS[name]
    for method, member in public(blocking).items():
        if not method.startswith("__"):
            assert inspect.getdoc(member), f"{name}.{method}"
    assert inspect.getdoc(blocking)
    assert inspect.getdoc(awaited)


@pytest.mark.parametrize("name", PAIRS)
def test_every_annotation_can_be_resolved(name: str) -> None:
    """…so that tools that read them at run time can."""
    for kind in PAIRS[name]:
        for member in (vars(kind).get("__init__", object), *public(kind).values()):
            typing.get_type_hints(member.fget if isinstance(member, property) else member)
