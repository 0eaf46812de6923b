# Shared by the steps that install and start k3s.
data=/var/lib/rancher/k3s
etc=/etc/rancher/k3s
started=/var/lib/k3sha/started # hash of what the running k3s was started with

# wanted: hash of everything that a start of k3s reads from this node.
wanted() { { printf '%s\n' "$K3S_VERSION"; cat $etc/config.yaml $etc/token; } | sha256sum; }

# install_k3s server|agent: the official layout, by the release's own script, from what the prepare step has fetched.
install_k3s() {
	release=/var/lib/k3sha/releases/$K3S_VERSION
	if [ ! -s "$release/k3s" ] || [ ! -s "$release/install.sh" ]; then
		die "$release is gone; remove nothing there, and run pulumi up --replace on this node's prepare step"
	fi
	if ! cmp -s "$release/k3s" /usr/local/bin/k3s || [ ! -e "/etc/systemd/system/$UNIT.service" ]; then
		mkdir -p /usr/local/bin
		ln -f "$release/k3s" /usr/local/bin/k3s.k3sha-new 2>/dev/null || cp "$release/k3s" /usr/local/bin/k3s.k3sha-new
		mv -f /usr/local/bin/k3s.k3sha-new /usr/local/bin/k3s
		log=$(mktemp)
		if ! INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_SKIP_SELINUX_RPM=true \
			sh "$release/install.sh" "$1" >"$log" 2>&1; then
			redact <"$log" | tail -n 10 >&2
			rm -f "$log"
			die "the install script of $K3S_VERSION failed; see its last lines above"
		fi
		rm -f "$log"
	fi
	systemctl enable -q "$UNIT" 2>/dev/null
}

# start_k3s: starts the unit without waiting for it; the caller polls with its own deadline.
start_k3s() {
	rm -f $started
	systemctl reset-failed "$UNIT" 2>/dev/null || true
	systemctl restart --no-block "$UNIT"
}

# loops: k3s ends again and again; no use to wait longer.
loops() { [ "$(systemctl show -p NRestarts --value "$UNIT")" -ge 8 ]; }
