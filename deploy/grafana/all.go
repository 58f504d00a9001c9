package grafana

// quantile is a histogram's quantile over all processes, by the labels given.
func quantile(q, histogram, by string) string {
	if by != "" {
		by = ", " + by
	}
	return "histogram_quantile(" + q + ", sum by (le" + by + ") (rate(" + histogram +
		`_bucket{instance=~"$instance"}[$__rate_interval])))`
}

// rate is how fast a counter goes up, summed by the labels given.
func rate(counter, by string) string {
	return "sum by (" + by + ") (rate(" + counter + `{instance=~"$instance"}[$__rate_interval]))`
}

// total is a gauge, summed by the labels given.
func total(gauge, by string) string {
	return "sum by (" + by + ") (" + gauge + `{instance=~"$instance"})`
}

// worst is the highest of a gauge, by the labels given.
func worst(gauge, by string) string {
	return "max by (" + by + ") (" + gauge + `{instance=~"$instance"})`
}

// quantiles are the median and the slow end.
func quantiles(histogram, by string) []query {
	return []query{{quantile("0.5", histogram, by), "p50"}, {quantile("0.99", histogram, by), "p99"}}
}

// all dashboards. The first is the one to look at while matches are on.
var all = []dashboard{matchNight, hub, ingest, odds, pushes, api}

var matchNight = dashboard{"match-night", "goalcast: match night", "Is every goal told, at once? Begin here.", []row{
	{"Now", []panel{
		{title: "Viewers", unit: "short", number: true,
			queries: []query{{total("goalcast_hub_connections", ""), "viewers"}}},
		{title: "Event to last viewer, p99", unit: "s", number: true,
			description: "From the moment a hub had the event to its last viewer's write.",
			queries:     []query{{quantile("0.99", "goalcast_hub_event_write_seconds", ""), "p99"}}},
		{title: "Goal to push service, p99", unit: "s", number: true,
			description: "From the goal's commit to the first request at a push service.",
			queries:     []query{{quantile("0.99", "goalcast_notify_goal_to_request_seconds", ""), "p99"}}},
		{title: "Oldest in the outbox", unit: "s", number: true,
			description: "How long the oldest event has been committed and not on the bus.",
			queries:     []query{{worst("goalcast_store_outbox_age_seconds", ""), "oldest"}}},
		{title: "Deaf processes", unit: "short", number: true, description: "Processes that hear nothing from Redis.",
			queries: []query{{total("goalcast_store_bus_stale", ""), "deaf"}}},
		{title: "Open alarms", unit: "short", number: true,
			queries: []query{{"sum(max by (kind) (goalcast_watch_alarms_open))", "alarms"}}},
	}},
	{"From the provider to the fan", []panel{
		{title: "Age of an event when its last viewer had it, p99", unit: "s",
			description: "Counted from the provider's own time, the document's arrival, the publishing.",
			queries:     []query{{quantile("0.99", "goalcast_hub_event_age_seconds", "since"), "since {{since}}"}}},
		{title: "Whistle to glass", unit: "s",
			description: "What phones and browsers say: from the event to the moment it was shown. A sample.",
			queries:     quantiles("goalcast_notify_shown_seconds", "")},
		{title: "Events", unit: "ops", description: "Event revisions that ingest made, by kind.",
			queries: []query{{rate("goalcast_ingest_events_total", "kind"), "{{kind}}"}}},
		{title: "Spans of traces", unit: "ops", description: "lost: the collector does not take them.",
			queries: []query{{rate("goalcast_tracing_spans_total", "result"), "{{result}}"}}},
	}},
	{"The canary", []panel{
		{title: "Canary", unit: "s",
			description: "From the POST of its goal at the public address until it is seen, on average.",
			queries: []query{{"sum by (way) (rate(goalcast_canary_seconds_sum[5m])) / " +
				"sum by (way) (rate(goalcast_canary_seconds_count[5m]))", "{{way}}"}}},
		{title: "Goals of the canary that were lost", unit: "ops",
			queries: []query{{rate("goalcast_canary_failures_total", "way"), "{{way}}"}}},
	}},
	{"Who is told", []panel{
		{title: "Viewers by transport", unit: "short",
			description: "Expected: what fixtures and follows promise within a quarter of an hour.",
			queries: []query{{total("goalcast_hub_connections", "transport"), "{{transport}}"},
				{worst("goalcast_expected_viewers", ""), "expected"}}},
		{title: "Pushes", unit: "ops", queries: []query{{rate("goalcast_notify_sent_total", ""), "sent"},
			{rate("goalcast_notify_failed_total", "reason"), "failed: {{reason}}"},
			{rate("goalcast_notify_retried_total", "reason"), "later: {{reason}}"}}},
		{title: "Documents", unit: "ops",
			queries: []query{{rate("goalcast_ingest_documents_total", "provider"), "{{provider}}"}}},
		{title: "Requests", unit: "ops",
			queries: []query{{rate("goalcast_rest_request_seconds_count", ""), "answered"},
				{rate("goalcast_rest_refused_total", "code"), "refused: {{code}}"}}},
	}},
}}

var hub = dashboard{"hub", "goalcast: hub", "Viewers, and what is written to them.", []row{
	{"Viewers", []panel{
		{title: "Viewers by process", unit: "short",
			queries: []query{{total("goalcast_hub_connections", "instance"), "{{instance}}"}}},
		{title: "Joining and leaving", unit: "ops", queries: []query{
			{rate("goalcast_hub_handshakes_total", "transport"), "in by {{transport}}"},
			{rate("goalcast_hub_closed_total", "reason"), "out: {{reason}}"}}},
		{title: "Refused", unit: "ops", queries: []query{{rate("goalcast_hub_refused_total", "reason"), "{{reason}}"}}},
		{title: "Coming back", unit: "ops",
			description: "ring: what was missed came from memory. All else: reset and snapshots.",
			queries:     []query{{rate("goalcast_hub_resumes_total", "outcome"), "{{outcome}}"}}},
	}},
	{"Delivery", []panel{
		{title: "Event to last viewer", unit: "s", queries: quantiles("goalcast_hub_event_write_seconds", "")},
		{title: "Price or clock to last viewer", unit: "s", queries: quantiles("goalcast_hub_state_write_seconds", "")},
		{title: "Frames", unit: "ops", queries: []query{{rate("goalcast_hub_messages_total", "class"), "{{class}}"}}},
		{title: "Bytes written", unit: "Bps",
			queries: []query{{rate("goalcast_hub_written_bytes_total", ""), "written"}}},
	}},
	{"Limits", []panel{
		{title: "Waiting for sockets", unit: "bytes",
			queries: []query{{total("goalcast_hub_pending_bytes", "instance"), "{{instance}}"}}},
		{title: "Time between flushes of states", unit: "s",
			description: "Rises where prices would take too much of the hub's time.",
			queries:     []query{{worst("goalcast_hub_state_pace_seconds", "instance"), "{{instance}}"}}},
		{title: "Ring", unit: "bytes",
			queries: []query{{worst("goalcast_hub_ring_bytes", "instance"), "{{instance}}"}}},
		{title: "Topics to refresh", unit: "short",
			description: "After the bus lost events: topics whose viewers wait for snapshots.",
			queries:     []query{{total("goalcast_hub_refresh_topics", "instance"), "{{instance}}"}}},
	}},
	{"Edges", []panel{
		{title: "Edges connected", unit: "short", description: "To each hub that is an upstream.",
			queries: []query{{total("goalcast_edge_connections", "instance"), "{{instance}}"}}},
		{title: "Edges gone or refused", unit: "ops", queries: []query{
			{rate("goalcast_edge_ended_total", "reason"), "gone: {{reason}}"},
			{rate("goalcast_edge_refused_total", "reason"), "refused: {{reason}}"}}},
		{title: "Event to edge", unit: "s", description: "From the publication of an event to its arrival at an edge.",
			queries: quantiles("goalcast_upstream_lag_seconds", "")},
		{title: "Deaf edges", unit: "short", description: "Edges that hear nothing from their upstream.",
			queries: []query{{total("goalcast_upstream_stale", ""), "deaf"}}},
	}},
	{"Process", []panel{
		{title: "Processor", unit: "percentunit",
			queries: []query{{rate("process_cpu_seconds_total", "instance"), "{{instance}}"}}},
		{title: "Memory", unit: "bytes",
			queries: []query{{worst("process_resident_memory_bytes", "instance"), "{{instance}}"}}},
		{title: "Open files", unit: "short", queries: []query{{worst("process_open_fds", "instance"), "{{instance}}"},
			{worst("process_max_fds", "instance"), "limit of {{instance}}"}}},
		{title: "Goroutines", unit: "short", queries: []query{{worst("go_goroutines", "instance"), "{{instance}}"}}},
	}},
}}

var ingest = dashboard{"ingest", "goalcast: ingest", "Documents of providers, and the events they become.", []row{
	{"Documents", []panel{
		{title: "By what became of them", unit: "ops",
			queries: []query{
				{rate("goalcast_ingest_documents_total", "provider, outcome"), "{{provider}} {{outcome}}"}}},
		{title: "Since the last document", unit: "s", queries: []query{
			{"time() - " +
				`max by (provider, feed) (goalcast_ingest_last_document_timestamp_seconds{instance=~"$instance"})`,
				"{{provider}} {{feed}}"}}},
		{title: "Refused", unit: "ops",
			queries: []query{{rate("goalcast_ingest_refused_total", "provider, reason"), "{{provider}} {{reason}}"}}},
		{title: "Somebody should look", unit: "ops",
			queries: []query{{rate("goalcast_ingest_alarms_total", "provider, kind"), "{{provider}} {{kind}}"}}},
	}},
	{"Speed", []panel{
		{title: "Provider to us, p99", unit: "s", description: "From the time in a document to its arrival.",
			queries: []query{{quantile("0.99", "goalcast_ingest_lag_seconds", "provider"), "{{provider}}"}}},
		{title: "Arrival to the bus", unit: "s", queries: quantiles("goalcast_ingest_apply_seconds", "")},
		{title: "Reading", unit: "s", queries: quantiles("goalcast_ingest_parse_seconds", "")},
		{title: "Waiting", unit: "short",
			queries: []query{{total("goalcast_ingest_waiting_documents", "instance"), "{{instance}}"}}},
	}},
	{"From the database to the bus", []panel{
		{title: "Oldest in the outbox", unit: "s",
			queries: []query{{worst("goalcast_store_outbox_age_seconds", ""), "oldest"}}},
		{title: "Published", unit: "ops", queries: []query{{rate("goalcast_store_bus_published_total", ""), "events"},
			{rate("goalcast_store_bus_states_total", ""), "states"}}},
		{title: "Publisher to listener", unit: "s", queries: quantiles("goalcast_store_bus_lag_seconds", "")},
		{title: "Errors", unit: "ops", queries: []query{{rate("goalcast_ingest_trouble_total", "of"), "{{of}}"},
			{rate("goalcast_store_job_failures_total", "job"), "job {{job}}"}}},
	}},
}}

var odds = dashboard{"odds", "goalcast: odds",
	"Sources of prices, their gates, and how old a price is when it is out.", []row{
		{"Sources", []panel{
			{title: "May be shown", unit: "short", description: "1 while prices of the source may be shown.",
				queries: []query{{worst("goalcast_odds_source_up", "source"), "{{source}}"}}},
			{title: "Who holds the sources", unit: "short",
				queries: []query{{worst("goalcast_odds_holds_sources", "instance"), "{{instance}}"}}},
			{title: "Changes", unit: "ops",
				queries: []query{{rate("goalcast_odds_changes_total", "source"), "{{source}}"}}},
			{title: "Requests left", unit: "short",
				queries: []query{{worst("goalcast_odds_quota_remaining", "source"), "{{source}}"}}},
		}},
		{"Speed", []panel{
			{title: "Provider to us, p99", unit: "s",
				queries: []query{{quantile("0.99", "goalcast_odds_provider_lag_seconds", "source"), "{{source}}"}}},
			{title: "Arrival to the bus, p99", unit: "s",
				queries: []query{{quantile("0.99", "goalcast_odds_publish_lag_seconds", ""), "p99"}}},
			{title: "Published and put together", unit: "ops",
				queries: []query{{rate("goalcast_odds_published_total", ""), "published"},
					{rate("goalcast_odds_conflated_total", ""), "replaced by a newer one"}}},
		}},
		{"What is shown", []panel{
			{title: "Gates", unit: "short",
				queries: []query{{total("goalcast_odds_gates", "state, reason"), "{{state}} {{reason}}"}}},
			{title: "Markets", unit: "short",
				queries: []query{{total("goalcast_odds_markets", "status"), "{{status}}"}}},
			{title: "Events without a match", unit: "short",
				queries: []query{{total("goalcast_odds_unmapped_events", "source"), "{{source}}"}}},
			{title: "History not written yet", unit: "s",
				queries: []query{{worst("goalcast_odds_history_waiting_seconds", "instance"), "{{instance}}"}}},
		}},
	}}

var pushes = dashboard{"notify", "goalcast: notify",
	"Pushes to phones, browsers, the bank, lock screens and partners.", []row{
		{"Pushes", []panel{
			{title: "Sent", unit: "ops",
				queries: []query{{rate("goalcast_notify_sent_total", "instance"), "{{instance}}"}}},
			{title: "Not sent", unit: "ops",
				queries: []query{{rate("goalcast_notify_failed_total", "reason"), "failed: {{reason}}"},
					{rate("goalcast_notify_dropped_total", "reason"), "dropped: {{reason}}"},
					{rate("goalcast_notify_retried_total", "reason"), "later: {{reason}}"}}},
			{title: "Waiting", unit: "short", queries: []query{{worst("goalcast_notify_backlog", "what"), "{{what}}"}}},
			{title: "Devices removed", unit: "ops",
				queries: []query{{rate("goalcast_notify_tokens_removed_total", ""), "removed"}}},
		}},
		{"Speed", []panel{
			{title: "Goal to first request", unit: "s",
				queries: quantiles("goalcast_notify_goal_to_request_seconds", "")},
			{title: "Goal to the last batch of its audience", unit: "s",
				queries: quantiles("goalcast_notify_audience_seconds", "")},
			{title: "One batch", unit: "s", queries: quantiles("goalcast_notify_batch_seconds", "")},
			{title: "Whistle to glass", unit: "s", queries: quantiles("goalcast_notify_shown_seconds", "")},
		}},
		{"Push services", []panel{
			{title: "Stopped", unit: "short",
				description: "1 where a service refuses us, so that nothing is sent and nothing deleted.",
				queries:     []query{{worst("goalcast_notify_stopped", "service"), "{{service}}"}}},
			{title: "Canary", unit: "ops", queries: []query{
				{rate("goalcast_notify_canary_total", "service, result"), "{{service}} {{result}}"}}},
			{title: "Requests, p99", unit: "s", queries: []query{
				{quantile("0.99", "goalcast_fcm_request_seconds", ""), "Firebase"},
				{quantile("0.99", "goalcast_apns_request_seconds", ""), "Apple"},
				{quantile("0.99", "goalcast_webpush_request_seconds", ""), "browsers"},
				{quantile("0.99", "goalcast_kbc_request_seconds", ""), "bank"},
				{quantile("0.99", "goalcast_partner_request_seconds", ""), "partners"}}},
		}},
		{"Lock screens and partners", []panel{
			{title: "Live Activities", unit: "ops",
				queries: []query{{rate("goalcast_live_pushes_total", "result"), "{{result}}"}}},
			{title: "Channels", unit: "short", queries: []query{{worst("goalcast_live_channels", ""), "channels"}}},
			{title: "Partners behind", unit: "s",
				queries: []query{{worst("goalcast_partner_lag_seconds", "partner"), "{{partner}}"}}},
		}},
	}}

var api = dashboard{"rest", "goalcast: REST", "Requests, who is refused, and how often an answer is made anew.", []row{
	{"Requests", []panel{
		{title: "Answered", unit: "ops",
			queries: []query{{rate("goalcast_rest_request_seconds_count", "route"), "{{route}}"}}},
		{title: "Time, p99", unit: "s",
			queries: []query{{quantile("0.99", "goalcast_rest_request_seconds", "route"), "{{route}}"}}},
		{title: "Refused", unit: "ops", queries: []query{{rate("goalcast_rest_refused_total", "code"), "{{code}}"}}},
	}},
	{"Answers", []panel{
		{title: "Made anew", unit: "ops",
			queries: []query{{rate("goalcast_rest_answers_made_total", "coding"), "{{coding}}"}}},
		{title: "In memory", unit: "bytes",
			queries: []query{{worst("goalcast_rest_answers_bytes", "instance"), "{{instance}}"}}},
		{title: "Read from replicas", unit: "ops",
			queries: []query{{rate("goalcast_store_replica_reads_total", "server"), "{{server}}"},
				{rate("goalcast_store_replica_fallbacks_total", "reason"), "from the primary: {{reason}}"}}},
	}},
	{"Connections and identity", []panel{
		{title: "Connections", unit: "short",
			queries: []query{{total("goalcast_http_connections", "server"), "{{server}}"},
				{total("goalcast_http_connections_max", "server"), "limit of {{server}}"}}},
		{title: "Cut", unit: "ops",
			queries: []query{{rate("goalcast_http_cut_total", "server, reason"), "{{server}}: {{reason}}"}}},
		{title: "Tokens", unit: "ops",
			queries: []query{{rate("goalcast_identity_tokens_total", "issuer, result"), "{{issuer}}: {{result}}"}}},
		{title: "Issuers", unit: "short",
			queries: []query{{worst("goalcast_identity_issuer_up", "issuer"), "{{issuer}}"}}},
	}},
}}
