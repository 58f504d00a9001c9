#!/usr/bin/env bash
# Installs what the tests talk to: Redis, PostgreSQL, pgbouncer, RabbitMQ, nginx, Varnish, HAProxy, Chromium, Node.js, a JDK, promtool, curl, ip. Does nothing where all are there.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }
has_postgres() { has postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }

missing=()
has redis-server || missing+=(redis-server)
has_postgres || missing+=(postgresql)
has pgbouncer || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
has nginx || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
has varnishd || [ -x /usr/sbin/varnishd ] || missing+=(varnish)
has haproxy || [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
has chromium || has chromium-browser || has google-chrome || missing+=(chromium)
has node || missing+=(nodejs)
has npm || missing+=(npm)
has javac || missing+=(default-jdk-headless) # 120 MB; docs/mobile/Live.java is run
has curl || missing+=(curl)
has openssl || missing+=(openssl) # a certificate for the page that Lighthouse looks at
has promtool || missing+=(prometheus) # its rules are tested with promtool
[ "$(uname)" != Linux ] || has ip || [ -x /usr/sbin/ip ] || missing+=(iproute2) # a network that a test may cut
has gcc || missing+=(gcc libc6-dev) # for the race detector
[ ${#missing[@]} -eq 0 ] && exit 0

if ! has apt-get; then
	echo "Please install: ${missing[*]} (the names are Debian's), then run make test again." >&2
	exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
	has sudo || { echo "Please run as root: apt-get install ${missing[*]}" >&2; exit 1; }
	root=(sudo)
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get update -qq
"${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
