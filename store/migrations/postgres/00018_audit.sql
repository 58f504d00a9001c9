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

CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the audit is only added to: no %', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit
	FOR EACH ROW EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit
	FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();

-- +goose Down
DROP TABLE audit;
DROP FUNCTION audit_is_kept;
