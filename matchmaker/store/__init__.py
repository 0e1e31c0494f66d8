"""What Postgres keeps: migrations, idempotent writes, reads.

Redis is the one truth of what waits now; Postgres learns of everything from the event stream and is never asked during
a match. ``docs/schema.md`` describes the tables.
"""
