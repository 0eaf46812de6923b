# VIP or port of the API have moved: everything uses the new ones now, and those before them go.
lock
told() { die "this load balancer has not been told of $VIP:$API_PORT yet; run pulumi up without --target"; }
if [ "$(cat $conf/port 2>/dev/null)" != "$API_PORT" ]; then
	grep -qx "    bind :$API_PORT" $conf/haproxy-arrived.cfg || told
	install -m 0644 $conf/haproxy-arrived.cfg $conf/haproxy-candidate.cfg
	take_haproxy
	put 0644 $conf/port "$API_PORT"
fi
former=$(cat /etc/keepalived/k3sha-vip 2>/dev/null) || former=
if [ "$former" != "$VIP" ]; then
	grep -qF " $VIP/32 " /etc/keepalived/k3sha-arrived.conf || told
	install -m 0644 /etc/keepalived/k3sha-arrived.conf /etc/keepalived/k3sha-candidate.conf
	take_keepalived
	put 0644 /etc/keepalived/k3sha-vip "$VIP"
	gone() { ! ip -o -4 addr show | grep -qF " $former/"; }
	wait_until 20 gone || die_of keepalived "Keepalived still holds the former VIP $former after 20 s; see its journal above"
fi
