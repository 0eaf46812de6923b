# What a k3s that is to be adopted says of itself, before anything is touched.
data=/var/lib/rancher/k3s
sqlite=$data/server/db/state.db

kubectl() { k3s kubectl --kubeconfig $data/agent/kubelet.kubeconfig --request-timeout=10s "$@" 2>/dev/null; }

# answers: the API does, to the kubelet, which it knows by the name of its node.
answers() {
	name=$(openssl x509 -noout -subject -nameopt multiline -in $data/agent/client-kubelet.crt 2>/dev/null | sed -n 's/^ *commonName *= //p')
	[ -n "$name" ] || name=$(kubectl auth whoami -o 'jsonpath={.status.userInfo.username}') || return 1 # releases that know it
	name=${name#system:node:}
	[ -n "$name" ] && [ -n "$(of_node .metadata.name)" ]
}

of_node() { kubectl get node "$name" -o "jsonpath={$1}" || true; }

# kept_in: where a server has its data. k3s starts from etcd's as soon as there are any, also from what is left of an attempt.
kept_in() {
	if [ -e $data/server/db/etcd/member ] && [ -e $sqlite ]; then
		if [ -n "$(find "/proc/$(systemctl show -p MainPID --value "$UNIT")/fd" -lname "$sqlite*" 2>/dev/null)" ]; then
			die "its k3s has its data in SQLite ($sqlite), and beside them lies $data/server/db/etcd, from which it would start the next time; move that away, then run pulumi up again"
		fi
		die "its k3s has its data in etcd, and beside them lies an old $sqlite; move that away, then run pulumi up again"
	fi
	if [ -e $data/server/db/etcd/member ]; then
		echo etcd
	elif [ -e $sqlite ]; then
		size=$(du -smc $sqlite* | tail -n 1 | cut -f 1)
		room $((size * 4 + 256)) $data/server/db "moving its data to etcd, with a copy of those in SQLite,"
		echo sqlite
	else
		die "its k3s has its data neither in SQLite ($sqlite) nor in embedded etcd; only those can be adopted"
	fi
}

# found: a line for each thing. Nothing of it may be missing.
found() {
	other=k3s-agent is=worker
	if [ "$ROLE" = worker ]; then other=k3s is=server; fi
	if ! systemctl is-active -q "$UNIT"; then
		if systemctl is-active -q $other; then die "its k3s, which is to be adopted as a $ROLE, runs as a $is ($other.service); give it a slot of those"; fi
		die "no $UNIT.service runs on this machine, whose k3s is to be adopted; start it, or take adopt out if there is none"
	fi
	for file in $(systemctl show -p DropInPaths --value "$UNIT"); do
		! grep -q '^ExecStart=' "$file" || die "$file has k3s started in another way than its unit says; put that into k3s' configuration, and take the file away"
	done
	wait_until 60 answers || die "the API does not answer to its kubelet; see journalctl -u $UNIT there, then run pulumi up again"
	[ "$(of_node .status.nodeInfo.machineID)" = "$id" ] || die "its k3s still goes by another /etc/machine-id than the machine has now; restart k3s there (systemctl restart $UNIT), then run pulumi up again"
	args=$(of_node '.metadata.annotations.k3s\.io/node-args')
	[ -n "$args" ] || die "node $name does not say which options its k3s runs with (annotation k3s.io/node-args); restart k3s there, then run pulumi up again"
	env=$(of_node '.metadata.annotations.k3s\.io/node-env')
	version=$(of_node .status.nodeInfo.kubeletVersion)
	printf 'name %s\naddress %s\nversion %s\nargs %s\nenv %s\n' "$name" "$(of_node '.status.addresses[?(@.type=="InternalIP")].address')" "$version" "$args" "${env:-{\}}"
	if [ "$ROLE" = worker ]; then
		printf 'file server-ca.crt %s\n' "$(base64 -w 0 $data/agent/server-ca.crt)"
		return 0
	fi
	where=$(kept_in) || exit 1
	printf 'datastore %s\n' "$where"
	for ca in server-ca client-ca request-header-ca etcd/server-ca etcd/peer-ca; do
		for file in $ca.crt $ca.key; do
			[ ! -s "$data/server/tls/$file" ] || printf 'file %s %s\n' "$file" "$(base64 -w 0 "$data/server/tls/$file")"
		done
	done
	printf 'file passwd %s\n' "$(base64 -w 0 $data/server/cred/passwd)"
}
