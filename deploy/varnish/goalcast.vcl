# Varnish in front of goalcast: snapshots are kept for as long as goalcast says, requests for the same thing wait
# for one, viewers' connections go through. docs/operations.md, "What stands in front".
# Start it with -p http_gzip_support=off (goalcast packs each answer itself, better) and -p pipe_timeout=90.
# goalcast has to know this machine: GOALCAST_TRUSTED_PROXIES.
vcl 4.1;

import std;

backend goalcast {
	.host = "127.0.0.1";
	.port = "8080";
	.connect_timeout = 2s;
	.first_byte_timeout = 15s;
	.between_bytes_timeout = 15s;
	.probe = {
		.url = "/v1/matches?limit=1";
		.interval = 2s;
		.timeout = 1s;
		.window = 3;
		.threshold = 2;
		.initial = 2;
	}
}

sub vcl_recv {
	# What a stranger puts there counts for nothing; Varnish has added the client's address already.
	set req.http.X-Forwarded-For = regsub(req.http.X-Forwarded-For, "^.*,\s*", "");
	if (req.http.X-Forwarded-Proto != "https") { # of what ends TLS; cards name their own address
		unset req.http.X-Forwarded-Proto;
	}
	unset req.http.Cookie; # goalcast has none

	if (req.url ~ "^/v1/live(\?|$)" || req.url ~ "^/feeds/" || req.url ~ "^/edge/") {
		return (pipe);
	}
	if ((req.method != "GET" && req.method != "HEAD") || req.http.Authorization || req.url ~ "^/v1/(me|live)(/|\?|$)"
		|| req.url ~ "^/callbacks/") {
		return (pass);
	}

	# One spelling for each form that goalcast has.
	if (req.http.Accept-Encoding ~ "(?i)(^|[ ,])br *(,|$|; *q=(1|0\.0*[1-9]))") {
		set req.http.Accept-Encoding = "br";
	} elsif (req.http.Accept-Encoding ~ "(?i)(^|[ ,])zstd *(,|$|; *q=(1|0\.0*[1-9]))") {
		set req.http.Accept-Encoding = "zstd";
	} elsif (req.http.Accept-Encoding ~ "(?i)(^|[ ,])gzip *(,|$|; *q=(1|0\.0*[1-9]))") {
		set req.http.Accept-Encoding = "gzip";
	} else {
		set req.http.Accept-Encoding = "identity";
	}
	# The language that is liked best: names are in one. None where the query has it: it counts alone.
	if (req.url ~ "[?&]lang=[^&]") {
		unset req.http.Accept-Language;
	} else {
		set req.http.Accept-Language = regsub(req.http.Accept-Language, "^ *([A-Za-z]+(-[A-Za-z0-9]+)*).*$", "\1");
	}

	# As long as goalcast answers, what is old is served only while the new one is fetched.
	if (std.healthy(req.backend_hint)) {
		set req.grace = 5s;
	}
	return (hash);
}

sub vcl_hash {
	hash_data(req.http.X-Forwarded-Proto);
}

sub vcl_pipe {
	if (req.http.Upgrade) {
		set bereq.http.Upgrade = req.http.Upgrade;
		set bereq.http.Connection = req.http.Connection;
	} else {
		set bereq.http.Connection = "close"; # the next request of the connection is to be looked at too
	}
	return (pipe);
}

sub vcl_backend_response {
	if (beresp.status >= 500 && bereq.is_bgfetch) {
		return (abandon); # what is old is better
	}
	if (beresp.ttl > 0s) {
		set beresp.grace = 10m; # as stale-if-error says; see req.grace
	}
}

sub vcl_deliver {
	if (obj.hits > 0) {
		set resp.http.X-Cache-Status = "HIT";
	} else {
		set resp.http.X-Cache-Status = "MISS";
	}
	unset resp.http.Via;
	unset resp.http.X-Varnish;
}
