#!/bin/sh
# Install script of the k3s stand-in: the layout and the variables of the official one, as far as they are used with a
# binary that is already in place or at a mirror.
set -e

fatal() {
	echo "[ERROR] $*" >&2
	exit 1
}

if [ -n "${INSTALL_K3S_EXEC:-}" ]; then
	# shellcheck disable=SC2086 # a command line
	set -- $INSTALL_K3S_EXEC "$@"
fi
case ${1:-} in
'' | -*) if [ -n "${K3S_URL:-}" ]; then mode=agent; else mode=server; fi ;;
*)
	mode=$1
	shift
	;;
esac
name=k3s
[ "$mode" = agent ] && name=k3s-agent
[ -n "${INSTALL_K3S_NAME:-}" ] && name=k3s-$INSTALL_K3S_NAME
bin=${INSTALL_K3S_BIN_DIR:-/usr/local/bin}
units=${INSTALL_K3S_SYSTEMD_DIR:-/etc/systemd/system}
unit=$units/$name.service
env=$unit.env
before=$(cat "$bin/k3s" "$unit" "$env" 2>/dev/null | sha256sum)

case ${INSTALL_K3S_SKIP_DOWNLOAD:-} in
true | binary) [ -x "$bin/k3s" ] || fatal "Executable k3s binary not found at $bin/k3s" ;;
*)
	base=${GITHUB_URL:-https://github.com/k3s-io/k3s/releases}/download/$(printf %s "$INSTALL_K3S_VERSION" | sed 's/+/%2B/')
	curl -fsSL -o "$bin/k3s.new" "$base/k3s"
	sum=$(curl -fsSL "$base/sha256sum-amd64.txt" | awk '$2 == "k3s" { print $1 }')
	[ "$(sha256sum <"$bin/k3s.new" | cut -d' ' -f1)" = "$sum" ] || fatal "Download sha256 does not match"
	chmod 755 "$bin/k3s.new"
	mv -f "$bin/k3s.new" "$bin/k3s"
	;;
esac

if [ "${INSTALL_K3S_SYMLINK:-}" != skip ]; then
	for link in kubectl crictl ctr; do
		[ -e "$bin/$link" ] || ln -s k3s "$bin/$link"
	done
fi

cat >"$bin/k3s-killall.sh" <<'KILLALL'
#!/bin/sh
[ "$(id -u)" -eq 0 ] || exec sudo "$0" "$@"
for unit in /etc/systemd/system/k3s*.service; do
	[ -f "$unit" ] && systemctl stop "$(basename "$unit")"
done
exit 0
KILLALL
if [ "$mode" = agent ]; then uninstall=k3s-agent-uninstall.sh; else uninstall=k3s-uninstall.sh; fi
cat >"$bin/$uninstall" <<UNINSTALL
#!/bin/sh
[ "\$(id -u)" -eq 0 ] || exec sudo "\$0" "\$@"
$bin/k3s-killall.sh
systemctl disable $name
rm -f $unit $env
systemctl daemon-reload
for link in kubectl crictl ctr; do
	[ -L $bin/\$link ] && rm -f $bin/\$link
done
rm -rf /etc/rancher/k3s /etc/rancher/node /run/k3s /var/lib/rancher/k3s $bin/k3s $bin/k3s-killall.sh $bin/$uninstall
UNINSTALL
chmod 755 "$bin/k3s-killall.sh" "$bin/$uninstall"

umask 077
env | grep -E '^(K3S|CONTAINERD)_|^(http|https|no)_proxy=|^(HTTP|HTTPS|NO)_PROXY=' >"$env" || true
umask 022
cat >"$unit" <<UNIT
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=${INSTALL_K3S_TYPE:-notify}
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-$env
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=$bin/k3s $mode $*
UNIT

systemctl disable "$name" >/dev/null 2>&1 || true
systemctl daemon-reload
[ "${INSTALL_K3S_SKIP_ENABLE:-}" != true ] || exit 0 # neither enabled nor started
systemctl enable "$unit" >/dev/null 2>&1
[ "${INSTALL_K3S_SKIP_START:-}" = true ] && exit 0
after=$(cat "$bin/k3s" "$unit" "$env" 2>/dev/null | sha256sum)
if [ "$before" = "$after" ] && [ "${INSTALL_K3S_FORCE_RESTART:-}" != true ]; then
	echo "No change detected so skipping service start"
	exit 0
fi
systemctl restart "$name"
