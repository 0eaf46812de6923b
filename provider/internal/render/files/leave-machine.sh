# Takes the cluster off a machine that leaves it and stays, by k3s' own script. One that was installed anew has nothing of it, and one
# that was met again since is another meeting's to leave.
[ "$(cat /etc/machine-id)" = "$MACHINE_ID" ] || exit 0
[ "$(cut -d' ' -f3 /var/lib/k3sha/member 2>/dev/null)" = "$MEETING" ] || exit 0
if [ -e $adopting ]; then # a k3s that was to be adopted, and has not come up as that: it is not ours to take off
	[ ! -e $kept/former ] || timeout 240 sh $kept/way-back.sh >/run/k3sha-back.log 2>&1 || die "it was being adopted, and cannot go back to what it was: $(tail -n 3 /run/k3sha-back.log); see $kept/way-back.sh, then run pulumi up again"
	rm -rf /var/lib/k3sha
	exit 0
fi
if [ -z "$KEEP" ]; then
	for script in /usr/local/bin/k3s-uninstall.sh /usr/local/bin/k3s-agent-uninstall.sh; do
		[ ! -x $script ] || timeout 240 $script >/run/k3sha-uninstall.log 2>&1 || die "$script failed: $(tail -n 3 /run/k3sha-uninstall.log); see what is left there, then run pulumi up again"
	done
	if [ "$ROLE" = load-balancer ]; then
		systemctl disable -q --now keepalived haproxy 2>/dev/null || true
		rm -rf /etc/haproxy/k3sha /etc/haproxy/haproxy.cfg /etc/keepalived/keepalived.conf /etc/keepalived/k3sha-* /etc/systemd/system/haproxy.service.d/k3sha.conf /etc/systemd/system/keepalived.service.d/k3sha.conf
	fi
	rm -rf /etc/systemd/system/k3s.service.d/k3sha.conf /usr/local/lib/k3sha /var/lib/k3sha
	systemctl daemon-reload
else
	rm -f /var/lib/k3sha/member
fi
