"""What the realm shows of those who do not play: their deviations, grown by the time since their last match.

Stored deviations stay as the last match left them, and grow exactly when the next one is rated; what is shown between
is renewed once a day.
"""

from __future__ import annotations

from typing import Any, Final

import redis

from matchmaker.keys import Keys
from matchmaker.ratings import DAY_MS, grown, starting_deviation
from matchmaker.rules import EloRules, QueueRules
from matchmaker.runner import typed_errors
from matchmaker.store import settle
from matchmaker.store.announce import PLAYERS_A_PAGE, Announcer, Shown, show
from matchmaker.store.connect import Database

SECONDS: Final = 30.0
_QUEUES: Final = "SELECT queue, version FROM queues WHERE realm = %s AND state = 'open' ORDER BY queue"
_RESTING: Final = """
SELECT player, side, rating, deviation, played_ms FROM ratings
WHERE realm = %s AND queue = %s AND (player, side) > (%s, %s) AND played_ms < %s AND deviation IS NOT NULL
ORDER BY player, side LIMIT %s
"""


def show_grown(client: redis.Redis, database: Database, realm: str) -> int:
    """Renews what is shown of all who have not played for a day; answers how many. Nobody's stored rating changes.

    Page by page, each while nobody else changes a rating.
    """
    keys, shown = Keys(realm), 0
    now_ms = realm_now(client, keys)
    with database.transaction(SECONDS) as cursor:
        cursor.execute(_QUEUES, (realm,))
        found = [(queue, settle.stored_rules(cursor, realm, queue, version)) for queue, version in cursor.fetchall()]
    for queue, rules in found:
        if rules is not None and _grows(rules):
            shown += _show_queue(client, database, keys, (queue, rules), now_ms)
    return shown


def _grows(rules: QueueRules) -> bool:
    rating = rules.rating
    return rating is not None and not isinstance(rating, EloRules) and rating.deviation_growth_per_day > 0


def _show_queue(client: redis.Redis, database: Database, keys: Keys, named: tuple[str, QueueRules], now_ms: int) -> int:
    queue, rules = named
    shown, after = 0, ("", "")
    while True:
        with database.transaction(SECONDS) as cursor:
            settle.lock(cursor, keys.realm)
            Announcer.within(client, keys, cursor).announce(settle.settled_of(cursor, keys.realm))
            cursor.execute(_RESTING, (keys.realm, queue, *after, now_ms - DAY_MS, PLAYERS_A_PAGE))
            rows = cursor.fetchall()
            page: list[Shown] = [
                (queue, player, side, rating, _grown(rules, deviation, (now_ms - played_ms) / DAY_MS))
                for player, side, rating, deviation, played_ms in rows
            ]
            show(client, keys, page)
        shown += len(page)
        if len(page) < PLAYERS_A_PAGE:
            return shown
        after = rows[-1][:2]


def _grown(rules: QueueRules, deviation: float, days: float) -> float:
    most = starting_deviation(rules)
    if rules.rating is None or most is None:
        return deviation
    return grown(deviation, days, rules.rating.deviation_growth_per_day, most)


def realm_now(client: redis.Redis, keys: Keys) -> int:
    """Realm ms, as the realm's clock has it (``lua/lib/realm.lua``); in virtual time the last that was said."""
    with typed_errors():
        pipeline: Any = client.pipeline(transaction=True)
        pipeline.time()
        pipeline.get(keys.clock)
        pipeline.hget(keys.meta, "time")
        (seconds, micros), clock, mode = pipeline.execute()
    last, offset = (int(part) for part in (clock or b"0 0").split()[:2])
    return last if mode == b"virtual" else int(seconds) * 1000 + int(micros) // 1000 + offset
