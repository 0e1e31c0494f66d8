"""From found to finished: ready checks, reports, results, ratings by side and what changed them.

Programs of older versions work on beside it: realms whose rules need any of this refuse them by their own schema. What
they cannot do any more is ``ratings import``, which fails and changes nothing.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
oldest_program = "0001"

RATINGS = """
ALTER TABLE ratings
    ADD COLUMN side text NOT NULL DEFAULT '',
    ADD COLUMN volatility double precision,
    ADD COLUMN games int NOT NULL DEFAULT 0,
    ADD COLUMN won int NOT NULL DEFAULT 0,
    ADD COLUMN lost int NOT NULL DEFAULT 0,
    ADD COLUMN drawn int NOT NULL DEFAULT 0,
    ADD COLUMN played_ms bigint,
    ADD COLUMN highest double precision,
    DROP CONSTRAINT ratings_pkey,
    ADD PRIMARY KEY (realm, queue, player, side);
DROP INDEX ratings_by_rating;
CREATE INDEX ratings_by_rating ON ratings (realm, queue, side, rating DESC);
COMMENT ON COLUMN ratings.side IS 'The side it is worth that on; empty for all of them, or in a queue without sides.';
COMMENT ON COLUMN ratings.volatility IS 'How much its strength wavers, where the queue''s rating system knows that.';
COMMENT ON COLUMN ratings.games IS 'Rated matches.';
COMMENT ON COLUMN ratings.won IS 'Rated matches in which its team was first, alone.';
COMMENT ON COLUMN ratings.lost IS 'Rated matches in which another team was before its own.';
COMMENT ON COLUMN ratings.drawn IS 'Rated matches in which its team was first together with another.';
COMMENT ON COLUMN ratings.played_ms IS 'Realm ms at which the last rated match was finished; null before the first.';
COMMENT ON COLUMN ratings.highest IS 'The highest rating after a rated match; null before the first.';

CREATE TABLE results (
    realm         text   NOT NULL,
    match         text   NOT NULL,
    queue         text   NOT NULL,
    rules         int    NOT NULL,
    at_ms         bigint NOT NULL,
    matched_ms    bigint NOT NULL,
    outcome       text   NOT NULL CHECK (outcome IN ('played', 'aborted', 'abandoned')),
    by            text   NOT NULL,
    who           text,
    reason        text   NOT NULL DEFAULT '',
    ranks         jsonb,
    left_players  jsonb,
    n             bigint,
    event         text   NOT NULL,
    lost_at       timestamptz,
    PRIMARY KEY (realm, match)
);
CREATE UNIQUE INDEX results_by_number ON results (realm, n) WHERE n IS NOT NULL;
CREATE INDEX results_by_time ON results (realm, queue, at_ms DESC);
COMMENT ON TABLE results IS 'How matches ended. The first word on a match stands.';
COMMENT ON COLUMN results.rules IS 'Version of the queue''s rules that the match was made under, and is rated by.';
COMMENT ON COLUMN results.at_ms IS 'Realm ms at which it was finished.';
COMMENT ON COLUMN results.matched_ms IS 'Realm ms at which the match was made.';
COMMENT ON COLUMN results.outcome IS 'How it ended: abandoned where nobody told the result in time.';
COMMENT ON COLUMN results.by IS 'Who or what ended it: players, server, operator, deadline, leaving, player.';
COMMENT ON COLUMN results.who IS 'The name of who did; null for several, or for nobody.';
COMMENT ON COLUMN results.reason IS 'Why it was aborted, in words of who did it.';
COMMENT ON COLUMN results.ranks IS 'One number a team, 1 for the best, equal for a tie; null if it was not played.';
COMMENT ON COLUMN results.left_players IS 'Who left before the end; null for nobody.';
COMMENT ON COLUMN results.n IS 'Number of the match among all rated ones of the realm, from 1; null if not rated.';
COMMENT ON COLUMN results.event IS 'Id of the event that told of it.';
COMMENT ON COLUMN results.lost_at IS 'When reconciliation found that the realm, after a failure, no longer had it.';

CREATE TABLE rating_changes (
    realm              text     NOT NULL,
    n                  bigint   NOT NULL,
    part               smallint NOT NULL DEFAULT 0,
    queue              text     NOT NULL,
    player             text     NOT NULL,
    side               text     NOT NULL DEFAULT '',
    match              text,
    at_ms              bigint   NOT NULL,
    game               int      NOT NULL,
    before             double precision,
    deviation_before   double precision,
    volatility_before  double precision,
    rating             double precision NOT NULL,
    deviation          double precision,
    volatility         double precision,
    rank               smallint,
    PRIMARY KEY (realm, n, part, player, side)
);
CREATE INDEX rating_changes_of_player ON rating_changes (realm, player, queue, side, game);
COMMENT ON TABLE rating_changes IS 'Everything that ever changed a rating, in the order in which it did.';
COMMENT ON COLUMN rating_changes.n IS 'Number of the rated match; of an import, that of the last one before it.';
COMMENT ON COLUMN rating_changes.part IS '0 for the match, 1, 2, … for imports between it and the next one.';
COMMENT ON COLUMN rating_changes.side IS 'The side whose rating it is; empty for all of them, or in a queue without.';
COMMENT ON COLUMN rating_changes.match IS 'The match; null for an import.';
COMMENT ON COLUMN rating_changes.at_ms IS 'Realm ms at which the match was finished; of an import, this server''s ms.';
COMMENT ON COLUMN rating_changes.game IS 'Rated matches of the player by then, this one included.';
COMMENT ON COLUMN rating_changes.before IS 'Rating before it, in points; null where an import brought the first.';
COMMENT ON COLUMN rating_changes.deviation_before IS
    'Deviation before it, in points, not yet grown by the time since the last match; null for none.';
COMMENT ON COLUMN rating_changes.volatility_before IS 'Volatility before it; null where there was none.';
COMMENT ON COLUMN rating_changes.volatility IS 'Volatility after it; null where the system has none.';
COMMENT ON COLUMN rating_changes.rank IS 'Rank of the player''s team, 1 for the best; null for an import.';

CREATE TABLE meetings (
    realm       text   NOT NULL,
    queue       text   NOT NULL,
    one         text   NOT NULL,
    other       text   NOT NULL,
    one_won     int    NOT NULL,
    other_won   int    NOT NULL,
    drawn       int    NOT NULL,
    last_match  text   NOT NULL,
    last_ms     bigint NOT NULL,
    PRIMARY KEY (realm, queue, one, other)
);
COMMENT ON TABLE meetings IS 'Head to head: who played against whom, and how that went, rated or not.';
COMMENT ON COLUMN meetings.one IS 'The player whose id comes first, byte by byte.';
COMMENT ON COLUMN meetings.other IS 'The player whose id comes second.';
COMMENT ON COLUMN meetings.one_won IS 'Matches in which the team of `one` was before that of `other`.';
COMMENT ON COLUMN meetings.other_won IS 'Matches in which the team of `other` was before that of `one`.';
COMMENT ON COLUMN meetings.drawn IS 'Matches in which both were equal.';
COMMENT ON COLUMN meetings.last_match IS 'The last match of the two.';
COMMENT ON COLUMN meetings.last_ms IS 'Realm ms at which that was finished.';
"""
LIFECYCLE = """
CREATE TABLE checks (
    realm     text   NOT NULL,
    check_id  text   NOT NULL,
    queue     text   NOT NULL,
    at_ms     bigint NOT NULL,
    until_ms  bigint,
    teams     jsonb,
    ended_ms  bigint,
    outcome   text,
    match     text,
    declined  jsonb,
    PRIMARY KEY (realm, check_id)
);
CREATE INDEX checks_by_time ON checks (realm, queue, at_ms DESC);
COMMENT ON TABLE checks IS 'Ready checks: matches that waited for their players to accept.';
COMMENT ON COLUMN checks.check_id IS 'Its id: that of the event that proposed the match.';
COMMENT ON COLUMN checks.until_ms IS 'Realm ms by which all had to accept.';
COMMENT ON COLUMN checks.teams IS 'Tickets and players by team, as they were asked.';
COMMENT ON COLUMN checks.ended_ms IS 'Realm ms at which it ended; null while it goes on.';
COMMENT ON COLUMN checks.outcome IS 'matched, declined, no_answer or cancelled; null while it goes on.';
COMMENT ON COLUMN checks.match IS 'The match that came of it; null for none.';
COMMENT ON COLUMN checks.declined IS 'Who declined or did not answer: `how`, and `penalty_until` where there is one.';

CREATE TABLE reports (
    realm         text   NOT NULL,
    match         text   NOT NULL,
    by            text   NOT NULL,
    reporter      text   NOT NULL,
    queue         text   NOT NULL,
    at_ms         bigint NOT NULL,
    ranks         jsonb  NOT NULL,
    left_players  jsonb,
    PRIMARY KEY (realm, match, by, reporter)
);
COMMENT ON TABLE reports IS 'What players, servers and operators said about matches.';
COMMENT ON COLUMN reports.by IS 'What the reporter is: player, server or operator.';
COMMENT ON COLUMN reports.reporter IS 'The name of who said it.';
COMMENT ON COLUMN reports.ranks IS 'One number a team, 1 for the best, equal for a tie.';
COMMENT ON COLUMN reports.left_players IS 'Who left before the end, by this report; null for nobody.';

ALTER TABLE realms ADD COLUMN settled bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN realms.settled IS 'How many matches were rated: the number of the last one.';
COMMENT ON TABLE events IS 'Events that no other table tells in full: changes of rules, cancels, answers to checks, …';
"""


def upgrade() -> None:
    op.execute(RATINGS)
    op.execute(LIFECYCLE)


def downgrade() -> None:
    op.execute(
        "DROP TABLE reports, checks, meetings, rating_changes, results;"
        "ALTER TABLE realms DROP COLUMN settled;"
        "DELETE FROM ratings WHERE side <> '';"
        "ALTER TABLE ratings DROP CONSTRAINT ratings_pkey, DROP COLUMN side, DROP COLUMN volatility, DROP COLUMN games,"
        " DROP COLUMN won, DROP COLUMN lost, DROP COLUMN drawn, DROP COLUMN played_ms, DROP COLUMN highest,"
        " ADD PRIMARY KEY (realm, queue, player);"
        "CREATE INDEX ratings_by_rating ON ratings (realm, queue, rating DESC);"
        "COMMENT ON TABLE events IS 'Events that no other table tells in full: changes of rules, cancels, expiries.'"
    )
