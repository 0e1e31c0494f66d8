"""Migrations, run by Alembic: one module a version in ``versions/``, applied in order, never changed once released.

A migration only adds what programs of the version before can live with; what they cannot is taken away one version
later. ``oldest_program`` of a version names the oldest program that may go on while it is in place.
"""
