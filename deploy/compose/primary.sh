#!/bin/bash
# Runs once, when the primary of compose-ha.yaml makes its database: a role that may only replicate.
set -eu
password=$(cat /run/secrets/replication-password)
psql -v ON_ERROR_STOP=1 -v password="$password" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'password';
SQL
echo "host replication replicator samenet scram-sha-256" >>"$PGDATA/pg_hba.conf"
