# Meets a machine that is there: what it is, and that nobody else's cluster lives on it. Prints its id, its architecture and its host key. A look
# changes nothing, and refuses nothing.
marked=/var/lib/k3sha/member
[ -d /run/systemd/system ] || die "systemd does not run there; machines have to be Debian or Ubuntu"
command -v apt-get >/dev/null || die "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"') runs there; machines have to be Debian or Ubuntu"
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) die "its processor is $(uname -m); k3s' releases are for x86_64 and aarch64" ;;
esac
id=$(cat /etc/machine-id)
[ -n "$id" ] || die "the machine has no id in /etc/machine-id; run systemd-machine-id-setup there"
# One that was to be adopted, and was left alone, is nobody's yet.
if [ -n "$MEETING" ] && [ -e $adopting ] && [ ! -e $kept/former ] && [ "$(cat $adopting)" != "$MEETING" ]; then rm -f $marked; fi
if [ -z "$MEETING" ]; then
	:
elif [ -s $marked ]; then
	[ "$(cut -d' ' -f1,2 $marked)" = "$CLUSTER $NODE" ] ||
		die "this machine is $(cut -d' ' -f2 $marked) of cluster $(cut -d' ' -f1 $marked); give another address, or take it out there first"
elif [ -z "$ADOPT" ]; then
	for place in /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/agent/kubelet.kubeconfig; do
		[ ! -e $place ] || die "k3s lives on this machine, and was not put there by this package ($place); uninstall it there first (k3s-uninstall.sh or k3s-agent-uninstall.sh), if nothing is lost with it; or adopt it (adopt)"
	done
fi
key=$(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null)
[ -n "$key" ] || die "it has no ed25519 host key; make one: ssh-keygen -A, then restart its SSH server"
printf '%s %s %s\n' "$id" "$arch" "$key"
if [ -n "$ADOPT" ]; then
	found
	if [ ! -s $marked ]; then # what was kept of another one is not this one's
		[ ! -e $kept ] || mv $kept "$kept-$(date -r $kept +%Y%m%d%H%M%S)"
		put 0644 $adopting "$MEETING"
	fi
	[ ! -e $adopting ] || put 0644 /var/lib/k3sha/reached "${version:-}"
fi
[ -z "$MEETING" ] || put 0644 $marked "$CLUSTER $NODE $MEETING"
