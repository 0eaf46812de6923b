# Says which machine this is, and whether it is the one that starts the cluster, or has: then nothing of the node can be there that is not its
# own. It must not ask the cluster, which cannot be reached yet when the load balancers are still made.
id=$(cat /etc/machine-id)
[ -n "$id" ] || die "the machine has no id in /etc/machine-id; run systemd-machine-id-setup there, and see why its template has none"
printf '%s' "$id"
right=/var/lib/k3sha/right
if [ -s $right ] && { ! cmp -s $right $right-used || [ -d /var/lib/rancher/k3s/server/db/etcd/member ]; } && { [ -z "$START" ] || [ "$START" = "$(cut -d/ -f1 $right)" ]; }; then
	printf ' first'
fi
echo
