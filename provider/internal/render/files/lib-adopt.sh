# Shared by the steps of a machine that brought its k3s. What that was started with, and a server's data if they are in SQLite, are kept in a
# folder of their own before anything is touched. k3s itself moves the data to etcd, when it starts with cluster-init.
kept=/var/backups/k3s-before-adoption
adopting=/var/lib/k3sha/adopting # until its k3s has come up as what it is to be
sqlite=$data/server/db/state.db

# keep_former: what k3s was started with, once, and how to go back to it. Other pieces of configuration would count on.
keep_former() {
	if [ ! -e $adopting ] || [ -e $kept/former ]; then return 0; fi
	may_upgrade
	room 512 $kept "what k3s was started with"
	rm -rf $kept
	mkdir -p -m 0700 $kept/systemd
	[ ! -d $etc ] || cp -a $etc $kept/etc
	file=$(systemctl show -p FragmentPath --value "$UNIT")
	cp -a "$file" $kept/systemd/
	[ ! -e "$file.env" ] || cp -a "$file.env" $kept/systemd/
	[ "$(cat $reached)" = "$K3S_VERSION" ] || cp -aL /usr/local/bin/k3s $kept/k3s
	cp "$WAY_BACK" $kept/way-back.sh
	: >$kept/former
}

# only_ours: what is not the cluster's to say goes out of k3s' configuration. It is kept.
only_ours() {
	[ -e $adopting ] || return 0
	for file in $etc/config.yaml.d/*; do
		case ${file##*/} in k3sha-*) ;; *) rm -f "$file" ;; esac
	done
}

# keep_data: those in SQLite, as they are when nobody writes to them.
keep_data() {
	size=$(du -smc $sqlite* | tail -n 1 | cut -f 1)
	room $((size * 3 + 256)) $data/server/db "moving k3s' data to etcd"
	room $((size + 64)) $kept "a copy of k3s' data in SQLite"
	systemctl stop "$UNIT"
	[ ! -e $kept/db ] || return 0
	rm -rf $kept/db.k3sha-new
	mkdir -m 0700 $kept/db.k3sha-new
	cp -p $sqlite* $kept/db.k3sha-new/
	sync $kept/db.k3sha-new/*
	mv $kept/db.k3sha-new $kept/db
}

# take_back: the data that were kept come back in the place of what had become of them.
take_back() {
	[ -e $kept/db ] || die "the data that this server brought are gone from $kept/db, where they were kept; look for them in $data/server, then run pulumi up again"
	rm -rf $data/server/db.k3sha-new
	cp -a $kept/db $data/server/db.k3sha-new
	rm -rf $data/server/db
	mv $data/server/db.k3sha-new $data/server/db
}

# half_moved: k3s was interrupted when it moved the data. etcd has a part of them, which k3s would take for all: its unit does not start it then.
half_moved() { [ -e $sqlite ] && [ -e $data/server/db/etcd/member ]; }

# named: the certificate that the API shows is good for the VIP, by which the others join.
named() { curl -s -o /dev/null --max-time 3 --cacert $data/server/tls/server-ca.crt --connect-to "$VIP:$API_PORT:127.0.0.1:6443" "https://$VIP:$API_PORT/readyz"; }

adopted() { rm -f $adopting; }
