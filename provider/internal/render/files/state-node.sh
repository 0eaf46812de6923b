# Says what this machine does: "started" if k3s has ever come up here, or runs; on a load balancer "serves" if it does, with "holds" and the
# virtual addresses that it has, and "idle" if it should. A load balancer can be asked to yield the VIP, before it goes, and to serve again.
if [ -z "$VIP" ]; then
	if [ -s /var/lib/k3sha/reached ] || systemctl is-active -q k3s || systemctl is-active -q k3s-agent; then echo started; fi
	exit 0
fi
[ -s /etc/haproxy/k3sha/applied ] || exit 0
# All virtual addresses, as they are announced, also while one moves.
vips=$(sed -n 's|^ *\([0-9.]*\)/32 dev .*|\1|p' /etc/keepalived/keepalived.conf 2>/dev/null)
serves() {
	systemctl is-active -q haproxy && systemctl is-active -q keepalived &&
		curl -sf -o /dev/null --max-time 2 "http://127.0.0.1:$STATUS_PORT/alive"
}
held() { for vip in $vips; do if ip -o -4 addr show | grep -qF " $vip/"; then echo "$vip"; fi; done; }
holds() { [ -n "$(held)" ]; }
# hold_back: for a moment no connection to a VIP begins here, as if its first packet had been lost: the client sends that again after a second,
# to whoever has it then. Those that are under way end well meanwhile. The kernel forgets it by itself. Without nft they would be reset.
hold_back() {
	command -v nft >/dev/null || return 0
	elements=$(echo "$mine" | sed 's/$/ timeout 1s/' | paste -sd ,)
	nft -f - <<RULES 2>/dev/null || return 0
add table ip k3sha
delete table ip k3sha
table ip k3sha {
	set moving { type ipv4_addr; flags timeout; elements = { $elements }; }
	chain input { type filter hook input priority -200; ip daddr @moving tcp flags & (syn | ack) == syn drop; }
}
RULES
	sleep 0.1
}
answered() { for vip in $mine; do curl -sf -o /dev/null --max-time 1 "http://$vip:$STATUS_PORT/alive" || return 1; done; }
yielded() { ! holds && answered; }
case $DO in
yield)
	if holds; then
		mine=$(held)
		hold_back
		systemctl stop keepalived # which says so to the others
		wait_until 10 yielded || {
			systemctl start keepalived
			die "no other load balancer takes the VIP $(echo "$mine" | paste -sd ' '); see that Keepalived runs on another one, then run pulumi up again"
		}
	fi
	exit 0
	;;
begin)
	systemctl start --no-block haproxy keepalived 2>/dev/null || true
	exit 0
	;;
serve)
	systemctl start --no-block haproxy keepalived 2>/dev/null || true
	wait_until 300 serves || true
	;;
esac
if serves; then
	mine=$(held | paste -sd ' ')
	echo "serves${mine:+ holds $mine}"
else
	echo idle
fi
