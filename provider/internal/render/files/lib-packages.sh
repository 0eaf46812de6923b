# Shared by the steps that need programs on a node, and fetch them and other things.
: "${PROXY_HTTP:=}" "${PROXY_HTTPS:=}" "${WITHOUT_PROXY:=}" "${SECRETS:=}"
# curl and apt take it from here. It may carry a password, so no message shows it.
if [ -n "$PROXY_HTTP$PROXY_HTTPS" ]; then
	export http_proxy="$PROXY_HTTP" https_proxy="$PROXY_HTTPS" no_proxy="$WITHOUT_PROXY"
	SECRETS="$SECRETS
$PROXY_HTTP
$PROXY_HTTPS"
fi

# programs: standard input lists programs and their Debian packages; what is missing is installed.
programs() {
	missing=
	while read -r program package; do
		command -v "$program" >/dev/null || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null ||
		die "missing packages:$missing; this is no Debian or Ubuntu, so install them in the template"
	room 200 /var/cache/apt/archives "the installation of$missing"
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	# A source that does not answer is given up after half a minute, not after minutes.
	options='-q -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15'
	# An earlier installation may have been killed in the middle.
	dpkg --configure -a --force-confold >"$log" 2>&1 || true # what is wrong then, the installation says
	# At first boot the machine's own apt run may hold the lock of the lists, for which apt itself does not wait.
	# shellcheck disable=SC2086 # lists of words, here and below
	update_lists() { apt-get $options update >"$log" 2>&1 || ! grep -q 'Could not get lock' "$log"; }
	wait_until 300 update_lists || true # what is missing then, the installation says
	# shellcheck disable=SC2086
	apt-get $options -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install --no-install-recommends $missing >"$log" 2>&1 ||
		die_showing "$log" "cannot install$missing; see apt's last lines below, mend the node's package sources or its way to them, then run pulumi up again"
	rm -f "$log"
}

# guest_agent: what Proxmox VE talks to is installed, and runs where its channel is: it starts with the machine from then on.
guest_agent() {
	[ -n "${AGENT:-}" ] || return 0
	programs <<-LIST
		qemu-ga qemu-guest-agent
	LIST
	[ ! -e /dev/virtio-ports/org.qemu.guest_agent.0 ] || systemctl start qemu-guest-agent || echo "$NODE: the QEMU guest agent does not start; see systemctl status qemu-guest-agent"
}
