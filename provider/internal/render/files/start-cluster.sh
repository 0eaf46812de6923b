# Gives this machine the right to start the cluster, and the cluster's CAs. That happens once: a machine that is made anew later gets
# neither, and joins. The right is used up on this machine when its API has been ready once.
lock
data=/var/lib/rancher/k3s
right=/var/lib/k3sha/right
printf '%s' "$CA" >/run/k3sha-ca.pem

# lives ADDRESS: a server of this cluster answers there; it proves that by TLS.
lives() { curl -s -o /dev/null --connect-timeout 2 --max-time 4 --cacert /run/k3sha-ca.pem "https://$1/readyz"; }

has_data() { [ -d $data/server/db/etcd/member ]; }
if has_data && { [ -z "$START" ] || [ "$START" = "$(cat /var/lib/k3sha/start 2>/dev/null)" ]; }; then
	exit 0 # it has started
fi
# It brings the cluster: in etcd, and goes on with that, or in SQLite, and has the right to make one of that.
if [ -n "$ADOPT" ] && [ -z "$START" ]; then
	[ -e $data/server/db/state.db ] || die "the data of the k3s that is to be adopted are gone from $data/server/db; bring them back, then run pulumi up again"
	OTHERS='' VIP=''
fi
for address in ${VIP:+"$VIP:$API_PORT"} $OTHERS; do
	if lives "$address"; then
		die "a server of cluster $CLUSTER answers at $address, so nothing is lost: take servers.startOver out again, and run pulumi up"
	fi
done
if has_data; then
	die "this machine holds the data of the cluster that servers.startOver gives up; make its VM anew: pulumi up --replace '**::$VM'"
fi
mkdir -p $data/server/tls/etcd
chmod 0700 $data/server $data/server/tls $data/server/tls/etcd
printf '%s' "$AUTHORITIES" | base64 -d | tar -x ${ADOPT:+--skip-old-files} -C $data/server/tls
put 0600 $right "$START/$RIGHT"
