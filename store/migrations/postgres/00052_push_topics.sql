-- +goose Up

-- Topics of the push service by which a device gets pushes to huge audiences (goalcast.PushChannel), with spaces between them: topics, those that it surely listens to; topics_unsure, those
-- that it may. topics_due: when that is compared with its user's follows and preferences, in ms since 1970; 0 is never.
ALTER TABLE devices ADD COLUMN topics TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN topics_unsure TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN topics_due BIGINT NOT NULL DEFAULT 1;
CREATE INDEX devices_topics_due ON devices (topics_due) WHERE topics_due > 0;
CREATE INDEX devices_topics ON devices (id) WHERE topics <> '' OR topics_unsure <> '';

-- Tokens of devices that are deleted while they listen, until they listen no more.
CREATE TABLE topic_leavers (
	id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	token     TEXT NOT NULL,
	sealed    BYTEA,
	sealed_by TEXT NOT NULL,
	carrier   TEXT NOT NULL,
	topics    TEXT NOT NULL
);
-- +goose StatementBegin
CREATE FUNCTION device_leaves_topics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO topic_leavers (token, sealed, sealed_by, carrier, topics)
		VALUES (OLD.token, OLD.sealed, OLD.sealed_by, OLD.carrier, trim(OLD.topics || ' ' || OLD.topics_unsure));
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER device_leaves_topics AFTER DELETE ON devices
	FOR EACH ROW WHEN (OLD.topics <> '' OR OLD.topics_unsure <> '') EXECUTE FUNCTION device_leaves_topics();

-- Whether a push goes to topics too, and the language of a batch to topics; '' for one to devices.
ALTER TABLE pushes ADD COLUMN by_topic BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE push_batches ADD COLUMN language TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE push_batches DROP COLUMN language;
ALTER TABLE pushes DROP COLUMN by_topic;
DROP TRIGGER device_leaves_topics ON devices;
DROP FUNCTION device_leaves_topics;
DROP TABLE topic_leavers;
DROP INDEX devices_topics;
DROP INDEX devices_topics_due;
ALTER TABLE devices DROP COLUMN topics_due;
ALTER TABLE devices DROP COLUMN topics_unsure;
ALTER TABLE devices DROP COLUMN topics;
