#!/bin/sh
# Takes a machine whose k3s was adopted back to what it was before: with its data, if they were in SQLite. Only as long as no other server has joined.
set -eu
kept=$(cd "$(dirname "$0")" && pwd)
data=/var/lib/rancher/k3s
unit=$(basename "$kept"/systemd/*.service)
servers=$(k3s kubectl --kubeconfig /etc/rancher/k3s/k3s.yaml --request-timeout=10s get nodes -l node-role.kubernetes.io/etcd=true -o name 2>/dev/null) || servers=unknown
if [ "$servers" = unknown ] && [ -d "$kept/db" ] && [ ! -e /var/lib/k3sha/adopting ] && [ "${FORCE:-}" != yes ]; then
	echo "its API does not answer, so nobody says whether other servers have joined, which would be lost with all that has happened since; if none has: FORCE=yes sh $0" >&2
	exit 1
fi
if [ "$(printf '%s\n' "$servers" | wc -l)" -gt 1 ]; then
	echo "other servers have joined this one's cluster: what has happened in it since would be lost, and they would go on without it" >&2
	exit 1
fi
systemctl stop "$unit" || true
if [ -d "$kept/db" ]; then
	rm -rf $data/server/db.k3sha-new $data/server/db-before-way-back
	cp -a "$kept/db" $data/server/db.k3sha-new
	[ ! -e $data/server/db ] || mv $data/server/db $data/server/db-before-way-back
	mv $data/server/db.k3sha-new $data/server/db
fi
rm -rf /etc/rancher/k3s "/etc/systemd/system/$unit.d/k3sha.conf" /var/lib/k3sha
[ ! -d "$kept/etc" ] || cp -a "$kept/etc" /etc/rancher/k3s
rm -f "/etc/systemd/system/$unit.env"
cp -a "$kept"/systemd/* /etc/systemd/system/
if [ -e "$kept/k3s" ]; then
	cp -a "$kept/k3s" /usr/local/bin/k3s.k3sha-new
	mv -f /usr/local/bin/k3s.k3sha-new /usr/local/bin/k3s
fi
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null || true
systemctl start --no-block "$unit"
echo "$unit starts with what it was before; it is back when systemctl is-active $unit says so"
