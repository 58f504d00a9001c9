#!/bin/bash
# The replica of compose-ha.yaml: copies the primary when it has nothing yet, and follows it.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	password=$(cat /run/secrets/replication-password)
	chmod 700 "$PGDATA"
	# Without a slot: a replica that is away for long would fill the primary's disk. It then copies anew, once its
	# volume is deleted.
	pg_basebackup -d "host=${PRIMARY:-postgres} user=replicator password=$password application_name=replica" \
		-D "$PGDATA" -X stream -c fast -R
fi
exec postgres -c hot_standby=on -c wal_receiver_status_interval=1s
