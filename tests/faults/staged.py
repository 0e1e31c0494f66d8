"""A ladder with ready checks, results and ratings, and how its players go through them in the tests of faults."""

from __future__ import annotations

from matchmaker.model import EventKind, Match, TicketRequest
from tests.faults.ears import reached
from tests.faults.scene import RECOVERY_SECONDS, Scene

CHECK_SECONDS = 3
WITHIN_SECONDS = 4
RULES = f"""
[ladder]
max_gap = 400
willingness = {{ base = 400.0 }}
ready_check = {{ seconds = {CHECK_SECONDS} }}
results = {{ by = "players", within_seconds = {WITHIN_SECONDS} }}
penalties = {{ seconds = [600] }}
rating = {{ system = "elo" }}
"""


def come(scene: Scene, *players: str, rating: float = 1500) -> list[str]:
    """They come, due with each other at once; answers their tickets."""
    requests = [TicketRequest(player, rating) for player in players]
    scene.mm.enqueue_many("ladder", requests)
    return [request.ticket for request in requests]


def asked(scene: Scene, *players: str, rating: float = 1500) -> str:
    """Two who come and are asked, by a matcher or here; answers the ready check."""
    scene.ledger.read()
    before = len(scene.ledger.checks)
    come(scene, *players, rating=rating)
    if not scene.has_matchers:
        scene.mm.attempt_match("ladder")
    scene.ledger.wait(lambda: len(scene.ledger.checks) > before, RECOVERY_SECONDS, "a ready check")
    return list(scene.ledger.checks)[-1]


def playing(scene: Scene, *players: str) -> str:
    """Two who come, are asked and accept; answers their match."""
    check = asked(scene, *players)
    answers = [scene.mm.accept(check, player) for player in players]
    match = answers[-1]
    assert isinstance(match, Match)
    return match.id


def kinds(scene: Scene, about: str) -> list[str]:
    """What happened to a ready check or a match after it began."""
    scene.ledger.read()
    return [event.kind.value for event in scene.ledger.later[about]]


def past(scene: Scene, realm_ms: int) -> None:
    """Waits until realm time has passed that moment."""
    assert reached(lambda: scene.now_ms > realm_ms, 10 * RECOVERY_SECONDS)


def is_over(scene: Scene, check: str) -> bool:
    return bool({EventKind.MATCHED.value, EventKind.DECLINED.value} & set(kinds(scene, check)))
