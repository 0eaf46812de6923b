# Shared by the steps that need programs on a node.

# programs: standard input lists programs and their Debian packages; what is missing is installed.
programs() {
	missing=
	while read -r program package; do
		command -v "$program" >/dev/null || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null ||
		die "missing packages:$missing; this is no Debian or Ubuntu, so install them in the template"
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	# At first boot the machine's own apt run may hold the lock of the lists, for which apt itself does not wait.
	# An earlier installation may have been killed in the middle.
	dpkg --configure -a --force-confold >"$log" 2>&1 || true # what is wrong then, the installation says
	update_lists() { apt-get -q -o Acquire::Retries=3 update >"$log" 2>&1 || ! grep -q 'Could not get lock' "$log"; }
	wait_until 300 update_lists || true # what is missing then, the installation says
	# shellcheck disable=SC2086 # a list of words
	if ! { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold \
			install --no-install-recommends $missing; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "cannot install$missing; see apt's last lines above and check the node's package sources"
	fi
	rm -f "$log"
}
