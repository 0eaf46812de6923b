# VIP or port of the API have moved: everything uses the new ones now, and those before them go.
lock
conf=/etc/haproxy/k3sha
if [ -s $conf/port ] && [ "$(cat $conf/port)" != "$API_PORT" ] && grep -qx "    bind :$API_PORT" $conf/haproxy-arrived.cfg; then
	install -m 0644 $conf/haproxy-arrived.cfg $conf/haproxy-candidate.cfg
	install -m 0644 $conf/haproxy-arrived.cfg /etc/haproxy/haproxy.cfg.k3sha-new
	mv -f /etc/haproxy/haproxy.cfg.k3sha-new /etc/haproxy/haproxy.cfg
	systemctl reload-or-restart haproxy || die_of haproxy "HAProxy does not start; see its journal above"
	printf '%s' "$(cat $conf/haproxy-candidate.cfg $conf/ca.pem /etc/systemd/system/haproxy.service.d/k3sha.conf | sha256sum)" >$conf/applied
	put 0644 $conf/port "$API_PORT"
fi

arrived=/etc/keepalived/k3sha-arrived.conf
former=$(cat /etc/keepalived/k3sha-vip 2>/dev/null) || exit 0
if [ "$former" = "$VIP" ] || ! grep -qF " $VIP/32 " $arrived; then exit 0; fi
install -m 0644 $arrived /etc/keepalived/k3sha-candidate.conf
install -m 0644 $arrived /etc/keepalived/keepalived.conf.k3sha-new
mv -f /etc/keepalived/keepalived.conf.k3sha-new /etc/keepalived/keepalived.conf
systemctl reload-or-restart keepalived || die_of keepalived "Keepalived does not start; see its journal above"
printf '%s' "$(cat /etc/keepalived/k3sha-candidate.conf /etc/keepalived/k3sha-interface.conf \
	/etc/systemd/system/keepalived.service.d/k3sha.conf | sha256sum)" >/etc/keepalived/k3sha-applied
put 0644 /etc/keepalived/k3sha-vip "$VIP"
gone() { ! ip -o -4 addr show | grep -qF " $former/"; }
wait_until 20 gone || die_of keepalived "Keepalived still holds the former VIP $former after 20 s; see its journal above"
