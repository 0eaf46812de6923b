# Shared by what speaks to etcd itself.
etcd=/var/lib/rancher/k3s/server/tls/etcd

# etcd_metrics: this member's own, which it shows on the loopback interface only.
etcd_metrics() { curl -s --max-time 2 http://127.0.0.1:2381/metrics; }

# etcd_call ADDRESS METHOD MEMBER: calls one of etcd's gRPC methods whose one field is the id of a member, in hex: a number of 64 bits, seven in
# each byte. What comes of it shows in the metrics.
etcd_call() {
	request=$(echo "$3" | awk '{
		for (i = length($1); i > 0; i--) {
			digit = index("0123456789abcdef", substr($1, i, 1)) - 1
			for (b = 0; b < 4; b++) { bits = bits digit % 2; digit = int(digit / 2) }
		}
		printf "\\000\\000\\000\\000\\013\\010"
		for (i = 0; i < 10; i++) {
			byte = i < 9 ? 1 : 0
			for (b = 7; b > 0; b--) byte = 2 * byte + substr(bits, 7 * i + b, 1)
			printf "\\%03o", byte
		}
	}')
	# shellcheck disable=SC2059 # it is made of escapes alone
	printf "$request" | curl -s -o /dev/null --http2 --connect-timeout 1 --max-time 3 --cacert $etcd/server-ca.crt --cert $etcd/client.crt --key $etcd/client.key \
		-H 'content-type: application/grpc' -H 'te: trailers' --data-binary @- "https://$1:2379/etcdserverpb.$2"
}

leads() { etcd_metrics | grep -q '^etcd_server_is_leader 1'; }
led() { ! leads; }

# hand_over: another member leads, which $moved names: k3s often ends without handing that over, and then nobody leads, and nothing can be written,
# until the others have waited for their election timeout.
hand_over() {
	moved=
	for member in $(etcd_metrics | sed -n 's/^etcd_network_active_peers{Local="[0-9a-f]*",Remote="\([0-9a-f]*\)"} [1-9].*/\1/p'); do
		etcd_call 127.0.0.1 Maintenance/MoveLeader "$member" || true
		if wait_until 2 led; then
			moved=$member
			return 0
		fi
	done
	return 1
}
