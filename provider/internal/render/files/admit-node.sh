# Says which machine this is, and whether it is to start the cluster: then nothing of the node can be in a cluster yet.
id=$(cat /etc/machine-id)
[ -n "$id" ] || die "the machine has no id in /etc/machine-id; run systemd-machine-id-setup there, and see why its template has none"
printf '%s' "$id"
right=/var/lib/k3sha/right
if [ -s $right ] && ! cmp -s $right $right-used && { [ -z "$START" ] || [ "$START" = "$(cut -d/ -f1 $right)" ]; }; then
	printf ' first'
elif [ -s /var/lib/k3sha/restored-first ]; then
	printf ' first' # it starts with a snapshot's data, and nobody before it
fi
echo
