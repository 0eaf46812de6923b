# Shared by the steps of a load balancer.
conf=/etc/haproxy/k3sha

# remembered: what the other load balancers know of the cluster's CA. A new one must not say that the cluster has
# never lived, before the trust step teaches it.
remembered() {
	for peer in $LB_PEERS; do
		known=$(curl -sf --max-time 2 "http://$peer:$STATUS_PORT/cluster" |
			sed -n "s/^{\"cluster\":\"$CLUSTER\",.*\"ca\":\"\(sha256:[0-9a-f]*\)\".*/\1/p")
		if [ -n "$known" ] && [ "$known" != "${ABANDONED_CA:-}" ]; then
			printf 'ca %s\n' "$known"
			return
		fi
	done
}

# apply_haproxy: puts the wanted configuration in place, checked, and makes HAProxy take it over.
# Which one is wanted depends on what this load balancer remembers: with a CA it verifies servers.
apply_haproxy() {
	candidate=$conf/haproxy-untrusting.cfg
	if [ -s $conf/ca.pem ]; then
		candidate=$conf/haproxy-trusting.cfg
		# k3s' own hash of a CA: that of the file, as in its tokens.
		put 0644 $conf/card.map "ca sha256:$(sha256sum <$conf/ca.pem | cut -d' ' -f1)
"
	else
		put 0644 $conf/card.map "$(remembered)"
	fi
	found=$(haproxy -c -q -f "$candidate" 2>&1) ||
		die "HAProxy rejects its new configuration, the old one stays: $found; check loadBalancers.extraLines"
	sum=$(cat "$candidate" $conf/card.map $conf/ca.pem 2>/dev/null | sha256sum)
	if [ "$sum" != "$(cat $conf/applied 2>/dev/null)" ] || ! systemctl is-active -q haproxy; then
		install -m 0644 "$candidate" /etc/haproxy/haproxy.cfg.k3sha-new
		mv -f /etc/haproxy/haproxy.cfg.k3sha-new /etc/haproxy/haproxy.cfg
		systemctl enable -q haproxy 2>/dev/null || die "cannot enable haproxy.service; is it masked?"
		systemctl reload-or-restart haproxy || die_of haproxy "HAProxy does not start; see its journal above"
		printf '%s' "$sum" >$conf/applied
	fi
	wait_until 20 curl -sf -o /dev/null --max-time 2 "http://127.0.0.1:$STATUS_PORT/alive" ||
		die_of haproxy "HAProxy does not answer on port $STATUS_PORT 20 s after a reload; see its journal above"
}

card() { curl -sf --max-time 2 "http://$VIP:$STATUS_PORT/cluster"; }

# vip_answers: the VIP is held, by a load balancer of this cluster.
vip_answers() { card | grep -q "\"cluster\":\"$CLUSTER\","; }
