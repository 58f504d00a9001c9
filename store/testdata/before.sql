-- Rows as the program of the version before writes them: with the columns that it names. See
-- migrations/released; the document's bytes are left out, since their table differs by database.
INSERT INTO documents (provider, feed, match_id, headers, size, digest, received, seen)
	VALUES ('opta', 'F24', 1, '{"X-Meta-Feed-Type":"F24"}', 3, 'one', 1796000000000, 1796000000000),
		('opta', 'F7', 1, '{}', 3, 'two', 1796000001000, 1796000001000);
INSERT INTO competitions (id, name) VALUES (8, 'Première Ligue');
INSERT INTO teams (id, name) VALUES (11, 'Norrköping'), (12, 'Athletic');
INSERT INTO players (id, name, edition) VALUES (101, 'A. Çelik', '2026-11-29T20:00:00Z');
INSERT INTO matches (id, snapshot, feeds) VALUES (1, '{"id":1,"seq":2}', 'memory');
INSERT INTO events (id, revision, match_id, seq, body, created)
	VALUES ('opta-1', 1, 1, 1, '{"id":"opta-1","kind":"goal"}', 1796000000000),
		('opta-1', 2, 1, 2, '{"id":"opta-1","kind":"goal"}', 1796000001000);
INSERT INTO outbox (event_id, revision, match_id, seq, body, created, numbered)
	VALUES ('opta-1', 2, 1, 2, '{"id":"opta-1","kind":"goal"}', 1796000001000, FALSE);
INSERT INTO devices (token, sealed, sealed_by, user_id, platform, language, created, seen, proven, live_token,
		live_sealed, live_sealed_by, carrier)
	VALUES ('token-1', NULL, '', 'user-1', 'ios', 'de', 1796000000000, 1796000000000, FALSE, 'live-1', NULL, '', ''),
		('', 'sealed', 'key-1', 'user-2', 'android', 'en', 1796000000000, 1796000000000, FALSE, '', NULL, '', '');
INSERT INTO follows (user_id, kind, topic, created, place, opted_in)
	VALUES ('user-1', 1, 1, 1796000000000, 1796000000000, FALSE);
INSERT INTO preferences (user_id, body, updated, opted_in) VALUES ('user-1', '{}', 1796000000000, TRUE);
INSERT INTO pushes (event_id, match_id, planned) VALUES ('opta-1', 1, 1796000002000);
INSERT INTO push_batches (id, event_id, revision, number, source, created, expires, remaining, late, not_before,
		silent, no_scores, devices, due, service)
	VALUES ('opta-1/1/0', 'opta-1', 1, 0, '', 1796000002000, 1796000902000, 'ids', FALSE, 0, FALSE, TRUE, 2,
		1796000002000, 'apns');
INSERT INTO live_channels (service, channel, match_id, created) VALUES ('apns', 'channel-1', 1, 1796000000000);
INSERT INTO standings (competition, season, edition, updated, body, counts)
	VALUES (8, '2026', '2026-11-29T20:00:00Z', 1796000000000, '{}', '[]');
INSERT INTO partner_events (number, match_id, event_id, revision, silent, created)
	VALUES (1, 1, 'opta-1', 1, FALSE, 1796000000000);
INSERT INTO clips (id) VALUES ('clip-1');
