"""What Postgres refuses, as this package's errors: each names what to do.

By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html). A connection that was refused has none in
psycopg2 and psycopg; there the server's words are looked at, in English, and passed on in any other language.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matchmaker.errors import (
    DatabaseSchema,
    DatabaseUnavailable,
    DatabaseUnsuitable,
    MatchmakerError,
)

if TYPE_CHECKING:
    import psycopg2

UPGRADE = "run `matchmaker db upgrade`"
ALTERED = f"{UPGRADE}; if that has nothing to do, a table was changed by hand"

_REMEDIES = {
    "25006": "it is read-only (a standby?): point MATCHMAKER_DATABASE_URL at the primary",
    "28000": "it does not accept this user: check MATCHMAKER_DATABASE_URL and the server's pg_hba.conf",
    "28P01": "it refuses the password: check the user and the password in MATCHMAKER_DATABASE_URL",
    "3D000": "there is no such database: create it, or correct MATCHMAKER_DATABASE_URL",
    "42501": "this user lacks a right: grant it, or give a user that owns the tables",
    "53100": "its disk is full: free some space, what was refused is then tried again",
    "53200": "it is out of memory",
    "53300": "it has no connection left: raise its max_connections or run fewer processes",
    "58030": "it cannot read or write its files: look at its log",
}
# Classes and codes after which the same request may well succeed a little later.
_PASSING = re.compile("08|57P0|57014|55P03|40001|40P01")
_MISSING = ("42P01", "42703", "3F000", "42883")
_WORDS = {
    "28P01": ("password authentication failed",),
    "28000": ("no pg_hba.conf entry", "role ", "Peer authentication failed", "Ident authentication failed"),
    "3D000": ("database ",),
    "53300": ("too many clients", "remaining connection slots", "too many connections"),
}


def _first_line(said: str) -> str:
    return " ".join(said.strip().partition("\n")[0].split())


def _code_of_words(said: str) -> str:
    """The SQLSTATE behind a refused connection, "" for none."""
    if "no password supplied" in said:
        return "28P01"
    if "FATAL:" in said:
        told = said.partition("FATAL:")[2].strip()
        for code, words in _WORDS.items():
            if any(told.startswith(word) or (word in told and code == "53300") for word in words):
                return code
    return ""


def error_of(fault: psycopg2.Error, shown: str) -> MatchmakerError:
    """The error that a psycopg2 error stands for. ``shown`` is the database's URL without a password."""
    import psycopg2  # the driver is loaded for those who have a database

    lost = isinstance(fault, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return typed(str(fault.pgcode or ""), str(fault), lost=lost, shown=shown)


def typed(sqlstate: str, said: str, *, lost: bool, shown: str) -> MatchmakerError:
    """The error of a SQLSTATE, "" where there is none, and of what the server or libpq said.

    :param lost: without a SQLSTATE this means that the connection was not made, or broke.
    """
    code = sqlstate or _code_of_words(said)
    words = _first_line(said)
    if code in _REMEDIES:
        return DatabaseUnsuitable(f"the database {shown} cannot be used: {_REMEDIES[code]} ({words})")
    if code in _MISSING:
        return DatabaseSchema(f"another one ({words})", "tables it makes", ALTERED)
    if not code and lost:
        return DatabaseUnavailable(f"the database {shown} does not answer: {words}")
    if _PASSING.match(code):
        return DatabaseUnavailable(f"the database {shown} does not serve now: {words}")
    return DatabaseUnsuitable(f"the database {shown} refuses: {words}")
