# Has this load balancer send a server no new connections ("drain"), or again ("ready"): those that are open stay. A load balancer that does
# not run needs not to be told. One that starts or is reloaded meanwhile reads it from a file.
mkdir -p /run/k3sha-steered
if [ "$STATE" = drain ]; then : >"/run/k3sha-steered/$SERVER"; else rm -f "/run/k3sha-steered/$SERVER"; fi
[ -S /run/haproxy/admin.sock ] || exit 0
answer=$(python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect("/run/haproxy/admin.sock")
s.sendall(sys.argv[1].encode() + b"\n")
sys.stdout.write(s.recv(4096).decode())
' "set server k3s_api/$SERVER state $STATE" 2>&1) || die "HAProxy cannot be told about $SERVER: $(printf '%s' "$answer" | tail -n 1)"
case $answer in
'' | *'No such server'*) ;;
*) [ -z "$(printf '%s' "$answer" | tr -d '[:space:]')" ] || die "HAProxy refuses to set $SERVER to $STATE: $answer" ;;
esac
