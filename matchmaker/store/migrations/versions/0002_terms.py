"""What tickets bring besides one rating, and what their matches got of it."""

from alembic import op

revision = "0002"
down_revision = "0001"
oldest_program = "0001"

TERMS = """
ALTER TABLE tickets ADD COLUMN terms jsonb;
COMMENT ON COLUMN tickets.terms IS
    'What it brought besides one rating, as it was given: queues, sides, attributes, …; null for nothing.';

ALTER TABLE matches
    ADD COLUMN price double precision,
    ADD COLUMN region text,
    ADD COLUMN ping double precision,
    ADD COLUMN server text,
    ADD COLUMN picks jsonb,
    ADD COLUMN proposed boolean;
COMMENT ON COLUMN matches.price IS 'Points it cost beyond the gap; null for none.';
COMMENT ON COLUMN matches.region IS 'Where it is played, by the players'' pings; null where no rule says so.';
COMMENT ON COLUMN matches.ping IS 'The worst of the players'' pings to the region, in ms.';
COMMENT ON COLUMN matches.server IS 'Where it is played, by the players'' regions; null where no rule says so.';
COMMENT ON COLUMN matches.picks IS 'What was drawn, by pool; null where the queue has none.';
COMMENT ON COLUMN matches.proposed IS 'True where a function of the operator''s chose it, null where a pass did.';

ALTER TABLE teams
    ADD COLUMN side text,
    ADD COLUMN choice text;
COMMENT ON COLUMN teams.side IS 'The side it plays; null in a queue without.';
COMMENT ON COLUMN teams.choice IS 'What it chose there; null for nothing.';
"""


def upgrade() -> None:
    op.execute(TERMS)


def downgrade() -> None:
    op.execute(
        "ALTER TABLE teams DROP COLUMN side, DROP COLUMN choice;"
        "ALTER TABLE matches DROP COLUMN price, DROP COLUMN region, DROP COLUMN ping, DROP COLUMN server,"
        " DROP COLUMN picks, DROP COLUMN proposed;"
        "ALTER TABLE tickets DROP COLUMN terms"
    )
