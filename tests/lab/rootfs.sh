#!/bin/sh
# Makes what the lab's VMs boot from, and the packages that they install:
#   DIR/rootfs   Debian 12 (bookworm) or Ubuntu 24.04 (noble) with systemd, sshd, cloud-init; neither HAProxy nor Keepalived, as in a
#                plain cloud image
#   DIR/apt      a small apt repository with those and what they need
# Usage: rootfs.sh DIR [bookworm | noble]
set -eu
dir=$1
suite=${2:-bookworm}
include=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,curl,ca-certificates,psmisc,procps,cloud-init,kmod,python3-minimal,nftables
from=
if [ "$suite" = noble ]; then
	# Debian does not trust Ubuntu's archive; this is its key of 2018, F6EC B376 2474 EDA9 D21B 7022 8719 20D1 991B C93C.
	from="--keyring=$(dirname "$0")/ubuntu-archive.asc --components=main,universe"
	# What a cloud image has besides: a resolver with port 53 in use. Not netplan, whose files name a device by its permanent MAC address,
	# which virtual cables have none of.
	include=$include,apt,systemd-resolved,locales,lsb-release
fi
extra='haproxy keepalived iputils-arping qemu-guest-agent xfsprogs'
rm -rf "$dir/rootfs.new" "$dir/apt.new"
mkdir -p "$dir/apt.new"

# The hooks run outside of the new root, with it as $1.
cat >"$dir/customize.sh" <<HOOK
#!/bin/sh
set -eu
root=\$1
chroot "\$root" apt-get clean
chroot "\$root" apt-get -q -y --no-install-recommends --download-only install $extra
find "\$root/var/cache/apt/archives" -name '*.deb' -exec mv -t "$dir/apt.new" {} +
rm -rf "\$root"/var/lib/apt/lists/* "\$root"/etc/ssh/ssh_host_*
: >"\$root/etc/machine-id"
rm -f "\$root/etc/hostname" "\$root/etc/apt/sources.list" "\$root"/etc/apt/sources.list.d/* "\$root"/etc/apt/apt.conf.d/99mmdebstrap
echo 'deb [trusted=yes] http://192.168.1.1:8080/apt ./' >"\$root/etc/apt/sources.list"
cat >"\$root/etc/cloud/cloud.cfg.d/90-lab.cfg" <<CFG
datasource_list: [NoCloud, None]
locale: C.UTF-8
ssh_genkeytypes: [ed25519]
apt: {preserve_sources_list: true}
system_info:
  network: {renderers: [networkd]}
CFG
chroot "\$root" systemctl enable -q systemd-networkd
chroot "\$root" systemctl mask -q systemd-networkd-wait-online apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer getty@tty1
HOOK
chmod +x "$dir/customize.sh"
# shellcheck disable=SC2086 # two words, or none
mmdebstrap --quiet --variant=minbase $from --include="$include" --customize-hook="$dir/customize.sh" "$suite" "$dir/rootfs.new"
rm -f "$dir/customize.sh"
# Epochs and other marks in the files' names would have to survive several rounds of escaping.
for deb in "$dir"/apt.new/*.deb; do
	plain=$(basename "$deb" | tr -c 'A-Za-z0-9_.\n-' -)
	[ "$plain" = "$(basename "$deb")" ] || mv "$deb" "$dir/apt.new/$plain"
done
(cd "$dir/apt.new" && apt-ftparchive packages . >Packages && gzip -k Packages && apt-ftparchive release . >Release)
rm -rf "$dir/rootfs" "$dir/apt"
mv "$dir/rootfs.new" "$dir/rootfs"
mv "$dir/apt.new" "$dir/apt"
