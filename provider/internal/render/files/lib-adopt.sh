# Shared by the steps of a machine that brought its k3s. What that was started with, and a server's data if they are in SQLite, are kept in a
# folder of their own before anything is touched. k3s itself moves the data to etcd, when it starts with cluster-init.

# keep_former: what k3s was started with, once, and how to go back to it.
keep_former() {
	if [ ! -e $adopting ] || [ -e $kept/former ]; then return 0; fi
	may_upgrade
	room 512 $kept "what k3s was started with"
	rm -rf $kept
	copy_former || die "cannot keep in $kept what k3s was started with; see what is wrong with the disk, then run pulumi up again"
	: >$kept/former
}
copy_former() {
	file=$(systemctl show -p FragmentPath --value "$UNIT")
	mkdir -p $kept/systemd &&
		{ [ ! -d $etc ] || cp -a $etc $kept/etc; } &&
		cp -a "$file" $kept/systemd/ &&
		{ [ ! -e "$file.env" ] || cp -a "$file.env" $kept/systemd/; } &&
		{ [ "$(cat $reached)" = "$K3S_VERSION" ] || cp -aL /usr/local/bin/k3s $kept/k3s; } &&
		cp "$WAY_BACK" $kept/way-back.sh &&
		sync -f $kept
}

# only_ours: what is not the cluster's to say goes out of k3s' configuration. It is kept.
only_ours() {
	[ -e $adopting ] || return 0
	for file in "$etc"/config.yaml.d/*; do
		case ${file##*/} in k3sha-*) ;; *) rm -f "$file" ;; esac
	done
}

# keep_data: those in SQLite, as they are when nobody writes to them.
keep_data() {
	size=$(du -smc $sqlite* | tail -n 1 | cut -f 1)
	room $((size * 2 + 256)) $data/server/db "moving k3s' data to etcd"
	room $((size + 64)) $kept "a copy of k3s' data in SQLite"
	systemctl stop "$UNIT"
	rm -rf $kept/db.k3sha-new $kept/db.k3sha-old
	mkdir -m 0700 $kept/db.k3sha-new
	{ cp -p $sqlite* $kept/db.k3sha-new/ && sync $kept/db.k3sha-new/*; } || {
		systemctl start --no-block "$UNIT" # with its data where they were
		die "cannot copy k3s' data to $kept; see what is wrong with the disk, then run pulumi up again"
	}
	[ ! -e $kept/db ] || mv $kept/db $kept/db.k3sha-old
	mv $kept/db.k3sha-new $kept/db
	rm -rf $kept/db.k3sha-old
}

# half_moved: k3s has begun to move the data, and has not ended. etcd has a part of them, which k3s would take for all: its unit does not start it
# then. moves: it is at it. fell: it ended in it.
half_moved() { [ -e $sqlite ] && [ -e $data/server/db/etcd/member ]; }
pid() { systemctl show -p MainPID --value "$UNIT"; }
moves() { half_moved && [ "$(pid)" != 0 ]; }
still() { ! moves; }
fell() { half_moved && [ "$(pid)" = 0 ]; }

# move_again: what etcd has of the data is put aside, and k3s moves them once more. Whatever interrupts this, k3s then does not start, or begins
# the move.
move_again() {
	if [ ! -e $sqlite ]; then
		[ -e $sqlite.migrated ] || die "the data that this server brought are gone from $data/server/db; go back to what was before: sh $kept/way-back.sh"
		mv $sqlite.migrated $sqlite
	fi
	rm -rf $data/server/db/etcd-unfinished
	mv $data/server/db/etcd $data/server/db/etcd-unfinished
}

# saved: k3s has come as far as it has to for another start. It says that it has not.
saved() { [ -e /var/lib/k3sha/served ] || ! journal "$UNIT" | grep -q 'no bootstrap data found\|failed to read consistent index'; }

# named: the certificate that the API shows is good for the VIP, by which the others join.
named() { curl -s -o /dev/null --max-time 3 --cacert $data/server/tls/server-ca.crt --connect-to "$VIP:$API_PORT:127.0.0.1:6443" "https://$VIP:$API_PORT/readyz"; }

adopted() { rm -rf $adopting /var/lib/k3sha/served $data/server/db/etcd-unfinished; }
