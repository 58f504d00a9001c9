-- +goose Up
-- What administrators did: goalcast.AuditEntry. Rows are only ever added.
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
-- INSERT OR REPLACE deletes without that trigger
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
	SELECT RAISE(ABORT, 'the audit is only added to: no REPLACE');
END;

-- +goose Down
DROP TABLE audit;
