#!/usr/bin/env bash
# Installs what goalcast is measured beside: nginx with Nchan, and wrk, which asks, from Debian or Ubuntu; Bun
# by npm, into tmp/peers. What cannot be had is named, and the bench leaves it out.
set -u

bun=1.4.5
if [ "$(tmp/peers/node_modules/.bin/bun --version 2>/dev/null)" != "$bun" ]; then
	npm install --silent --no-audit --no-fund --no-save --prefix tmp/peers "bun@$bun" ||
		echo "Bun is skipped: npm could not install bun@$bun." >&2
fi

if command -v wrk >/dev/null 2>&1 && command -v nginx >/dev/null 2>&1 && ls /usr/lib*/nginx/modules/ngx_nchan_module.so >/dev/null 2>&1; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "Nchan is skipped: it is only installed on Debian and Ubuntu (nginx-light, libnginx-mod-nchan)." >&2
	exit 0
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 || { echo "Nchan is skipped: installing nginx-light and libnginx-mod-nchan needs root." >&2; exit 0; }
	root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get update -qq
if ! "${root[@]}" apt-get install -y -qq --no-install-recommends nginx-light libnginx-mod-nchan wrk >/dev/null; then
	echo "Nchan is skipped: nginx-light, libnginx-mod-nchan and wrk could not be installed." >&2
fi
