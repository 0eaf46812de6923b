# Configures HAProxy and Keepalived. The last load balancer is done when HAProxy answers on the VIP, from exactly one of
# them: while they change one after the other, they may disagree about a router id or a peer.
lock

# VIPS are the virtual addresses, the API's first: of each its address, its router id, and the inputs of both.
#
# alone: before Keepalived has an address here for the first time, nobody else on this network has it or speaks VRRP by its router id. Other load
# balancers of this cluster may.
alone() {
	ids=
	while read -r vip id input _; do
		if grep -qF " $vip/32 " /etc/keepalived/keepalived.conf 2>/dev/null && [ -s /etc/keepalived/k3sha-applied ]; then continue; fi
		ids=$ids,$id
		other=$(arping -D -c 2 -w 2 -I "$interface" "$vip" | sed -n 's/^[^[]*\[\([^]]*\)\].*/\1/p' | tr a-f A-F | sort -u | grep -vxF "$LB_MACS" | head -n 1) || true
		[ -z "$other" ] || die "another machine has the VIP $vip already (MAC $other); free it there, or choose another $input"
	done <<ADDRESSES
$VIPS
ADDRESSES
	# Router ids are heard of before the first start only: later, this machine takes such packets itself.
	if [ -z "$ids" ] || [ -s /etc/keepalived/k3sha-applied ]; then return 0; fi
	command -v python3 >/dev/null || return 0 # cloud images have it: cloud-init is made of it
	# shellcheck disable=SC2086 # a list of words
	heard=$(python3 "$VRRP_LISTEN" "$NODE_IP" "${ids#,}" 3.5 $LB_ADDRESSES) || true
	input=$(echo "$VIPS" | awk -v id="${heard#* }" '$2 == id { print $4 }')
	[ -z "$heard" ] || die "${heard% *} speaks VRRP with the router id ${heard#* } on this network; set $input to one that nobody else has"
}

mkdir -p $conf
chmod 0755 $conf
apply_haproxy

interface=$INTERFACE
if [ -z "$interface" ]; then
	interface=$(ip -o -4 addr show | awk -v ip="$NODE_IP" '{ split($4, a, "/"); if (a[1] == ip) { print $2; exit } }')
	[ -n "$interface" ] || die "no interface has $NODE_IP; check the VM's network, or set loadBalancers.interface"
elif [ ! -e "/sys/class/net/$interface" ]; then
	die "there is no interface $interface; there are: $(cd /sys/class/net && echo *); set loadBalancers.interface to one of them, or leave it out"
fi
# Machines that are there have network cards of their own: the others are asked for theirs.
if [ -z "$LB_MACS" ]; then
	LB_MACS=$(
		for address in $LB_ADDRESSES; do
			if [ "$address" = "$NODE_IP" ]; then
				cat "/sys/class/net/$interface/address"
			else
				arping -c 1 -w 2 -I "$interface" "$address" | sed -n 's/^[^[]*\[\([^]]*\)\].*/\1/p'
			fi
		done | tr a-f A-F | sort -u
	)
fi
put 0755 /usr/local/lib/k3sha/lb-check "$(cat "$LB_CHECK")
"
mkdir -p /etc/systemd/system/keepalived.service.d
put 0644 /etc/systemd/system/keepalived.service.d/k3sha.conf "$KEEPALIVED_UNIT"
put 0644 /etc/keepalived/k3sha-interface.conf "\$INTERFACE=$interface
"
# A VIP that moves: until everything uses the new one, the one before it is announced as ever, and the new one is held beside it. All load
# balancers give the former one up at the same time, at the end of the update: what they announce to each other must be the same.
announced=/etc/keepalived/k3sha-vip
put 0644 /etc/keepalived/k3sha-arrived.conf "$KEEPALIVED"
former=$(cat $announced 2>/dev/null) || former=$VIP
if [ "$former" != "$VIP" ] && systemctl is-active -q keepalived; then
	put 0644 /etc/keepalived/k3sha-candidate.conf "$(printf '%s' "$KEEPALIVED" | sed "s|^ *$VIP/32 dev .*|        $former/32 dev \$INTERFACE\n    }\n    virtual_ipaddress_excluded {\n&|")
"
else
	put 0644 /etc/keepalived/k3sha-candidate.conf "$KEEPALIVED"
	put 0644 $announced "$VIP"
fi
if [ "$(keepalived_sum)" != "$(cat /etc/keepalived/k3sha-applied 2>/dev/null)" ] || ! systemctl is-active -q keepalived ||
	! cmp -s /etc/keepalived/k3sha-candidate.conf /etc/keepalived/keepalived.conf; then
	found=$(keepalived --config-test=/run/k3sha-keepalived-test --use-file=/etc/keepalived/k3sha-candidate.conf 2>&1) ||
		die "Keepalived rejects its new configuration, the old one stays: $found $(cat /run/k3sha-keepalived-test 2>/dev/null)"
	alone
	take_keepalived
fi

enabled haproxy
enabled keepalived
systemctl is-active -q keepalived || die_of keepalived "Keepalived does not run; see its journal above"
if [ -z "$LAST" ]; then exit 0; fi
wait_until 60 vip_answers ||
	die_of keepalived "the VIP $VIP does not answer for cluster $CLUSTER on port $STATUS_PORT after 60 s (got: $(vip_name || echo nothing)); does another host or VRRP router id use it?"

# holders VIP: how many of the load balancers answer for it. One that asks doesn't hear itself; one that is being removed still runs, and does not
# count.
holders() {
	own=0
	if ip -o -4 addr show dev "$interface" | grep -qF " $1/"; then
		own=1
		answers=$(arping -D -c 2 -w 2 -I "$interface" "$1") || true
	else
		answers=$(arping -c 2 -w 2 -I "$interface" -s "$NODE_IP" "$1") || true
	fi
	others=$(printf '%s\n' "$answers" | sed -n 's/^[^[]*\[\([^]]*\)\].*/\1/p' | tr a-f A-F | sort -u | grep -cxF "$LB_MACS") || true
	echo $((own + others))
}
one_holder() { [ "$(holders "$vip")" -eq 1 ]; }
echo "$VIPS" | cut -d' ' -f1 | while read -r vip; do
	wait_until 30 one_holder ||
		die_of keepalived "$(holders "$vip") hosts hold the VIP $vip, it must be one; let IP protocol 112 pass between the load balancers"
done
