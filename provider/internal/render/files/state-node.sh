# Says what this machine does: "started" if k3s has come up here once; on a load balancer "serves" if it does, and "holds" if it has the VIP.
# A load balancer can be asked to yield the VIP, before it goes, and to serve again.
if [ -z "$VIP" ]; then
	if [ -s /var/lib/k3sha/started ]; then echo started; fi
	exit 0
fi
serves() {
	systemctl is-active -q haproxy && systemctl is-active -q keepalived &&
		curl -sf -o /dev/null --max-time 2 "http://127.0.0.1:$STATUS_PORT/alive"
}
holds() { ip -o -4 addr show | grep -qF " $VIP/"; }
yielded() { ! holds && curl -sf -o /dev/null --max-time 1 "http://$VIP:$STATUS_PORT/alive"; }
case $DO in
yield)
	if holds; then
		systemctl stop keepalived # which says so to the others
		wait_until 10 yielded || {
			systemctl start keepalived
			die "no other load balancer takes the VIP $VIP; see that Keepalived runs on another one, then run pulumi up again"
		}
	fi
	exit 0
	;;
serve)
	systemctl start --no-block haproxy keepalived 2>/dev/null || true
	wait_until 300 serves || true
	;;
esac
if serves; then
	held=
	if holds; then held=" holds"; fi
	echo "serves$held"
fi
