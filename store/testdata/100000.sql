-- 100,000 rows in each of the tables that grow, for BenchmarkMigrations (PostgreSQL): as
-- before.sql, with sizes as they are in use.
INSERT INTO documents (provider, feed, match_id, headers, size, digest, received, seen)
	SELECT 'opta', 'F24', n / 300, '{"X-Meta-Feed-Type":"F24","X-Meta-Game-Id":"1"}', 4000, sha256(n::text::bytea),
		1796000000000 + n, 1796000000000 + n FROM generate_series(1, 100000) n;
DO $$ BEGIN
	CREATE TABLE document_bodies_filled PARTITION OF document_bodies FOR VALUES FROM (1796000000000) TO (1796086400000);
END $$;
INSERT INTO document_bodies (document, received, packing, body)
	SELECT id, received, 0, convert_to(repeat(md5(id::text), 125), 'UTF8') FROM documents;
INSERT INTO events (id, revision, match_id, seq, body, created)
	SELECT 'opta-' || n, 1, n / 300, n % 300 + 1, repeat('x', 900), 1796000000000 + n FROM generate_series(1, 100000) n;
INSERT INTO outbox (event_id, revision, match_id, seq, body, created, published_at, planned_at, numbered)
	SELECT id, 1, match_id, seq, body, created, created, created, TRUE FROM events;
INSERT INTO devices (token, sealed_by, user_id, platform, language, created, seen, proven, live_token,
		live_sealed_by, carrier)
	SELECT repeat(md5(n::text), 5), '', 'user-' || n, 'android', 'en', 1796000000000, 1796000000000, TRUE, '', '', ''
	FROM generate_series(1, 100000) n;
INSERT INTO follows (user_id, kind, topic, created, place)
	SELECT 'user-' || n, 1, n % 300, 1796000000000, 1796000000000 FROM generate_series(1, 100000) n;
INSERT INTO pushes (event_id, match_id, planned) SELECT id, match_id, created FROM events;
INSERT INTO push_batches (id, event_id, revision, number, source, created, expires, service)
	SELECT id || '/1/0', id, 1, 0, '', created, created + 900000, 'fcm' FROM events;
ANALYZE;
