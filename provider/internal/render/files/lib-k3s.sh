# Shared by the steps that install and start k3s.
: "${RESTORE:=}" "${S3_KEYS:=}" "${S3_CA:=}"
: "${AROUND:=}" "${REGISTRIES:=}" "${REGISTRY_FILES:=}" "${HOSTS:=}" "${AROUND_SECRETS:=}" "${PROXY:=}" "${AIRGAP:=}" "${RESOLV:=}" "${IMAGES:=}"
data=/var/lib/rancher/k3s
etc=/etc/rancher/k3s
started=/var/lib/k3sha/started     # hash of what the running k3s was started with
written=/var/lib/k3sha/registries  # hash of the registries.yaml that was last written here
mirrored=/var/lib/k3sha/mirrored   # hash of what containerd was last told of registries
installed=/var/lib/k3sha/installed # release whose install script has run
reached=/var/lib/k3sha/reached     # the last release that has come up here
previous=/var/lib/k3sha/previous   # the one before it
sqlite=$data/server/db/state.db

# brought: a machine that brought its k3s is looked after as such until then.
brought() {
	: "${ADOPT:=}"
	if [ -z "$ADOPT" ]; then
		[ ! -e $adopting ] || die "this machine brought its k3s, which has not come up yet as what it is to be; put adopt: true back on its slot until it has, then run pulumi up again"
		return 0
	fi
	keep_former
	# k3s may restart at any time from here on, and finds what its configuration names.
	if [ -e $adopting ]; then put 0600 $etc/token "$TOKEN"; fi
}

# may_upgrade: k3s goes neither back nor over a minor version. What counts is what has come up on this node: from a release that cannot start
# here it may go back.
may_upgrade() {
	now=$(cat $reached 2>/dev/null) || return 0
	# A pre-release comes before its release.
	oldest=$(printf '%s\n%s\n' "$now" "$K3S_VERSION" | sed 's/-/~/' | sort -V | head -n 1 | sed 's/~/-/')
	[ "$oldest" = "$now" ] || die "$K3S_VERSION is older than $now, which this server runs; k3s cannot go back"
	from=$(minor "$now") to=$(minor "$K3S_VERSION")
	[ "$to" -le $((from + 1)) ] || die "$K3S_VERSION skips a minor version after $now, which this server runs; go through v1.$((from + 1)) first"
	if etcd36 "$K3S_VERSION" && ! etcd36 "$now" && ! leads_to_etcd36 "$now"; then
		die "$K3S_VERSION has etcd 3.6, which must not follow the etcd of $now, which this server runs; go to v1.33.10+k3s1 first"
	fi
}
minor() { printf '%s' "$1" | cut -d. -f2; }
patch() { printf '%s' "$1" | cut -d. -f3 | sed 's/[-+].*//'; }
build() { printf '%s' "${1##*+k3s}"; }

# etcd36 RELEASE: it has etcd 3.6. leads_to_etcd36 RELEASE: it has etcd 3.5.26, which alone hands its data over to 3.6.
etcd36() { [ "$(minor "$1")" -ge 34 ] || { [ "$(minor "$1")" -eq 33 ] && [ "$(patch "$1")" -ge 11 ]; }; }
leads_to_etcd36() {
	[ "$(minor "$1")" -eq 33 ] && { [ "$(patch "$1")" -ge 8 ] || { [ "$(patch "$1")" -eq 7 ] && [ "$(build "$1")" -ge 3 ]; }; }
}

# wanted: hash of everything that a start of k3s reads from this node.
wanted() { { printf '%s\n' "$K3S_VERSION"; lasting <$etc/config.yaml; cat $etc/token; printf '%s%s%s' "$S3_KEYS" "$S3_CA" "$AROUND"; } | sha256sum; }

# lasting: a configuration without what counts at a node's registration only. A registered one gets its labels and taints through the API.
lasting() { sed '/^node-label: /d; /^node-taint: /d'; }

# configure: puts the configuration in place. What somebody has written there meanwhile, k3s may run with: it starts anew then.
configure() {
	if [ -f $etc/config.yaml ] && [ "$(lasting <$etc/config.yaml)" != "$(printf '%s' "$CONFIG" | lasting)" ]; then rm -f $started; fi
	put 0600 $etc/config.yaml "$CONFIG"
	around
}

# around: what k3s reads besides its configuration. What is asked for no more goes right before k3s starts without it: until then it runs with it.
around() {
	owned $etc/registries.yaml "$REGISTRIES" "$(cat $written 2>/dev/null)"
	[ -z "$REGISTRIES" ] || put 0600 $written "$(sum "$REGISTRIES")"
	owned "/etc/default/$UNIT" "$PROXY" # k3s' unit reads its environment from there
	owned $etc/resolv.conf "$RESOLV"
	if [ -n "$REGISTRY_FILES" ]; then
		mkdir -p $etc/k3sha-registries
		printf '%s' "$REGISTRY_FILES" | base64 -d | tar -x -C $etc/k3sha-registries -f - || die "cannot write the registries' certificates to $etc/k3sha-registries; is the disk full?"
	fi
	mirrors
	[ -z "$AIRGAP" ] || import "/var/lib/k3sha/releases/$K3S_VERSION/images.tar.zst" k3sha-release.tar.zst
	while read -r name ending sum _; do
		[ -z "$name" ] || import "/var/lib/k3sha/images/$sum" "k3sha-$name$ending"
	done <<LIST
$IMAGES
LIST
}

# mirrors: containerd reads where images are whenever it pulls one, so k3s runs on. When k3s starts it writes the same from registries.yaml: so
# nothing is done before a start, which may yet be refused.
mirrors() {
	if [ -z "$HOSTS" ] && [ ! -e $mirrored ]; then return 0; fi # what is there is somebody else's
	if [ -z "$REGISTRIES" ] && [ -e $etc/registries.yaml ] && ! ours $etc/registries.yaml; then
		rm -f $mirrored $written # so it is by now
		return 0
	fi
	if [ "$(wanted)" != "$(cat $started 2>/dev/null)" ] || asked || ! systemctl is-active -q "$UNIT"; then return 0; fi
	[ "$(sum "$HOSTS")" != "$(cat $mirrored 2>/dev/null)" ] || return 0
	grep -Eq "^ *config_path = ['\"]?${certs}['\"]? *$" $data/agent/etc/containerd/config.toml 2>/dev/null ||
		die "containerd on this machine does not look into $certs for registries (is there a config.toml.tmpl without config_path?), so k3s must start anew to know of other ones: set k3s.restart to a new word, then run pulumi up again"
	new=$(mktemp -d)
	trap 'rm -rf "$new"' EXIT
	if [ -n "$HOSTS" ]; then
		printf '%s' "$HOSTS" | base64 -d | tar -x -C "$new" -f - || die "cannot unpack the registries' hosts to $new; is the disk full?"
	fi
	for host in "$new"/*; do
		[ -e "$host" ] || continue
		mkdir -p "$certs/${host##*/}"
		install -m 0644 "$host/hosts.toml" "$certs/${host##*/}/.k3sha-new"
		mv -f "$certs/${host##*/}/.k3sha-new" "$certs/${host##*/}/hosts.toml"
	done
	for host in "$certs"/*; do # those that k3s wrote
		if [ -e "$new/${host##*/}" ] || ! head -n 1 "$host/hosts.toml" 2>/dev/null | grep -q '^# File generated by k3s[.]'; then continue; fi
		rm -rf "$host"
	done
	rm -rf "$new"
	trap - EXIT
	unnamed
	told
}
certs=$data/agent/etc/containerd/certs.d
sum() { printf '%s' "$1" | sha256sum | cut -d' ' -f1; }

# told: containerd has been told of registries, or is to know of none.
told() { if [ -n "$HOSTS" ]; then put 0600 $mirrored "$(sum "$HOSTS")"; else rm -f $mirrored; fi; }

# unasked: what k3s is not to start with any more.
unasked() {
	unnamed
	[ -n "$PROXY" ] || gone "/etc/default/$UNIT"
	[ -n "$RESOLV" ] || gone $etc/resolv.conf
	names=$(printf '%s\n' "$IMAGES" | awk 'NF { print "k3sha-" $1 $2 }')
	[ -z "$AIRGAP" ] || names="$names
k3sha-release.tar.zst"
	for file in "$data"/agent/images/k3sha-*; do
		[ ! -e "$file" ] || printf '%s\n' "$names" | grep -qxF "${file##*/}" || rm -f "$file"
	done
	for file in /var/lib/k3sha/images/*; do
		case "$IMAGES" in *" ${file##*/} "*) ;; *) rm -f "$file" ;; esac
	done
}

# unnamed: registries, and certificates of them, that are not asked for.
unnamed() {
	if [ -z "$REGISTRIES" ]; then
		gone $etc/registries.yaml
		rm -f $written
	fi
	names=$(printf '%s' "$REGISTRY_FILES" | base64 -d | tar -t -f - 2>/dev/null) || names=
	for file in "$etc"/k3sha-registries/*; do
		[ ! -e "$file" ] || printf '%s\n' "$names" | grep -qxF "${file##*/}" || rm -f "$file"
	done
	[ -n "$names" ] || rm -rf $etc/k3sha-registries
}

# ours FILE: it was written here.
ours() { head -n 1 "$1" 2>/dev/null | grep -q 'written by pulumi-k3sha'; }
gone() { ! ours "$1" || rm -f "$1"; }

# owned FILE CONTENT [SUM]: the file is there, if it is asked for. Somebody else's is not overwritten. What somebody has written there meanwhile, k3s
# may run with: it starts anew then. SUM is that of what was written last, which is none of somebody's.
owned() {
	[ -n "$2" ] || return 0
	if [ -e "$1" ]; then
		ours "$1" || die "$1 on this machine is somebody else's, and would be overwritten; take it away, or out of the template"
		printf '%s' "$2" | cmp -s - "$1" || [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "${3:-}" ] || rm -f $started
	fi
	put 0600 "$1" "$2"
}

# import FILE NAME: an archive of images lies where k3s imports it when it starts.
import() {
	[ -s "$1" ] || die "$1 is gone; remove nothing there, and run pulumi up --replace on this node's prepare step"
	images=$data/agent/images
	mkdir -p "$images"
	if [ "$(stat -c %d:%i "$1")" != "$(stat -c %d:%i "$images/$2" 2>/dev/null)" ]; then
		ln -f "$1" "$images/$2.k3sha-new" 2>/dev/null || cp "$1" "$images/$2.k3sha-new"
		mv -f "$images/$2.k3sha-new" "$images/$2"
	fi
}

# asked: a restart is asked for by a word that is new here, or the cluster has gone back to a snapshot: what k3s has in memory is of a time that
# never was.
asked() {
	{ [ -n "$RESTART" ] && [ "$RESTART" != "$(cat /var/lib/k3sha/restarted 2>/dev/null)" ]; } ||
		{ [ -n "$RESTORE" ] && [ "$RESTORE" != "$(cat /var/lib/k3sha/restored 2>/dev/null)" ]; }
}

# noted: k3s has come up, at this release and with this configuration. Of other releases the one before it is kept, and no older one.
noted() {
	[ -z "$RESTART" ] || put 0600 /var/lib/k3sha/restarted "$RESTART"
	[ -z "$RESTORE" ] || put 0600 /var/lib/k3sha/restored "$RESTORE"
	rm -f /var/lib/k3sha/restored-first
	now=$(cat $reached 2>/dev/null) || now=
	if [ "$now" != "$K3S_VERSION" ]; then
		[ -z "$now" ] || put 0644 $previous "$now"
		put 0644 $reached "$K3S_VERSION"
	fi
	for release in /var/lib/k3sha/releases/*; do
		case ${release##*/} in "$K3S_VERSION" | "$(cat $previous 2>/dev/null)") ;; *) rm -rf "$release" ;; esac
	done
	told
	wanted >$started
}

# ends_again: what is said when k3s cannot start.
ends_again() {
	back=
	now=$(cat $reached 2>/dev/null) || now=
	case $now in "" | "$K3S_VERSION") ;; *) back=", or set k3s.version back to $now while no server has come up with $K3S_VERSION" ;; esac
	die_of "$UNIT" "k3s $K3S_VERSION ends again and again; mend that$back, then run pulumi up again"
}

# install_k3s server|agent: the official layout, by the release's own script, from what the prepare step has fetched.
install_k3s() {
	release=/var/lib/k3sha/releases/$K3S_VERSION
	if [ ! -s "$release/k3s" ] || [ ! -s "$release/install.sh" ]; then
		die "$release is gone; remove nothing there, and run pulumi up --replace on this node's prepare step"
	fi
	if [ "$K3S_VERSION" != "$(cat $installed 2>/dev/null)" ] || ! cmp -s "$release/k3s" /usr/local/bin/k3s ||
		[ ! -e "/etc/systemd/system/$UNIT.service" ]; then
		mkdir -p /usr/local/bin
		ln -f "$release/k3s" /usr/local/bin/k3s.k3sha-new 2>/dev/null || cp "$release/k3s" /usr/local/bin/k3s.k3sha-new
		chmod 0755 /usr/local/bin/k3s.k3sha-new # everybody may run it; a copy has this script's umask
		mv -f /usr/local/bin/k3s.k3sha-new /usr/local/bin/k3s
		log=$(mktemp)
		if ! INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_SKIP_SELINUX_RPM=true \
			sh "$release/install.sh" "$1" >"$log" 2>&1; then
			die_showing "$log" "the install script of $K3S_VERSION failed; see its last lines below, mend that, then run pulumi up again"
		fi
		rm -f "$log"
		put 0644 $installed "$K3S_VERSION"
	fi
	enabled "$UNIT"
}

# start_k3s: starts the unit without waiting for it; the caller polls with its own deadline.
start_k3s() {
	rm -f $started
	systemctl reset-failed "$UNIT" 2>/dev/null || true
	former=$(invocation)
	unasked
	systemctl restart --no-block "$UNIT"
}
former=
invocation() { systemctl show -p InvocationID --value "$UNIT"; }

# runs: the unit is up, and it is not the process from before a restart.
runs() { systemctl is-active -q "$UNIT" && [ "$(invocation)" != "$former" ]; }

# beats: the node's lease is of the process that runs now. Its conditions stay for a while as they were before a restart. Sets $state to whether the
# node is Ready, and at which release: one question for both, for each starts a program.
beats() {
	shown=$(kubectl -n kube-node-lease get "lease/$NODE" "node/$NODE" --ignore-not-found -o 'jsonpath={.items[?(@.kind=="Lease")].spec.renewTime}|{.items[?(@.kind=="Node")].status.conditions[?(@.type=="Ready")].status} {.items[?(@.kind=="Node")].status.nodeInfo.kubeletVersion}') || return 1
	at=${shown%%|*} state=${shown#*|}
	since=$(systemctl show -p ExecMainStartTimestamp --value "$UNIT")
	[ -n "$at" ] && [ -n "$since" ] && [ "$(date -d "$at" +%s)" -ge "$(date -d "$since" +%s)" ]
}

# loops: k3s ends again and again in this step; no use to wait longer.
restarts() { systemctl show -p NRestarts --value "$UNIT" 2>/dev/null || echo 0; }
restarts_before=$(restarts)
loops() {
	count=$(restarts)
	[ "$count" -ge "$restarts_before" ] || restarts_before=0 # a new start counts anew
	[ $((count - restarts_before)) -ge 8 ]
}
