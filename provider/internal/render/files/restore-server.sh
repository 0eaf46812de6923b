# Puts a snapshot in the place of a server's data, in four parts, so that a wrong one is refused before anything is stopped:
#   look     this server can be reached
#   check    the first server makes the snapshot's data beside its own, by k3s itself in a network of its own, where it disturbs nobody
#   stop     each server stops k3s, and puts its data aside
#   swap     the first server takes the new data; its next step starts k3s with them, and those of the others have them join
data=/var/lib/rancher/k3s
work=/var/lib/k3sha/restore
restored=/var/lib/k3sha/restored
release=/var/lib/k3sha/releases/$K3S_VERSION/k3s
SECRETS="$SECRETS
$TOKEN
$AGENT_TOKEN"
lock
has() { [ "$ID" = "$(cat "$1" 2>/dev/null)" ]; }

# fetch: sets $file to the snapshot.
fetch() {
	case $SNAPSHOT in
	/*) file=$SNAPSHOT ;;
	*)
		if [ -n "$S3_URL" ]; then
			file=$work/$SNAPSHOT
			s3 "/$S3_FOLDER$SNAPSHOT" "$file" || die "cannot fetch the snapshot $SNAPSHOT from $S3_URL/$S3_FOLDER: $s3_error; nothing was stopped. See restore.snapshot and backup.s3"
		else
			file=$FOLDER/$SNAPSHOT
		fi
		;;
	esac
	[ -s "$file" ] || die "there is no snapshot $file on this server; nothing was stopped. There are: $(find "$FOLDER" -type f -printf '%f ' 2>/dev/null)"
}

# unpacked: the snapshot as etcd wrote it.
unpacked() { case $file in *.zip) gzip -dc <"$file" ;; *) cat "$file" ;; esac }

# check: k3s keeps its CAs in etcd, under a name made from its token. Nodes are kept with their kubelets' versions.
check() {
	key=/bootstrap/$(printf '%s' "$TOKEN" | sha256sum | cut -c 1-12)
	if ! unpacked | grep -aq "$key"; then
		if unpacked | grep -aq /bootstrap/; then die "$SNAPSHOT is of a cluster with another token; nothing was stopped. Only the cluster that it was taken of, or its recoveryBundle, can use it"; fi
		die "$SNAPSHOT is no snapshot of k3s; nothing was stopped"
	fi
	newest=$(unpacked | grep -aoP ':[\x08-\x40]v1\.\d+\.\d+(-rc\d+)?\+k3s\d+B' | grep -ao 'v1.*[0-9]' | sort -Vu | tail -n 1)
	if [ -n "$newest" ] && [ "$(printf '%s' "$newest" | cut -d. -f2)" -gt "$(printf '%s' "$K3S_VERSION" | cut -d. -f2)" ]; then
		die "$SNAPSHOT is of $newest, and k3s $K3S_VERSION cannot read what a newer minor version has written; nothing was stopped. Set k3s.version to $newest or newer"
	fi
}

# make: the data that k3s makes of it, with no server, no agent, and no network but its own.
make() {
	rm -rf "$work/data"
	put 0600 "$work/token" "$TOKEN"
	put 0600 "$work/agent-token" "$AGENT_TOKEN"
	put 0600 "$work/config.yaml" "data-dir: $work/data
token-file: $work/token
agent-token-file: $work/agent-token
node-name: $NODE
node-ip: $NODE_IP
advertise-address: $NODE_IP
cluster-reset: true
cluster-reset-restore-path: $file
"
	# k3s unpacks what is packed where it stands.
	command='cd "$4" && ip link set lo up && ip addr add "$1/32" dev lo && ip route add default dev lo && exec "$2" server --config "$3"'
	timeout -k 5 200 unshare --net sh -c "$command" sh "$NODE_IP" "$release" "$work/config.yaml" "$work" >"$work/log" 2>&1 || true # its status proves nothing
	if [ ! -d "$work/data/server/db/etcd/member" ] || [ ! -e "$work/data/server/db/reset-flag" ]; then
		why=$(redact <"$work/log" | cut -c 1-400 | cause)
		die "k3s does not take $SNAPSHOT: ${why:-$(redact <"$work/log" | cut -c 1-400 | tail -n 1)}; nothing was stopped"
	fi
	if [ "$(cat "$work/data/server/tls/server-ca.crt")" != "$CA" ]; then
		die "$SNAPSHOT is of another cluster, whose CA is not this one's; nothing was stopped. A stack with that cluster's recoveryBundle can use it"
	fi
	put 0600 "$work/made" "$ID"
}

# aside: k3s stops, and what it has is kept once.
aside() {
	systemctl stop k3s 2>/dev/null || true
	if [ -d $data/server/db ] && ! has /var/lib/k3sha/aside; then
		rm -rf $data/server/db-before-restore
		mv $data/server/db $data/server/db-before-restore
		# Snapshots are no data of etcd's, and their folder is where k3s looks for them.
		if [ -d $data/server/db-before-restore/snapshots ]; then
			mkdir -p -m 0700 $data/server/db
			mv $data/server/db-before-restore/snapshots $data/server/db/snapshots
		fi
	fi
	put 0600 /var/lib/k3sha/aside "$ID"
}

case $DO in
look) exit 0 ;;
check)
	if has $restored; then
		echo restored
		exit 0
	fi
	if has "$work/made"; then exit 0; fi
	mkdir -p -m 0700 "$work"
	[ -x "$release" ] || die "$release is gone; run pulumi up --replace on this node's prepare step"
	fetch
	check
	make
	;;
stop) aside ;;
swap)
	has $restored && exit 0
	aside
	mkdir -p -m 0700 $data/server/db
	rm -rf $data/server/db/etcd
	mv "$work/data/server/db/etcd" $data/server/db/etcd
	for part in tls cred; do
		[ -d "$data/server/$part" ] && [ -s $data/server/cred/passwd ] || cp -a "$work/data/server/$part" $data/server/
	done
	[ -z "$START" ] || put 0600 /var/lib/k3sha/start "$START"
	put 0600 /var/lib/k3sha/restored-first "$ID"
	put 0600 $restored "$ID"
	rm -rf "$work"
	;;
esac
