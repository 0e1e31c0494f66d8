"""Records of queues, players, ratings, tickets and matches."""

from alembic import op

revision = "0001"
down_revision = None
oldest_program = "0001"

RECORDS = """
CREATE TABLE realms (
    realm        text   PRIMARY KEY,
    recorded     text   NOT NULL DEFAULT '0-0',
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    events       bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE realms IS 'How far each realm is recorded: moved in the transaction that writes the rows.';
COMMENT ON COLUMN realms.recorded IS 'Id of the last event of the stream that is in these tables.';
COMMENT ON COLUMN realms.recorded_at IS 'When that was, by this server''s clock.';
COMMENT ON COLUMN realms.events IS 'Events written, those included that were written again.';

CREATE TABLE queues (
    realm    text   NOT NULL,
    queue    text   NOT NULL,
    version  int    NOT NULL,
    state    text   NOT NULL CHECK (state IN ('open', 'removed')),
    at_ms    bigint NOT NULL,
    PRIMARY KEY (realm, queue)
);
COMMENT ON TABLE queues IS 'Every queue there ever was, as it stands.';
COMMENT ON COLUMN queues.at_ms IS 'Realm ms of its last change.';

CREATE TABLE rule_versions (
    realm    text   NOT NULL,
    queue    text   NOT NULL,
    version  int    NOT NULL,
    rules    jsonb,
    event    text   NOT NULL,
    at_ms    bigint NOT NULL,
    PRIMARY KEY (realm, queue, version)
);
COMMENT ON TABLE rule_versions IS 'The rules of a queue, every version of them.';
COMMENT ON COLUMN rule_versions.rules IS 'The compiled rules that scripts read; null if the realm has them no more.';

CREATE TABLE players (
    realm     text   NOT NULL,
    player    text   NOT NULL,
    since_ms  bigint NOT NULL,
    PRIMARY KEY (realm, player)
);
COMMENT ON TABLE players IS 'Who was ever seen in a realm, or rated there.';
COMMENT ON COLUMN players.since_ms IS 'Realm ms of the first ticket, or server ms of the first rating.';

CREATE TABLE ratings (
    realm       text   NOT NULL,
    queue       text   NOT NULL,
    player      text   NOT NULL,
    rating      double precision NOT NULL CHECK (rating BETWEEN -1000000 AND 1000000),
    deviation   double precision CHECK (deviation BETWEEN 0 AND 1000000),
    source      text   NOT NULL CHECK (source IN ('default', 'import', 'match')),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (realm, queue, player)
);
CREATE INDEX ratings_by_rating ON ratings (realm, queue, rating DESC);
COMMENT ON TABLE ratings IS 'What a player is worth in a queue when an enqueue gives no rating.';
COMMENT ON COLUMN ratings.source IS 'Where the number comes from: the queue''s default, an import, a match.';

CREATE TABLE tickets (
    realm        text   NOT NULL,
    ticket       text   NOT NULL,
    enqueued_ms  bigint NOT NULL,
    queue        text   NOT NULL,
    player       text   NOT NULL,
    state        text   NOT NULL CHECK (state IN ('waiting', 'matched', 'cancelled', 'expired', 'lost')),
    rating       double precision NOT NULL,
    deviation    double precision,
    data         text   NOT NULL DEFAULT '',
    ended_ms     bigint,
    reason       text   NOT NULL DEFAULT '',
    ended_event  text,
    PRIMARY KEY (realm, ticket, enqueued_ms)
);
CREATE INDEX tickets_by_player ON tickets (realm, player, enqueued_ms DESC);
CREATE INDEX tickets_open ON tickets (realm) WHERE state = 'waiting';
COMMENT ON TABLE tickets IS 'Every request to be matched. An id may come again once the realm has forgotten it.';
COMMENT ON COLUMN tickets.state IS 'lost: acknowledged, but a server that failed no longer knew it.';
COMMENT ON COLUMN tickets.ended_event IS 'Id of the event that ended it: of a matched one the id of its match.';

CREATE TABLE matches (
    realm    text   NOT NULL,
    match    text   NOT NULL,
    queue    text   NOT NULL,
    rules    int    NOT NULL,
    at_ms    bigint NOT NULL,
    gap      double precision NOT NULL,
    value    double precision NOT NULL,
    lost_at  timestamptz,
    PRIMARY KEY (realm, match)
);
CREATE INDEX matches_by_time ON matches (realm, queue, at_ms DESC);
COMMENT ON TABLE matches IS 'Every match; its id is the id of the event that announced it.';
COMMENT ON COLUMN matches.rules IS 'Version of the queue''s rules it was made under.';
COMMENT ON COLUMN matches.lost_at IS 'When reconciliation found that the realm, after a failure, no longer had it.';

CREATE TABLE teams (
    realm      text   NOT NULL,
    match      text   NOT NULL,
    team       smallint NOT NULL,
    place      smallint NOT NULL,
    ticket     text   NOT NULL,
    player     text   NOT NULL,
    rating     double precision NOT NULL,
    deviation  double precision,
    at_ms      bigint NOT NULL,
    waited_ms  bigint NOT NULL,
    PRIMARY KEY (realm, match, team, place),
    FOREIGN KEY (realm, match) REFERENCES matches ON DELETE CASCADE
);
CREATE INDEX teams_by_player ON teams (realm, player, at_ms DESC);
COMMENT ON TABLE teams IS 'Who plays on which side of a match.';
COMMENT ON COLUMN teams.at_ms IS 'Realm ms of the match, repeated here for the history of a player.';

CREATE TABLE events (
    realm  text   NOT NULL,
    event  text   NOT NULL,
    kind   text   NOT NULL,
    queue  text   NOT NULL,
    at_ms  bigint NOT NULL,
    body   jsonb  NOT NULL,
    PRIMARY KEY (realm, event)
);
CREATE INDEX events_by_queue ON events (realm, queue, at_ms DESC);
CREATE INDEX events_of_rules ON events (realm, queue, at_ms) WHERE kind = 'rules';
COMMENT ON TABLE events IS 'Events that no other table tells in full: changes of rules, cancels, expiries.';
"""


def upgrade() -> None:
    op.execute(RECORDS)


def downgrade() -> None:
    op.execute("DROP TABLE events, teams, matches, tickets, ratings, players, rule_versions, queues, realms")
