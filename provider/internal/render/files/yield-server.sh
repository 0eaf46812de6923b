# Before this server goes for a moment, another one leads etcd. Says to which member that has gone.
if leads; then
	hand_over || die "no other server takes the lead of etcd"
	echo "$moved"
fi
