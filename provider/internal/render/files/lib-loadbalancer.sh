# Shared by the steps on a load balancer.
: "${STATS_CERTIFICATE:=}" "${STATS_PASSWORD:=}"
conf=/etc/haproxy/k3sha

# apply_haproxy: puts the wanted configuration in place, checked, and makes HAProxy take it over.
apply_haproxy() {
	candidate=$conf/haproxy-candidate.cfg
	put 0644 $conf/ca.pem "$CA"
	if [ -n "$STATS_CERTIFICATE" ]; then
		put 0600 $conf/stats.pem "$STATS_CERTIFICATE"
		put 0600 $conf/stats-password "$STATS_PASSWORD
"
	fi
	# A port that moves: until everything uses the new one, the one before it answers, too.
	put 0644 $conf/haproxy-arrived.cfg "$HAPROXY"
	former=$(cat $conf/port 2>/dev/null) || former=$API_PORT
	if [ "$former" != "$API_PORT" ] && systemctl is-active -q haproxy; then
		put 0644 $candidate "$(printf '%s' "$HAPROXY" | sed "s|^    bind :$API_PORT\$|&\n    bind :$former|")
"
	else
		put 0644 $candidate "$HAPROXY"
		put 0644 $conf/port "$API_PORT"
	fi
	mkdir -p /usr/local/lib/k3sha /etc/systemd/system/haproxy.service.d
	chmod 0755 /usr/local/lib/k3sha
	put 0755 /usr/local/lib/k3sha/lb-ask "$(cat "$LB_ASK")
"
	put 0755 /usr/local/lib/k3sha/lb-servers "$(cat "$LB_SERVERS")
"
	put 0644 /etc/systemd/system/haproxy.service.d/k3sha.conf "$HAPROXY_UNIT"
	found=$(haproxy -c -q -f "$candidate" 2>&1) ||
		die "HAProxy rejects its new configuration, the old one stays: $found; check loadBalancers.extraLines"
	if [ "$(haproxy_sum)" != "$(cat $conf/applied 2>/dev/null)" ] || ! cmp -s "$candidate" /etc/haproxy/haproxy.cfg || ! systemctl is-active -q haproxy; then
		take_haproxy
	fi
	if [ -z "$STATS_CERTIFICATE" ] && [ -e $conf/stats.pem ]; then # named no more
		rm -f $conf/stats.pem $conf/stats-password
		haproxy_sum >$conf/applied
	fi
	wait_until 20 curl -sf -o /dev/null --max-time 2 "http://127.0.0.1:$STATUS_PORT/alive" ||
		die_of haproxy "HAProxy does not answer on port $STATUS_PORT 20 s after a reload; see its journal above"
}

# take_haproxy: HAProxy runs with the candidate from now on. Before a reload, as before a start, it is told which servers are ready.
take_haproxy() {
	install -m 0644 $conf/haproxy-candidate.cfg /etc/haproxy/haproxy.cfg.k3sha-new
	mv -f /etc/haproxy/haproxy.cfg.k3sha-new /etc/haproxy/haproxy.cfg
	enabled haproxy
	known haproxy
	sh -c "$(sed -n 's/^ExecStartPre=-//p' /etc/systemd/system/haproxy.service.d/k3sha.conf)" || true
	systemctl reload-or-restart haproxy || die_of haproxy "HAProxy does not start; see its journal above"
	haproxy_sum >$conf/applied
}
haproxy_sum() {
	cat $conf/haproxy-candidate.cfg $conf/ca.pem /etc/systemd/system/haproxy.service.d/k3sha.conf $conf/stats.pem $conf/stats-password 2>/dev/null | sha256sum
}

# take_keepalived: the same for Keepalived.
take_keepalived() {
	install -m 0644 /etc/keepalived/k3sha-candidate.conf /etc/keepalived/keepalived.conf.k3sha-new
	mv -f /etc/keepalived/keepalived.conf.k3sha-new /etc/keepalived/keepalived.conf
	enabled keepalived
	known keepalived
	systemctl reload-or-restart keepalived || die_of keepalived "Keepalived does not start; see its journal above"
	keepalived_sum >/etc/keepalived/k3sha-applied
}
keepalived_sum() {
	cat /etc/keepalived/k3sha-candidate.conf /etc/keepalived/k3sha-interface.conf /etc/systemd/system/keepalived.service.d/k3sha.conf | sha256sum
}

vip_name() { curl -sf --max-time 2 "http://$VIP:$STATUS_PORT/alive"; }

# vip_answers: the VIP is held, by a load balancer of this cluster.
vip_answers() { vip_name | grep -qxF "$CLUSTER"; }

api_answers() {
	code=$(curl -s -o /dev/null --max-time 3 --cacert $conf/ca.pem -w '%{http_code}' "https://$VIP:$API_PORT/readyz") || return 1
	[ "$code" = 200 ] || [ "$code" = 401 ]
}
