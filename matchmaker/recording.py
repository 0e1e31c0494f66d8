"""How far the records are behind the realm: a plan over the stream's consumer groups. No I/O."""

from __future__ import annotations

from typing import Any

from matchmaker import errors
from matchmaker.calls import Batch, Calls, Command, Plan
from matchmaker.model import event_order
from matchmaker.reports import RECORDER, Recording


def _groups(reply: Any) -> dict[str, dict[str, str]]:
    """The reply of XINFO GROUPS by name of the group; each flat or mapped, as the protocol version has it."""
    groups = [one if isinstance(one, dict) else dict(zip(one[::2], one[1::2], strict=True)) for one in reply]
    return {group["name"]: group for group in groups}


def recording_plan(calls: Calls) -> Plan[Recording | None]:
    """The recorder's group, and what stands behind its place; None without such a group.

    A user who may not ask of the stream's groups is not told, and still gets all other counts.
    """
    events = calls.keys.events
    answers: list[Any] = yield Batch([Command(("XINFO", "GROUPS", events), _groups)])
    if isinstance(answers[0], errors.ServerUnsuitable):
        return None
    if isinstance(answers[0], errors.MatchmakerError):
        raise answers[0]
    group = answers[0].get(RECORDER)
    if group is None:
        return None
    # The count is the server's own, and may lag a commit: whether anything is behind is seen in the stream.
    after = f"({group['last-delivered-id']}"
    first: list[Any] = yield Command(("XRANGE", events, after, "+", "COUNT", "1"), list)
    read = group.get("entries-read", "")
    recorded = int(read) if read else None
    if not first:
        return Recording(0, None, recorded)
    now_ms: int = (yield calls.history("", "", "", 1)).now_ms
    lag = group.get("lag", "")
    return Recording(max(1, int(lag)) if lag else None, max(0, now_ms - event_order(first[0][0])[0]), recorded)
