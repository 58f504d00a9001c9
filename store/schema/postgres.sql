-- What the migrations up to 52 make of an empty database, written by go test ./store -run TestSchema -update

CREATE FUNCTION audit_is_kept() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
	RAISE EXCEPTION 'the audit is only added to: no %', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION device_leaves_topics() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
	INSERT INTO topic_leavers (token, sealed, sealed_by, carrier, topics)
		VALUES (OLD.token, OLD.sealed, OLD.sealed_by, OLD.carrier, trim(OLD.topics || ' ' || OLD.topics_unsure));
	RETURN NULL;
END
$$;

CREATE TABLE alarms (
    id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    match_id bigint DEFAULT 0 NOT NULL,
    text text NOT NULL,
    opened bigint NOT NULL,
    closed bigint DEFAULT 0 NOT NULL,
    acked bigint DEFAULT 0 NOT NULL,
    acked_by text DEFAULT ''::text NOT NULL
);

ALTER TABLE alarms ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME alarms_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit (
    id bigint NOT NULL,
    begin_id bigint NOT NULL,
    at bigint NOT NULL,
    who text NOT NULL,
    role text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    value_before text NOT NULL,
    value_after text NOT NULL,
    request text NOT NULL,
    status bigint NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL
);

CREATE TABLE clips (
    id text NOT NULL,
    match_id bigint DEFAULT 0 NOT NULL,
    event text DEFAULT ''::text NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    video text DEFAULT ''::text NOT NULL,
    job text DEFAULT ''::text NOT NULL,
    state text DEFAULT ''::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    due bigint DEFAULT 0 NOT NULL,
    updated bigint DEFAULT 0 NOT NULL,
    body text DEFAULT ''::text NOT NULL
);

CREATE TABLE commentary (
    match_id bigint NOT NULL,
    language text NOT NULL,
    line text NOT NULL,
    modified bigint NOT NULL,
    place bigint NOT NULL,
    body text NOT NULL,
    told text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE commentary_spans (
    match_id bigint NOT NULL,
    language text NOT NULL,
    edition text NOT NULL COLLATE pg_catalog."C",
    low bigint NOT NULL
);

CREATE TABLE competitions (
    id bigint NOT NULL,
    name text NOT NULL,
    indexed text DEFAULT ''::text NOT NULL
);

CREATE TABLE devices (
    id bigint NOT NULL,
    token text NOT NULL,
    user_id text NOT NULL,
    platform text NOT NULL,
    language text NOT NULL,
    created bigint NOT NULL,
    seen bigint NOT NULL,
    proven boolean DEFAULT false NOT NULL,
    live_token text DEFAULT ''::text NOT NULL,
    live_sealed bytea,
    live_sealed_by text DEFAULT ''::text NOT NULL,
    sealed bytea,
    sealed_by text DEFAULT ''::text NOT NULL,
    carrier text DEFAULT ''::text NOT NULL,
    topics text DEFAULT ''::text NOT NULL,
    topics_unsure text DEFAULT ''::text NOT NULL,
    topics_due bigint DEFAULT 1 NOT NULL
);

ALTER TABLE devices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME devices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE document_bodies (
    document bigint NOT NULL,
    received bigint NOT NULL,
    packing smallint NOT NULL,
    body bytea NOT NULL
)
PARTITION BY RANGE (received);
ALTER TABLE ONLY document_bodies ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE documents (
    id bigint NOT NULL,
    provider text NOT NULL,
    feed text NOT NULL,
    match_id bigint NOT NULL,
    headers text NOT NULL,
    digest bytea NOT NULL,
    received bigint NOT NULL,
    state text DEFAULT 'received'::text NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    size integer DEFAULT 0 NOT NULL,
    repeats integer DEFAULT 0 NOT NULL,
    seen bigint DEFAULT 0 NOT NULL
);

ALTER TABLE documents ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME documents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE events (
    id text NOT NULL,
    revision integer NOT NULL,
    match_id bigint NOT NULL,
    seq bigint NOT NULL,
    body text NOT NULL,
    created bigint NOT NULL
);

CREATE TABLE follows (
    user_id text NOT NULL,
    kind integer NOT NULL,
    topic bigint NOT NULL,
    created bigint NOT NULL,
    place bigint DEFAULT 0 NOT NULL,
    opted_in boolean DEFAULT false NOT NULL
);

CREATE TABLE heartbeat (
    id bigint NOT NULL,
    at bigint NOT NULL
);

CREATE TABLE jobs (
    name text NOT NULL,
    slot bigint DEFAULT '-1'::integer NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    lease bigint DEFAULT 0 NOT NULL,
    began bigint DEFAULT 0 NOT NULL,
    ended bigint DEFAULT 0 NOT NULL,
    runs bigint DEFAULT 0 NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    period bigint DEFAULT 0 NOT NULL,
    succeeded bigint DEFAULT 0 NOT NULL
);

CREATE TABLE leases (
    name text NOT NULL,
    owner text NOT NULL,
    fence bigint NOT NULL,
    ends bigint NOT NULL
);

CREATE TABLE live_channels (
    channel text NOT NULL,
    match_id bigint NOT NULL,
    created bigint NOT NULL,
    sent bigint DEFAULT 0 NOT NULL,
    shown bytea,
    opened bigint DEFAULT 0 NOT NULL,
    ended bigint DEFAULT 0 NOT NULL,
    started bigint DEFAULT 0 NOT NULL,
    service text NOT NULL
);

CREATE TABLE matches (
    id bigint NOT NULL,
    competition bigint DEFAULT 0 NOT NULL,
    home bigint DEFAULT 0 NOT NULL,
    away bigint DEFAULT 0 NOT NULL,
    kickoff bigint DEFAULT 0 NOT NULL,
    state text DEFAULT ''::text NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    snapshot text NOT NULL,
    feeds bytea NOT NULL,
    updated bigint DEFAULT 0 NOT NULL
);
ALTER TABLE ONLY matches ALTER COLUMN snapshot SET STORAGE EXTERNAL;
ALTER TABLE ONLY matches ALTER COLUMN feeds SET STORAGE EXTERNAL;

CREATE TABLE message_pushes (
    topic text NOT NULL,
    at bigint NOT NULL
);

CREATE TABLE names (
    kind text NOT NULL COLLATE pg_catalog."C",
    id bigint NOT NULL,
    language text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL
);

CREATE TABLE names_version (
    one bigint NOT NULL,
    version text NOT NULL,
    CONSTRAINT names_version_one_check CHECK ((one = 1))
);

CREATE TABLE odds_gates (
    match_id bigint NOT NULL,
    since bigint NOT NULL,
    shut_by text DEFAULT ''::text NOT NULL
);

CREATE TABLE odds_history (
    match_id bigint NOT NULL,
    market text NOT NULL,
    at bigint NOT NULL,
    gate text DEFAULT ''::text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    status text DEFAULT ''::text NOT NULL,
    selections text DEFAULT ''::text NOT NULL,
    provider bigint DEFAULT 0 NOT NULL,
    received bigint DEFAULT 0 NOT NULL
)
PARTITION BY RANGE (at);

CREATE TABLE odds_kept (
    source text NOT NULL,
    kept bytea NOT NULL,
    at bigint NOT NULL
);

CREATE TABLE odds_mappings (
    source text NOT NULL,
    event text NOT NULL,
    match_id bigint DEFAULT 0 NOT NULL,
    decision text DEFAULT 'unmapped'::text NOT NULL,
    candidates text DEFAULT '[]'::text NOT NULL,
    competition text DEFAULT ''::text NOT NULL,
    kickoff bigint DEFAULT 0 NOT NULL,
    home text DEFAULT ''::text NOT NULL,
    away text DEFAULT ''::text NOT NULL,
    described bigint DEFAULT 0 NOT NULL,
    decided bigint DEFAULT 0 NOT NULL,
    decided_by text DEFAULT ''::text NOT NULL
);

CREATE TABLE outbox (
    id bigint NOT NULL,
    event_id text NOT NULL,
    revision integer NOT NULL,
    match_id bigint NOT NULL,
    seq bigint NOT NULL,
    body text NOT NULL,
    created bigint NOT NULL,
    published_at bigint,
    planned_at bigint,
    plan_after bigint DEFAULT 0 NOT NULL,
    silent boolean DEFAULT false NOT NULL,
    numbered boolean DEFAULT false NOT NULL
);

ALTER TABLE outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE partner_events (
    number bigint NOT NULL,
    match_id bigint NOT NULL,
    event_id text NOT NULL,
    revision integer NOT NULL,
    silent boolean NOT NULL,
    created bigint NOT NULL
);

CREATE TABLE partners (
    name text NOT NULL,
    cursor bigint NOT NULL,
    sets integer DEFAULT 0 NOT NULL,
    configured bigint NOT NULL,
    taken bigint DEFAULT 0 NOT NULL,
    failing bigint DEFAULT 0 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    retry bigint DEFAULT 0 NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    paused bigint DEFAULT 0 NOT NULL
);

CREATE TABLE players (
    id bigint NOT NULL,
    name text NOT NULL,
    edition text NOT NULL COLLATE pg_catalog."C",
    indexed text DEFAULT ''::text NOT NULL
);

CREATE TABLE preferences (
    user_id text NOT NULL,
    body text NOT NULL,
    updated bigint NOT NULL,
    opted_in boolean DEFAULT false NOT NULL
);

CREATE TABLE push_batches (
    id text NOT NULL,
    event_id text NOT NULL,
    revision integer NOT NULL,
    number integer NOT NULL,
    source text NOT NULL,
    created bigint NOT NULL,
    expires bigint NOT NULL,
    state text DEFAULT 'planned'::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    lease_until bigint DEFAULT 0 NOT NULL,
    not_before bigint DEFAULT 0 NOT NULL,
    sent integer DEFAULT 0 NOT NULL,
    remaining bytea,
    reached bytea,
    unsure boolean DEFAULT false NOT NULL,
    late boolean DEFAULT false NOT NULL,
    silent boolean DEFAULT false NOT NULL,
    no_scores boolean DEFAULT false NOT NULL,
    devices integer DEFAULT 0 NOT NULL,
    due bigint DEFAULT 0 NOT NULL,
    tally text DEFAULT ''::text NOT NULL,
    service text DEFAULT ''::text NOT NULL,
    language text DEFAULT ''::text NOT NULL
);

CREATE TABLE pushes (
    event_id text NOT NULL,
    match_id bigint DEFAULT 0 NOT NULL,
    revision integer DEFAULT 0 NOT NULL,
    state text DEFAULT ''::text NOT NULL,
    since bigint DEFAULT 0 NOT NULL,
    shown bigint DEFAULT 0 NOT NULL,
    base integer DEFAULT 0 NOT NULL,
    told integer DEFAULT 0 NOT NULL,
    batches integer DEFAULT 0 NOT NULL,
    print text DEFAULT ''::text NOT NULL,
    topics text DEFAULT '[]'::text NOT NULL,
    content text DEFAULT ''::text NOT NULL,
    planned bigint NOT NULL,
    open boolean DEFAULT false NOT NULL,
    cut text DEFAULT ''::text NOT NULL,
    expires bigint DEFAULT 0 NOT NULL,
    withheld text DEFAULT ''::text NOT NULL,
    by_topic boolean DEFAULT false NOT NULL
);

CREATE TABLE replica_beats (
    token text NOT NULL,
    at bigint NOT NULL
);

CREATE TABLE search_words (
    kind text NOT NULL,
    id bigint NOT NULL,
    word text NOT NULL COLLATE pg_catalog."C",
    folded text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE seasons (
    competition bigint NOT NULL,
    season text NOT NULL
);

CREATE TABLE squad_lists (
    competition bigint NOT NULL,
    season text NOT NULL,
    edition text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE squad_players (
    player bigint NOT NULL,
    competition bigint NOT NULL,
    season text NOT NULL,
    team bigint NOT NULL
);

CREATE TABLE squads (
    competition bigint NOT NULL,
    season text NOT NULL,
    team bigint NOT NULL,
    updated bigint NOT NULL,
    players integer NOT NULL,
    body text NOT NULL,
    listed boolean DEFAULT false NOT NULL
);

CREATE TABLE standings (
    competition bigint NOT NULL,
    season text NOT NULL,
    edition text NOT NULL COLLATE pg_catalog."C",
    updated bigint NOT NULL,
    body text NOT NULL,
    counts text DEFAULT '[]'::text NOT NULL
);

CREATE TABLE teams (
    id bigint NOT NULL,
    name text NOT NULL,
    indexed text DEFAULT ''::text NOT NULL
);

CREATE TABLE topic_leavers (
    id bigint NOT NULL,
    token text NOT NULL,
    sealed bytea,
    sealed_by text NOT NULL,
    carrier text NOT NULL,
    topics text NOT NULL
);

ALTER TABLE topic_leavers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME topic_leavers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

INSERT INTO heartbeat VALUES (1, 0);

INSERT INTO names_version VALUES (1, '');

ALTER TABLE ONLY alarms
    ADD CONSTRAINT alarms_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY clips
    ADD CONSTRAINT clips_pkey PRIMARY KEY (id);

ALTER TABLE ONLY commentary
    ADD CONSTRAINT commentary_pkey PRIMARY KEY (match_id, language, line);

ALTER TABLE ONLY commentary_spans
    ADD CONSTRAINT commentary_spans_pkey PRIMARY KEY (match_id, language, edition);

ALTER TABLE ONLY competitions
    ADD CONSTRAINT competitions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY devices
    ADD CONSTRAINT devices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY devices
    ADD CONSTRAINT devices_token_key UNIQUE (token);

ALTER TABLE ONLY document_bodies
    ADD CONSTRAINT document_bodies_pkey PRIMARY KEY (received, document);

ALTER TABLE ONLY documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY events
    ADD CONSTRAINT events_pkey PRIMARY KEY (match_id, id, revision);

ALTER TABLE ONLY follows
    ADD CONSTRAINT follows_pkey PRIMARY KEY (user_id, kind, topic);

ALTER TABLE ONLY heartbeat
    ADD CONSTRAINT heartbeat_pkey PRIMARY KEY (id);

ALTER TABLE ONLY jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (name);

ALTER TABLE ONLY leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);

ALTER TABLE ONLY live_channels
    ADD CONSTRAINT live_channels_pkey PRIMARY KEY (service, channel);

ALTER TABLE ONLY live_channels
    ADD CONSTRAINT live_channels_service_match_id_key UNIQUE (service, match_id);

ALTER TABLE ONLY matches
    ADD CONSTRAINT matches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_pushes
    ADD CONSTRAINT message_pushes_pkey PRIMARY KEY (topic);

ALTER TABLE ONLY names
    ADD CONSTRAINT names_pkey PRIMARY KEY (kind, id, language);

ALTER TABLE ONLY names_version
    ADD CONSTRAINT names_version_pkey PRIMARY KEY (one);

ALTER TABLE ONLY odds_gates
    ADD CONSTRAINT odds_gates_pkey PRIMARY KEY (match_id);

ALTER TABLE ONLY odds_history
    ADD CONSTRAINT odds_history_pkey PRIMARY KEY (match_id, market, at);

ALTER TABLE ONLY odds_kept
    ADD CONSTRAINT odds_kept_pkey PRIMARY KEY (source);

ALTER TABLE ONLY odds_mappings
    ADD CONSTRAINT odds_mappings_pkey PRIMARY KEY (source, event);

ALTER TABLE ONLY outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY partner_events
    ADD CONSTRAINT partner_events_pkey PRIMARY KEY (number);

ALTER TABLE ONLY partners
    ADD CONSTRAINT partners_pkey PRIMARY KEY (name);

ALTER TABLE ONLY players
    ADD CONSTRAINT players_pkey PRIMARY KEY (id);

ALTER TABLE ONLY preferences
    ADD CONSTRAINT preferences_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY push_batches
    ADD CONSTRAINT push_batches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY pushes
    ADD CONSTRAINT pushes_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY replica_beats
    ADD CONSTRAINT replica_beats_pkey PRIMARY KEY (token);

ALTER TABLE ONLY search_words
    ADD CONSTRAINT search_words_pkey PRIMARY KEY (kind, id, word);

ALTER TABLE ONLY seasons
    ADD CONSTRAINT seasons_pkey PRIMARY KEY (competition, season);

ALTER TABLE ONLY squad_lists
    ADD CONSTRAINT squad_lists_pkey PRIMARY KEY (competition, season);

ALTER TABLE ONLY squad_players
    ADD CONSTRAINT squad_players_pkey PRIMARY KEY (player, competition, season, team);

ALTER TABLE ONLY squads
    ADD CONSTRAINT squads_pkey PRIMARY KEY (competition, season, team);

ALTER TABLE ONLY standings
    ADD CONSTRAINT standings_pkey PRIMARY KEY (competition, season);

ALTER TABLE ONLY teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY topic_leavers
    ADD CONSTRAINT topic_leavers_pkey PRIMARY KEY (id);

CREATE INDEX alarms_closed ON alarms USING btree (closed) WHERE (closed > 0);

CREATE UNIQUE INDEX alarms_open ON alarms USING btree (name) WHERE (closed = 0);

CREATE INDEX audit_at ON audit USING btree (at);

CREATE INDEX audit_begin ON audit USING btree (begin_id) WHERE (begin_id > 0);

CREATE INDEX clips_due ON clips USING btree (due) WHERE (due > 0);

CREATE INDEX clips_match ON clips USING btree (match_id, id);

CREATE INDEX clips_video ON clips USING btree (video) WHERE (video <> ''::text);

CREATE INDEX commentary_newest ON commentary USING btree (match_id, language, place, modified, line);

CREATE INDEX competitions_unindexed ON competitions USING btree (id) WHERE (indexed <> name);

CREATE INDEX devices_live ON devices USING btree (user_id, id) WHERE (live_token <> ''::text);

CREATE INDEX devices_new ON devices USING btree (id) WHERE (NOT proven);

CREATE INDEX devices_sealed_by ON devices USING btree (sealed_by, id);

CREATE INDEX devices_seen ON devices USING btree (seen);

CREATE INDEX devices_topics ON devices USING btree (id) WHERE ((topics <> ''::text) OR (topics_unsure <> ''::text));

CREATE INDEX devices_topics_due ON devices USING btree (topics_due) WHERE (topics_due > 0);

CREATE INDEX devices_user ON devices USING btree (user_id, id) INCLUDE (carrier);

CREATE UNIQUE INDEX documents_digest ON documents USING btree (digest, provider, feed, match_id);

CREATE INDEX documents_failed ON documents USING btree (id) WHERE (state = 'failed'::text);

CREATE INDEX documents_match ON documents USING btree (match_id, id);

CREATE INDEX documents_received ON documents USING btree (received);

CREATE INDEX documents_unfinished ON documents USING btree (id) WHERE (state = 'received'::text);

CREATE UNIQUE INDEX events_sequence ON events USING btree (match_id, seq) WHERE (seq > 0);

CREATE INDEX follows_opted_in ON follows USING btree (kind, topic, place, user_id) WHERE opted_in;

CREATE INDEX follows_topic ON follows USING btree (kind, topic, place, user_id);

CREATE INDEX matches_away ON matches USING btree (away, kickoff);

CREATE INDEX matches_competition ON matches USING btree (competition, kickoff);

CREATE INDEX matches_home ON matches USING btree (home, kickoff);

CREATE INDEX matches_kickoff ON matches USING btree (kickoff, id);

CREATE INDEX matches_live ON matches USING btree (id) WHERE (state = 'live'::text);

CREATE INDEX odds_mappings_decided ON odds_mappings USING btree (decided);

CREATE INDEX odds_mappings_described ON odds_mappings USING btree (described);

CREATE UNIQUE INDEX odds_mappings_match ON odds_mappings USING btree (source, match_id) WHERE (match_id <> 0);

CREATE UNIQUE INDEX outbox_event ON outbox USING btree (match_id, event_id, revision);

CREATE INDEX outbox_unnumbered ON outbox USING btree (id) WHERE (NOT numbered);

CREATE INDEX outbox_unplanned ON outbox USING btree (id) WHERE (planned_at IS NULL);

CREATE INDEX outbox_unpublished ON outbox USING btree (id) WHERE (published_at IS NULL);

CREATE INDEX outbox_unpublished_match ON outbox USING btree (match_id, seq) WHERE (published_at IS NULL);

CREATE INDEX partner_events_created ON partner_events USING btree (created);

CREATE INDEX players_unindexed ON players USING btree (id) WHERE (indexed <> name);

CREATE INDEX preferences_updated ON preferences USING btree (updated);

CREATE INDEX push_batches_event ON push_batches USING btree (event_id, revision);

CREATE INDEX push_batches_open ON push_batches USING btree (late, created) WHERE (state = ANY (ARRAY['planned'::text, 'claimed'::text]));

CREATE INDEX pushes_open ON pushes USING btree (planned) WHERE open;

CREATE INDEX pushes_planned ON pushes USING btree (planned);

CREATE INDEX replica_beats_at ON replica_beats USING btree (at);

CREATE INDEX search_words_word ON search_words USING btree (word);

CREATE INDEX squad_players_list ON squad_players USING btree (competition, season);

CREATE INDEX squads_team ON squads USING btree (team, updated);

CREATE INDEX squads_unlisted ON squads USING btree (competition, season, team) WHERE (NOT listed);

CREATE INDEX teams_unindexed ON teams USING btree (id) WHERE (indexed <> name);

CREATE TRIGGER audit_is_kept BEFORE DELETE OR UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept();

CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();

CREATE TRIGGER device_leaves_topics AFTER DELETE ON devices FOR EACH ROW WHEN (((old.topics <> ''::text) OR (old.topics_unsure <> ''::text))) EXECUTE FUNCTION device_leaves_topics();
