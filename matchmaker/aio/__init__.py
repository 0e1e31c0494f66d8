"""The asyncio twins: the same names as in the blocking modules, awaited, over the same core."""

from matchmaker.aio.client import Matchmaker
from matchmaker.aio.database import Database
from matchmaker.aio.matches import MatchService
from matchmaker.aio.notifications import Listener, NotificationService
from matchmaker.aio.queues import QueueService

__all__ = ["Database", "Listener", "MatchService", "Matchmaker", "NotificationService", "QueueService"]
