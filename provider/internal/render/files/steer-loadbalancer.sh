# Has this load balancer send a node no new connections ("drain"), or again ("ready"): those that are open stay. That is for the ports that are
# forwarded to it, and for the API if it is asked for. A load balancer that does not run needs not to be told. One that starts or is reloaded
# meanwhile reads what is said of the API from a file.
mkdir -p /run/k3sha-steered
if [ "$STATE" = ready ]; then
	rm -f "/run/k3sha-steered/$SERVER"
elif [ -n "$API" ]; then
	: >"/run/k3sha-steered/$SERVER"
fi
[ -S /run/haproxy/admin.sock ] || exit 0
ask() { /usr/local/lib/k3sha/lb-ask "$1" 2>&1; }
failed() { die "HAProxy cannot be told about $SERVER: $(printf '%s' "$1" | tail -n 1)"; }
# alone: forwards in which this node is the only one of several that gets connections. A pod of another one may be ready before it has passed
# the check, and the next node then goes too early.
alone() {
	ask "show servers state" | awk -v server="$SERVER" '
		$2 ~ /^forward_/ { of[$2]++; if ($6 == 2 && $7 == 0) { lives[$2]++; if ($4 == server) own[$2] = 1 } }
		END { for (b in own) if (lives[b] == 1 && of[b] > 1) print b }'
}
carried() { [ -z "$(alone)" ]; }
if [ "$STATE" = drain ]; then wait_until 30 carried || true; fi
states=$(ask "show servers state") || failed "$states"
backends=$(printf '%s\n' "$states" | awk -v server="$SERVER" -v api="$API$([ "$STATE" = drain ] || echo yes)" '$4 == server && ($2 ~ /^forward_/ || api != "" && $2 == "k3s_api") { print $2 }')
for backend in $backends; do
	answer=$(ask "set server $backend/$SERVER state $STATE") || failed "$answer"
	[ -z "$(printf '%s' "$answer" | tr -d '[:space:]')" ] || die "HAProxy refuses to set $backend/$SERVER to $STATE: $answer"
done
