"""The demo: a server, matchers and a crowd of players as processes of their own, and a verdict on what came of it.

``run.py`` tells the story from beginning to end; the players live in ``players.py``.
"""
