"""``doctor``: looks at everything a promise rests on, and says what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.exits import Exit
from matchmaker.cli.findings import Finding, State, about_server
from matchmaker.server import inspect_server

STYLES: Final[Mapping[str, str]] = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
MOST_SHOWN: Final = 20
"""Violations that the checker may list; --json has them all."""


@click.command()
@click.option("--quick", is_flag=True, help="Check what is stored, without going through every event that is kept.")
@answers
def doctor(invocation: Invocation, quick: bool) -> int:
    """Examine the server and the realm, and say what to do.

    One line a finding: ok, warn or FAIL. Exit code 1 if something FAILs. Loads the scripts into the server and changes
    nothing else.
    """
    from matchmaker.cli.examination import examine
    from matchmaker.cli.record_findings import about_records, about_rows

    output = invocation.output
    with invocation.matchmaker() as mm:
        facts = inspect_server(mm.redis)
        findings = [*about_server(facts), *about_records(invocation), *examine(mm, quick=quick)]
        if not quick:
            findings += about_rows(invocation, mm)
    good = all(one.state is not State.FAIL for one in findings)
    if output.as_json:
        body = [{**one._asdict(), "state": one.state.lower()} for one in findings]
        output.document({"ok": good, "realm": invocation.realm, "server": facts, "findings": body})
    else:
        output.table(list(_rows(findings)), styles=STYLES)
    return Exit.OK if good else Exit.NO


def _rows(findings: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    hidden: list[Finding] = []
    for name in ("checker", "records"):
        hidden += [one for one in findings if one.name == name and one.state is State.FAIL][MOST_SHOWN:]
    for one in findings:
        if one not in hidden:
            yield one.state, one.name, one.message + (f" → {one.remedy}" if one.remedy else "")
    for name, count in Counter(one.name for one in hidden).items():
        yield State.FAIL, name, f"{count:,} violations more: --json lists them"
