"""Whether more matchers do any harm, and whether each realm gets its share.

Measured: tickets matched a second while 1, 2, 4 and 8 matcher processes work off the same backlog, spread over 8 realms
on one server, everybody due at once. The matchers are started, made to hold still (SIGSTOP) while the realms are filled,
and let go together; the time runs from there to the last match, by the ids of the events. Five times each, in turns.
Against: one matcher. One server runs one script at a time, so more matchers cannot be faster than the server; the
question is whether they get in each other's way.

Fairness: at the moment when half of all tickets are matched, the share of the realm that had the fewest, over an even
share. The goal set here is one half: no realm is served at less than half the pace of the mean.
"""

from __future__ import annotations

import os
import signal
import statistics
from collections.abc import Iterator

from scripts.benchmarks.actors import matchers
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_least, median_of, ratios
from scripts.benchmarks.lines import DENSE, Crowd, fill
from scripts.benchmarks.site import Realm, Site, site

NAME = "workers"
GOAL = at_least(0.85)
FAIR = at_least(0.5)
COUNTS = (1, 2, 4, 8)
REALMS = 8
LEFT_OVER = 0.02
"""A backlog counts as worked off when no more than this share of it can be waiting for a partner."""
