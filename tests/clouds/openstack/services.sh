# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by prepare.sh and start.sh inside the lab: the ground services and how any of them is started.

set -euo pipefail
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
log=/run/lab/log
mkdir -p "$log"

# launch NAME USER COMMAND...: in the background, with its output in log/NAME.out
launch() {
	local name=$1 user=$2
	shift 2
	setsid setpriv --reuid="$user" --regid="$user" --init-groups -- "$@" >"$log/$name.out" 2>&1 </dev/null &
}

# until_true WHAT COMMAND...: polls, longer than the slowest machine needs; fails with WHAT
until_true() {
	local end=$((SECONDS + 300)) what=$1
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || { echo "$what did not come up"; return 1; }
		sleep 0.5
	done
	echo "$SECONDS s: $what"
}

answers() { curl -s -o /dev/null -m 5 "http://127.0.0.1:$1/"; }

start_ground() {
	install -d -o mysql -g mysql /run/mysqld
	install -d -o rabbitmq -g rabbitmq /run/rabbitmq
	# Speed instead of durability: this data ends with the lab.
	launch mariadb mysql mariadbd --skip-networking=0 --bind-address=127.0.0.1 --skip-log-bin --max-connections=400 \
		--innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync --innodb-doublewrite=0
	launch rabbitmq rabbitmq env HOME=/var/lib/rabbitmq RABBITMQ_NODENAME=rabbit@oslab \
		RABBITMQ_PID_FILE=/run/rabbitmq/pid /usr/lib/rabbitmq/bin/rabbitmq-server
	launch memcached memcache memcached -l 127.0.0.1
	until_true 'the database' mysqladmin ping
	until_true 'the message queue' rabbitmqctl -q -n rabbit@oslab await_startup --timeout 5
}

# A WSGI service; oslo's own eventlet servers are slower and keystone has none. Post-buffering and closed connections:
# else uwsgi resets a connection whose body nobody read.
launch_wsgi() { # NAME USER PORT FILE
	launch "$1" "$2" uwsgi_python3 --master --enable-threads --lazy-apps --die-on-term --buffer-size 65535 \
		--processes 2 --threads 4 --post-buffering 65536 --add-header Connection:close \
		--http-socket "127.0.0.1:$3" --wsgi-file "$4"
}
