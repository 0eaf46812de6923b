# Shared by every step. Steps are safe to run twice and go on where an earlier run stopped.
# The variables above arrive quoted, some of them are secret: no tracing, and nothing of them on a command line.
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
: "${SECRETS:=}"
begun=$(date +%s)
# Of a machine that brought its k3s: until that has come up as what it is to be; and what it was before.
adopting=/var/lib/k3sha/adopting
kept=/var/backups/k3s-before-adoption

# die MESSAGE: ends the step. The message says what was seen and what to do.
die() {
	printf '%s: %s: %s\n' "$NODE" "$STEP" "$*" >&2
	exit 1
}

# The step's deadline has come; timeout has sent this to all that the step started.
trap 'die "did not end in time and was stopped; run pulumi up again to go on"' TERM

# lock: one step at a time on a node. A step that lost its SSH connection may still be running.
lock() {
	exec 9>/run/k3sha.lock
	flock -w 120 9 || die "another step has been at work on this node for 120 s; wait for it, then run pulumi up again"
}

# wait_until SECONDS COMMAND...: 0 as soon as the command succeeds, 1 after the deadline.
wait_until() {
	deadline=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$deadline" ] || return 1
		sleep 0.3
	done
}

# room MIB DIR WHAT: ends the step if the disk has less space left there than that takes.
room() {
	mkdir -p "$2"
	left=$(df -P -k "$2" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "$left" -ge "$1" ] || die "the disk has $left MiB left at $2, and $3 takes up to $1; make room there, or give the node a larger disk, then run pulumi up again"
}

# put MODE FILE CONTENT: replaces a file in one move, only if its content differs.
put() {
	if [ -f "$2" ] && printf '%s' "$3" | cmp -s - "$2"; then return 0; fi
	mkdir -p "$(dirname "$2")"
	printf '%s' "$3" >"$2.k3sha-new"
	chmod "$1" "$2.k3sha-new"
	mv -f "$2.k3sha-new" "$2"
}

# enabled UNIT: it starts with the machine. known UNIT: systemd has read its drop-in as it is now. Each time that systemd reads all units again
# costs a small machine a second, so it does only if it has to. That there is a drop-in where there was none, systemd 252 does not notice.
enabled() {
	systemctl is-enabled -q "$1" 2>/dev/null || systemctl enable -q --no-reload "$1" 2>/dev/null || die "cannot enable $1.service; is it masked?"
}
known() {
	case "$(systemctl show -p NeedDaemonReload --value "$1") $(systemctl show -p DropInPaths --value "$1") " in
	no*" /etc/systemd/system/$1.service.d/k3sha.conf "*) ;;
	*) systemctl daemon-reload ;;
	esac
}

# redact: standard input without the step's secrets.
redact() {
	SECRETS=$SECRETS awk 'BEGIN { n = split(ENVIRON["SECRETS"], s, "\n") }
		{ for (i = 1; i <= n; i++) if (s[i] != "") while ((p = index($0, s[i])) > 0)
			$0 = substr($0, 1, p - 1) "***" substr($0, p + length(s[i]))
		  print }'
}

# die_showing FILE MESSAGE: die with the last lines of a file behind the message. The file goes.
die_showing() {
	shown=$1
	shift
	{
		printf '%s: %s: %s\n' "$NODE" "$STEP" "$*"
		redact <"$shown" | cut -c 1-400 | tail -n 20
	} >&2
	rm -f "$shown"
	exit 1
}

# journal UNIT: what the unit has printed since this step began, without the step's secrets. They go before lines are cut, else half of one stays.
journal() { journalctl -q --no-pager -o cat -S "@$begun" -n 3000 -u "$1" 2>/dev/null | redact | cut -c 1-400; }

# cause: the line of a journal that says why a program ended. It stands before the end of it: k3s goes on with shutting down. That a
# first start finds half-written data only follows from what ended the one before.
cause() {
	awk '/no bootstrap data found|failed to read consistent index/ { weak = $0; next }
		/level=fatal|"level":"fatal"|^panic: |\[ALERT\]|Shutdown request received/ { strong = $0 }
		/level=error|"level":"error"| error: / { weak = $0 }
		END { print (strong != "" ? strong : weak) }'
}

# die_of UNIT MESSAGE: die with the cause in the first line, and the last lines of the unit's journal behind it.
die_of() {
	unit=$1
	shift
	lines=$(journal "$unit")
	why=$(printf '%s\n' "$lines" | cause)
	{
		printf '%s: %s: %s%s\n' "$NODE" "$STEP" "$*" "${why:+; cause: $why}"
		printf 'last lines of %s on %s:\n' "$unit" "$NODE"
		printf '%s\n' "$lines" | tail -n 20
	} >&2
	exit 1
}
