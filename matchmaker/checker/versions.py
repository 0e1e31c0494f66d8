"""Every version of every queue's rules that a realm keeps. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from matchmaker.checker.picture import read_rules
from matchmaker.rules import QueueRules
from matchmaker.rules.fields import to_ms


class Versions:
    """Every version of every queue's rules that the realm keeps."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self.broken: list[str] = []
        self.have_rematch = False
        self._rules: dict[tuple[str, int], QueueRules] = {}
        self._of_queue: dict[str, list[QueueRules]] = defaultdict(list)
        for name, compiled in fields.items():
            kind, _, rest = name.decode().partition(":")
            queue, _, version = rest.partition(":")
            if kind not in ("q", "v"):
                continue
            rules = read_rules(compiled)
            if rules is None:
                self.broken.append(name.decode())
            elif kind == "v":
                self._rules[queue, int(version)] = rules
                self._of_queue[queue].append(rules)
                self.have_rematch = self.have_rematch or rules.rematch is not None

    def of(self, queue: str, version: int) -> QueueRules | None:
        return self._rules.get((queue, version))

    def earliest_expiry_ms(self, queue: str) -> int | None:
        """The shortest wait after which any version lets a ticket expire; None if none does."""
        waits = [to_ms(rules.expire_after_seconds) for rules in self._of_queue[queue]]
        waits += [to_ms(rules.heartbeat_seconds) for rules in self._of_queue[queue]]
        return min((wait for wait in waits if wait > 0), default=None)
