"""A Redis-backed matchmaking engine: enqueue with any client, matched in Lua, told over pub/sub."""

from matchmaker.client import Matchmaker
from matchmaker.errors import MatchmakerError
from matchmaker.model import Event, EventKind, Match, Player, Team, Ticket, TicketRequest, TicketState
from matchmaker.rules import load_rules, parse_rules

__version__ = "0.1.0"

__all__ = [
    "Event",
    "EventKind",
    "Match",
    "Matchmaker",
    "MatchmakerError",
    "Player",
    "Team",
    "Ticket",
    "TicketRequest",
    "TicketState",
    "load_rules",
    "parse_rules",
]
