# Before this server goes for a moment, another one leads etcd: k3s often ends without handing that over, and then nobody leads, and nothing
# can be written, until the others have waited for their election timeout. Says to which member it has gone.
leads() { etcd_metrics | grep -q '^etcd_server_is_leader 1'; }
led() { ! leads; }
if leads; then
	moved=
	for member in $(etcd_metrics | sed -n 's/^etcd_network_active_peers{Local="[0-9a-f]*",Remote="\([0-9a-f]*\)"} [1-9].*/\1/p'); do
		etcd_call 127.0.0.1 Maintenance/MoveLeader "$member" || true
		if wait_until 2 led; then
			moved=$member
			break
		fi
	done
	[ -n "$moved" ] || die "no other server takes the lead of etcd"
	echo "$moved"
fi
