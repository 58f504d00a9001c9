-- What the migrations up to 52 make of an empty database, written by go test ./store -run TestSchema -update

CREATE TABLE documents (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    provider  TEXT     NOT NULL,
    feed      TEXT     NOT NULL,
    match_id  BIGINT   NOT NULL,
    headers   TEXT     NOT NULL, -- a JSON object
    digest    BLOB     NOT NULL, -- SHA-256 of body
    received  BIGINT   NOT NULL,
    state     TEXT     NOT NULL DEFAULT 'received',
    error     TEXT     NOT NULL DEFAULT '',
    attempts  INTEGER  NOT NULL DEFAULT 0
, size    INTEGER NOT NULL DEFAULT 0, repeats INTEGER NOT NULL DEFAULT 0, seen    BIGINT  NOT NULL DEFAULT 0);
CREATE INDEX documents_unfinished ON documents (id) WHERE state = 'received';
CREATE INDEX documents_failed ON documents (id) WHERE state = 'failed';
CREATE INDEX documents_match ON documents (match_id, id);
CREATE INDEX documents_received ON documents (received);
CREATE TABLE matches (
    id          INTEGER PRIMARY KEY,
    competition BIGINT NOT NULL DEFAULT 0,
    home        BIGINT NOT NULL DEFAULT 0,
    away        BIGINT NOT NULL DEFAULT 0,
    kickoff     BIGINT NOT NULL DEFAULT 0,
    state       TEXT   NOT NULL DEFAULT '',
    seq         BIGINT NOT NULL DEFAULT 0,
    snapshot    TEXT   NOT NULL, -- goalcast.Snapshot
    feeds       BLOB  NOT NULL, -- ingest's memory
    updated     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX matches_kickoff ON matches (kickoff, id);
CREATE INDEX matches_competition ON matches (competition, kickoff);
CREATE INDEX matches_home ON matches (home, kickoff);
CREATE INDEX matches_away ON matches (away, kickoff);
CREATE TABLE teams (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
, indexed TEXT NOT NULL DEFAULT '');
CREATE TABLE competitions (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
, indexed TEXT NOT NULL DEFAULT '');
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id     TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    match_id     BIGINT  NOT NULL,
    seq          BIGINT  NOT NULL,
    body         TEXT    NOT NULL,
    created      BIGINT  NOT NULL,
    published_at BIGINT,
    planned_at   BIGINT
, plan_after BIGINT NOT NULL DEFAULT 0, silent BOOLEAN NOT NULL DEFAULT FALSE, numbered BOOLEAN NOT NULL DEFAULT FALSE);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_unpublished_match ON outbox (match_id, seq) WHERE published_at IS NULL;
CREATE INDEX outbox_unplanned ON outbox (id) WHERE planned_at IS NULL;
CREATE TABLE devices (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    token    TEXT   NOT NULL UNIQUE,
    user_id  TEXT   NOT NULL,
    platform TEXT   NOT NULL,
    language TEXT   NOT NULL,
    created  BIGINT NOT NULL
, seen BIGINT NOT NULL DEFAULT 0, proven BOOLEAN NOT NULL DEFAULT TRUE, live_token TEXT NOT NULL DEFAULT '', live_sealed BLOB, live_sealed_by TEXT NOT NULL DEFAULT '', sealed BLOB, sealed_by TEXT NOT NULL DEFAULT '', carrier TEXT NOT NULL DEFAULT '', topics TEXT NOT NULL DEFAULT '', topics_unsure TEXT NOT NULL DEFAULT '', topics_due BIGINT NOT NULL DEFAULT 1);
CREATE TABLE follows (
    user_id TEXT    NOT NULL,
    kind    INTEGER NOT NULL, -- goalcast.TopicKind
    topic   BIGINT  NOT NULL,
    created BIGINT  NOT NULL, place BIGINT NOT NULL DEFAULT 0, opted_in BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (user_id, kind, topic)
);
CREATE TABLE pushes (
    event_id TEXT    PRIMARY KEY,
    match_id BIGINT  NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0,
    state    TEXT    NOT NULL DEFAULT '',
    since    BIGINT  NOT NULL DEFAULT 0,
    shown    BIGINT  NOT NULL DEFAULT 0,
    base     INTEGER NOT NULL DEFAULT 0,
    told     INTEGER NOT NULL DEFAULT 0,
    batches  INTEGER NOT NULL DEFAULT 0,
    print    TEXT    NOT NULL DEFAULT '',
    topics   TEXT    NOT NULL DEFAULT '[]',
    content  TEXT    NOT NULL DEFAULT '',
    planned  BIGINT  NOT NULL
, open    BOOLEAN NOT NULL DEFAULT FALSE, cut     TEXT    NOT NULL DEFAULT '', expires BIGINT  NOT NULL DEFAULT 0, withheld TEXT NOT NULL DEFAULT '', by_topic BOOLEAN NOT NULL DEFAULT FALSE);
CREATE INDEX pushes_planned ON pushes (planned);
CREATE TABLE push_batches (
    id           TEXT    PRIMARY KEY,
    event_id     TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    source       TEXT    NOT NULL,
    created      BIGINT  NOT NULL,
    expires      BIGINT  NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'planned',
    reason       TEXT    NOT NULL DEFAULT '',
    attempt      INTEGER NOT NULL DEFAULT 0,
    lease_until  BIGINT  NOT NULL DEFAULT 0,
    not_before   BIGINT  NOT NULL DEFAULT 0,
    sent         INTEGER NOT NULL DEFAULT 0, -- the revision that was shown
    remaining    BLOB,
    reached      BLOB
, unsure BOOLEAN NOT NULL DEFAULT FALSE, late BOOLEAN NOT NULL DEFAULT FALSE, silent BOOLEAN NOT NULL DEFAULT FALSE, no_scores BOOLEAN NOT NULL DEFAULT FALSE, devices INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, tally TEXT NOT NULL DEFAULT '', service TEXT NOT NULL DEFAULT '', language TEXT NOT NULL DEFAULT '');
CREATE INDEX push_batches_event ON push_batches (event_id, revision);
CREATE TABLE clips (
    id       TEXT    PRIMARY KEY, -- the provider's content id
    match_id BIGINT  NOT NULL DEFAULT 0, -- 0 while it is not known
    event    TEXT    NOT NULL DEFAULT '', -- id of the clip event
    version  BIGINT  NOT NULL DEFAULT 0, -- of the cut, by the provider
    video    TEXT    NOT NULL DEFAULT '', -- id at the player
    job      TEXT    NOT NULL DEFAULT '', -- the upload under way or done
    state    TEXT    NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    error    TEXT    NOT NULL DEFAULT '',
    due      BIGINT  NOT NULL DEFAULT 0, -- when somebody has to look at it again, ms since 1970 UTC; 0 is never
    updated  BIGINT  NOT NULL DEFAULT 0,
    body     TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX clips_due ON clips (due) WHERE due > 0;
CREATE INDEX clips_video ON clips (video) WHERE video <> '';
CREATE INDEX clips_match ON clips (match_id, id);
CREATE TABLE standings (
    competition BIGINT NOT NULL,
    season      TEXT   NOT NULL,
    edition     TEXT   NOT NULL,
    updated     BIGINT NOT NULL, -- ms since 1970 UTC, of the document
    body        TEXT   NOT NULL, counts TEXT NOT NULL DEFAULT '[]', -- goalcast.Standings
    PRIMARY KEY (competition, season)
);
CREATE TABLE squad_lists (
    competition BIGINT NOT NULL,
    season      TEXT   NOT NULL,
    edition     TEXT   NOT NULL,
    PRIMARY KEY (competition, season)
);
CREATE TABLE squads (
    competition BIGINT NOT NULL,
    season      TEXT   NOT NULL,
    team        BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    players     INTEGER NOT NULL, -- how many; a placeholder has none
    body        TEXT   NOT NULL, listed BOOLEAN NOT NULL DEFAULT FALSE, -- goalcast.Squad
    PRIMARY KEY (competition, season, team)
);
CREATE INDEX squads_team ON squads (team, updated);
CREATE TABLE players (
    id      INTEGER PRIMARY KEY,
    name    TEXT   NOT NULL,
    edition TEXT   NOT NULL -- of the list that named the player
, indexed TEXT NOT NULL DEFAULT '');
CREATE TABLE commentary (
    match_id BIGINT  NOT NULL,
    language TEXT    NOT NULL,
    line     TEXT    NOT NULL, -- the provider's id
    modified BIGINT  NOT NULL, -- ms since 1970 UTC; the later edit holds
    place    BIGINT  NOT NULL, -- period, minute and second as one number
    body     TEXT    NOT NULL, told TEXT NOT NULL DEFAULT '', -- goalcast.CommentaryLine
    PRIMARY KEY (match_id, language, line)
);
CREATE INDEX commentary_newest ON commentary (match_id, language, place, modified, line);
CREATE TABLE document_bodies (
    document INTEGER PRIMARY KEY, -- documents.id
    received BIGINT   NOT NULL,
    packing  SMALLINT NOT NULL, -- 0: as sent, 1: zstd
    body     BLOB     NOT NULL
);
CREATE UNIQUE INDEX documents_digest ON documents (digest, provider, feed, match_id);
CREATE TABLE jobs (
    name     TEXT    PRIMARY KEY,
    slot     BIGINT  NOT NULL DEFAULT -1, -- the number of the period that was begun last
    owner    TEXT    NOT NULL DEFAULT '', -- who is at it; empty when it is done
    lease    BIGINT  NOT NULL DEFAULT 0,  -- until when the owner is taken for alive
    began    BIGINT  NOT NULL DEFAULT 0,
    ended    BIGINT  NOT NULL DEFAULT 0,
    runs     BIGINT  NOT NULL DEFAULT 0,
    failures BIGINT  NOT NULL DEFAULT 0,
    error    TEXT    NOT NULL DEFAULT ''  -- of the last run
, period    BIGINT NOT NULL DEFAULT 0, succeeded BIGINT NOT NULL DEFAULT 0);
CREATE TABLE alarms (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT   NOT NULL, -- one alarm of a name is open at a time: "silent:match:1009316"
    kind     TEXT   NOT NULL,
    match_id BIGINT NOT NULL DEFAULT 0,
    text     TEXT   NOT NULL,
    opened   BIGINT NOT NULL,
    closed   BIGINT NOT NULL DEFAULT 0,
    acked    BIGINT NOT NULL DEFAULT 0,
    acked_by TEXT   NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX alarms_open ON alarms (name) WHERE closed = 0;
CREATE INDEX alarms_closed ON alarms (closed) WHERE closed > 0;
CREATE INDEX pushes_open ON pushes (planned) WHERE open;
CREATE TABLE commentary_spans (
    match_id INTEGER NOT NULL,
    language TEXT   NOT NULL,
    edition  TEXT NOT NULL, -- of the document
    low      INTEGER NOT NULL, -- place of its oldest line: it tells all that came after
    PRIMARY KEY (match_id, language, edition)
);
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY,
    at BIGINT NOT NULL -- ms since 1970 UTC
);
CREATE TABLE "events" (
    id       TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    match_id BIGINT  NOT NULL, -- 0 for a message of no one match
    seq      BIGINT  NOT NULL, -- 0 for messages
    body     TEXT    NOT NULL, -- goalcast.Event
    created  BIGINT  NOT NULL,
    PRIMARY KEY (match_id, id, revision)
);
CREATE UNIQUE INDEX events_sequence ON events (match_id, seq) WHERE seq > 0;
CREATE UNIQUE INDEX outbox_event ON outbox (match_id, event_id, revision);
CREATE INDEX matches_live ON matches (id) WHERE state = 'live';
CREATE INDEX devices_seen ON devices (seen);
CREATE INDEX devices_new ON devices (id) WHERE NOT proven;
CREATE INDEX follows_topic ON follows (kind, topic, place, user_id);
CREATE INDEX push_batches_open ON push_batches (late, created) WHERE state IN ('planned', 'claimed');
CREATE TABLE leases (
	name  TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	fence BIGINT NOT NULL, -- of the turn: higher with each
	ends  BIGINT NOT NULL  -- ms since 1970, by the database's clock; 0 when it was given back
);
CREATE TABLE odds_mappings (
	source      TEXT   NOT NULL,
	event       TEXT   NOT NULL, -- the provider's id
	match_id    BIGINT NOT NULL DEFAULT 0,
	decision    TEXT   NOT NULL DEFAULT 'unmapped',
	candidates  TEXT   NOT NULL DEFAULT '[]', -- ids of matches, JSON
	competition TEXT   NOT NULL DEFAULT '',
	kickoff     BIGINT NOT NULL DEFAULT 0,
	home        TEXT   NOT NULL DEFAULT '',
	away        TEXT   NOT NULL DEFAULT '',
	described   BIGINT NOT NULL DEFAULT 0, -- by the provider, last
	decided     BIGINT NOT NULL DEFAULT 0, -- when decision or match changed, by the database's clock
	decided_by  TEXT   NOT NULL DEFAULT '',
	PRIMARY KEY (source, event)
);
CREATE UNIQUE INDEX odds_mappings_match ON odds_mappings (source, match_id) WHERE match_id <> 0;
CREATE INDEX odds_mappings_described ON odds_mappings (described);
CREATE INDEX odds_mappings_decided ON odds_mappings (decided);
CREATE TABLE odds_gates (
	match_id BIGINT PRIMARY KEY,
	since    BIGINT NOT NULL,
	shut_by  TEXT   NOT NULL DEFAULT ''
);
CREATE TABLE odds_kept (
	source TEXT   PRIMARY KEY,
	kept   BLOB NOT NULL,
	at     BIGINT NOT NULL
);
CREATE TABLE odds_history (
	match_id   BIGINT NOT NULL,
	market     TEXT   NOT NULL,
	at         BIGINT NOT NULL, -- published, ms
	gate       TEXT   NOT NULL DEFAULT '', -- goalcast.Gate as JSON
	source     TEXT   NOT NULL DEFAULT '',
	status     TEXT   NOT NULL DEFAULT '', -- empty: the market is gone
	selections TEXT   NOT NULL DEFAULT '', -- goalcast.ShownSelection as JSON
	provider   BIGINT NOT NULL DEFAULT 0,
	received   BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (match_id, market, at)
);
CREATE INDEX odds_history_at ON odds_history (at);
CREATE TABLE audit (
	id           BIGINT PRIMARY KEY,
	begin_id     BIGINT NOT NULL,
	at           BIGINT NOT NULL,
	who          TEXT   NOT NULL,
	role         TEXT   NOT NULL,
	action       TEXT   NOT NULL,
	target       TEXT   NOT NULL,
	value_before TEXT   NOT NULL,
	value_after  TEXT   NOT NULL,
	request      TEXT   NOT NULL,
	status       BIGINT NOT NULL,
	prev         TEXT   NOT NULL,
	hash         TEXT   NOT NULL
);
CREATE INDEX audit_begin ON audit (begin_id) WHERE begin_id > 0;
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
	SELECT RAISE(ABORT, 'the audit is only added to: no UPDATE');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
	SELECT RAISE(ABORT, 'the audit is only added to: no DELETE');
END;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
	SELECT RAISE(ABORT, 'the audit is only added to: no REPLACE');
END;
CREATE TABLE replica_beats (
    token TEXT NOT NULL PRIMARY KEY, -- random: it is in this history of the database and in no other
    at BIGINT NOT NULL -- ms since 1970 UTC, by the primary's clock
);
CREATE INDEX replica_beats_at ON replica_beats (at);
CREATE TABLE search_words (
	kind   TEXT   NOT NULL, -- team, competition, player
	id     BIGINT NOT NULL,
	word   TEXT NOT NULL,
	folded TEXT NOT NULL,
	PRIMARY KEY (kind, id, word)
);
CREATE INDEX search_words_word ON search_words (word);
CREATE INDEX teams_unindexed ON teams (id) WHERE indexed <> name;
CREATE INDEX competitions_unindexed ON competitions (id) WHERE indexed <> name;
CREATE INDEX players_unindexed ON players (id) WHERE indexed <> name;
CREATE TABLE squad_players (
	player      BIGINT NOT NULL,
	competition BIGINT NOT NULL,
	season      TEXT   NOT NULL,
	team        BIGINT NOT NULL,
	PRIMARY KEY (player, competition, season, team)
);
CREATE INDEX squad_players_list ON squad_players (competition, season);
CREATE INDEX squads_unlisted ON squads (competition, season, team) WHERE NOT listed;
CREATE TABLE seasons (
	competition BIGINT NOT NULL,
	season      TEXT   NOT NULL,
	PRIMARY KEY (competition, season)
);
CREATE TABLE names (
	kind     TEXT   NOT NULL, -- team, competition
	id       BIGINT NOT NULL,
	language TEXT   NOT NULL,
	name     TEXT   NOT NULL,
	PRIMARY KEY (kind, id, language)
);
CREATE TABLE names_version (
	one     BIGINT PRIMARY KEY CHECK (one = 1),
	version TEXT   NOT NULL
);
CREATE TABLE preferences (
    user_id TEXT   PRIMARY KEY,
    body    TEXT   NOT NULL,
    updated BIGINT NOT NULL
, opted_in BOOLEAN NOT NULL DEFAULT FALSE);
CREATE INDEX preferences_updated ON preferences (updated);
CREATE INDEX devices_live ON devices (user_id, id) WHERE live_token <> '';
CREATE INDEX devices_sealed_by ON devices (sealed_by, id);
CREATE TABLE message_pushes (
    topic TEXT    PRIMARY KEY,
    at    INTEGER NOT NULL
);
CREATE INDEX follows_opted_in ON follows (kind, topic, place, user_id) WHERE opted_in;
CREATE TABLE partner_events (
    number   INTEGER PRIMARY KEY,
    match_id BIGINT  NOT NULL,
    event_id TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    silent   BOOLEAN NOT NULL, -- phones get nothing of it
    created  BIGINT  NOT NULL  -- when the event was committed
);
CREATE INDEX partner_events_created ON partner_events (created);
CREATE INDEX outbox_unnumbered ON outbox (id) WHERE NOT numbered;
CREATE TABLE partners (
    name       TEXT    PRIMARY KEY,
    cursor     BIGINT  NOT NULL,           -- number of the last event that it took, or that is not for it
    sets       INTEGER NOT NULL DEFAULT 0, -- how often an operator has set the cursor
    configured BIGINT  NOT NULL,           -- when a process last had it in its file
    taken      BIGINT  NOT NULL DEFAULT 0, -- when it last took one
    failing    BIGINT  NOT NULL DEFAULT 0, -- since when it has not taken the next one; 0: it was not tried
    attempts   INTEGER NOT NULL DEFAULT 0, -- of the next one
    retry      BIGINT  NOT NULL DEFAULT 0, -- not before this time
    reason     TEXT    NOT NULL DEFAULT '', -- of the last attempt
    error      TEXT    NOT NULL DEFAULT '',
    paused     BIGINT  NOT NULL DEFAULT 0  -- since when nothing is sent until an operator sets the cursor
);
CREATE INDEX devices_user ON devices (user_id, id, carrier);
CREATE TABLE "live_channels" (
	service  TEXT NOT NULL,
	channel  TEXT NOT NULL,          -- its id there
	match_id BIGINT NOT NULL,
	created  BIGINT NOT NULL,        -- this and the times below in ms since 1970; 0 is never
	sent     BIGINT NOT NULL DEFAULT 0,
	shown    BLOB,
	opened   BIGINT NOT NULL DEFAULT 0,
	ended    BIGINT NOT NULL DEFAULT 0,
	started  BIGINT NOT NULL DEFAULT 0, -- id of a device
	PRIMARY KEY (service, channel),
	UNIQUE (service, match_id)
);
CREATE INDEX devices_topics_due ON devices (topics_due) WHERE topics_due > 0;
CREATE INDEX devices_topics ON devices (id) WHERE topics <> '' OR topics_unsure <> '';
CREATE TABLE topic_leavers (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	token     TEXT NOT NULL,
	sealed    BLOB,
	sealed_by TEXT NOT NULL,
	carrier   TEXT NOT NULL,
	topics    TEXT NOT NULL
);
CREATE TRIGGER device_leaves_topics AFTER DELETE ON devices WHEN OLD.topics <> '' OR OLD.topics_unsure <> ''
BEGIN
	INSERT INTO topic_leavers (token, sealed, sealed_by, carrier, topics)
		VALUES (OLD.token, OLD.sealed, OLD.sealed_by, OLD.carrier, trim(OLD.topics || ' ' || OLD.topics_unsure));
END;
INSERT INTO heartbeat (at, id) VALUES (0, 1);
INSERT INTO names_version (one, version) VALUES (1, '');
