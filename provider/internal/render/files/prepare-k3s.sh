# Fetches and verifies the k3s release, and what else k3s gets as files. Changes nothing that runs.
: "${AIRGAP:=}" "${IMAGES:=}" "${MANIFEST_FILES:=}" "${DISKS:=}" "${UNIT:=}"
lock
programs <<LIST
curl curl
LIST
guest_agent
if [ -n "$DISKS" ]; then
	programs <<-LIST
		mkfs.ext4 e2fsprogs
		blkid util-linux
	LIST
fi
case "
$DISKS" in *"
"*" xfs "*)
	programs <<-LIST
		mkfs.xfs xfsprogs
	LIST
	;;
esac

# mount_unit NAME FILESYSTEM FOLDER: how it is mounted. k3s does not start without it, the machine does.
mount_unit() {
	cat <<-MOUNT
		# written by pulumi-k3sha; changes made here are overwritten.
		[Unit]
		Description=Data disk $1
		Before=$UNIT.service
		[Mount]
		What=/dev/disk/by-label/$1
		Where=$3
		Type=$2
		[Install]
		RequiredBy=$UNIT.service
	MOUNT
}

# data_disk NAME FILESYSTEM FOLDER: a data disk, known by its serial number, is formatted if it is blank, mounted by its label before k3s starts,
# and its file system as large as the disk.
data_disk() {
	link=/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_$1
	there() { [ -b "$link" ]; }
	wait_until 60 there || die "there is no disk with the serial number $1 ($link); look at the VM's disks in Proxmox VE, then run pulumi up again"
	device=$(readlink -f "$link")
	holds=$(blkid -p -o value -s TYPE -s PTTYPE "$device" | head -n 1) || true
	if [ -z "$holds" ]; then
		[ "$(head -c 1048576 "$device" | tr -d '\0' | head -c 1 | wc -c)" = 0 ] ||
			die "the disk $1 ($device) is not blank, and holds nothing that is known here; it is not formatted. If it is nobody's, empty it: dd if=/dev/zero of=$device bs=1M count=1; then run pulumi up again"
		"mkfs.$2" -q -L "$1" "$device" >/dev/null 2>&1 || die "cannot make $2 on the disk $1 ($device)"
	elif [ "$holds" != "$2" ] || [ "$(blkid -p -o value -s LABEL "$device")" != "$1" ]; then
		die "the disk $1 ($device) holds something already ($holds, labelled $(blkid -p -o value -s LABEL "$device" || true)), and is not formatted anew; set dataDisks' fileSystem to what it is, or, if it is nobody's, empty it: dd if=/dev/zero of=$device bs=1M count=1; then run pulumi up again"
	fi
	if ! mountpoint -q "$3"; then
		[ ! -d "$3" ] || [ -z "$(ls -A "$3")" ] || die "$3 has something in it, which the disk $1 would hide; move it away, then run pulumi up again"
		mkdir -p "$3"
		chmod 0755 "$3"
	fi
	mount=$(systemd-escape --path --suffix=mount "$3")
	for file in /etc/systemd/system/*.mount; do # of the same disk, at another folder
		if [ "${file##*/}" != "$mount" ] && grep -qxF "What=/dev/disk/by-label/$1" "$file" 2>/dev/null; then
			systemctl disable -q "${file##*/}"
			rm -f "$file"
		fi
	done
	put 0644 "/etc/systemd/system/$mount" "$(mount_unit "$1" "$2" "$3")
"
	systemctl daemon-reload
	systemctl enable -q "$mount"
	labelled() { [ -b "/dev/disk/by-label/$1" ]; }
	wait_until 30 labelled "$1" || die "the disk $1 ($device) has its label, and udev does not show it as /dev/disk/by-label/$1; look at udevadm info $device"
	systemctl start "$mount" || die_of "$mount" "the disk $1 cannot be mounted at $3"
	case $2 in
	ext4) found=$(resize2fs "$device" 2>&1) || die "cannot let the file system on the disk $1 grow: $found" ;;
	xfs) found=$(xfs_growfs "$3" 2>&1) || die "cannot let the file system on the disk $1 grow: $found" ;;
	esac
}
while read -r name filesystem folder _; do
	[ -z "$name" ] || data_disk "$name" "$filesystem" "$folder"
done <<LIST
$DISKS
LIST
release=/var/lib/k3sha/releases/$K3S_VERSION
case $(uname -m) in
x86_64) arch=amd64 binary=k3s ;;
aarch64) arch=arm64 binary=k3s-arm64 ;;
armv7l) arch=arm binary=k3s-armhf ;;
*) die "k3s is not built for $(uname -m)" ;;
esac
tag=$(printf '%s' "$K3S_VERSION" | sed 's/+/%2B/')
if [ -n "$MIRROR" ]; then
	base=${MIRROR%/}/$tag script=${MIRROR%/}/$tag/install.sh
else
	base=https://github.com/k3s-io/k3s/releases/download/$tag script=https://raw.githubusercontent.com/k3s-io/k3s/$tag/install.sh
fi

# fetch URL FILE
fetch() {
	curl -fsSL --retry 5 --retry-delay 2 --retry-connrefused --connect-timeout 10 --max-time 600 -o "$2.part" "$1" 2>"$2.err" ||
		die "cannot fetch $1: $(tail -n 1 "$2.err"); check the node's way to the internet, or set k3s.mirror"
	rm -f "$2.err"
	mv -f "$2.part" "$2"
}

# verify FILE SHA256 NAME WHERE
verify() {
	found=$(sha256sum <"$1" | cut -d' ' -f1)
	if [ "$found" != "$2" ]; then
		rm -f "$1"
		die "$3 of $K3S_VERSION has SHA-256 $found, but $4 says $2; do not use it before you know why"
	fi
}

if [ ! -s "$release/k3s" ]; then
	room 512 "$release" "a release of k3s"
	fetch "$base/sha256sum-$arch.txt" "$release/sums"
	sum=$(awk -v name="$binary" '$2 == name { print $1 }' "$release/sums")
	[ -n "$sum" ] || die "$base/sha256sum-$arch.txt does not list $binary"
	fetch "$base/$binary" "$release/k3s.unverified"
	verify "$release/k3s.unverified" "$sum" "the binary" "the release's own list"
	chmod 0755 "$release/k3s.unverified"
	mv -f "$release/k3s.unverified" "$release/k3s"
fi
# Its images as one archive, for nodes that reach no registry.
if [ -n "$AIRGAP" ] && [ ! -s "$release/images.tar.zst" ]; then
	room 1024 "$release" "the images of a release"
	images=k3s-airgap-images-$arch.tar.zst
	[ -s "$release/sums" ] || fetch "$base/sha256sum-$arch.txt" "$release/sums"
	sum=$(awk -v name="$images" '$2 == name { print $1 }' "$release/sums")
	[ -n "$sum" ] || die "$base/sha256sum-$arch.txt does not list $images"
	fetch "$base/$images" "$release/images.unverified"
	verify "$release/images.unverified" "$sum" "the archive of images" "the release's own list"
	mv -f "$release/images.unverified" "$release/images.tar.zst"
fi
[ -s "$release/install.sh" ] || fetch "$script" "$release/install.sh"
[ -z "$BINARY_SHA256" ] || verify "$release/k3s" "$BINARY_SHA256" "the binary" k3s.binarySha256
[ -z "$SCRIPT_SHA256" ] || verify "$release/install.sh" "$SCRIPT_SHA256" "the install script" k3s.installScriptSha256

# fetch_file DIR SHA256 URL INPUT: a file that the program names, kept under its hash.
fetch_file() {
	[ ! -s "$1/$2" ] || return 0
	room 512 "$1" "the file of $4"
	fetch "$3" "$1/$2.unverified"
	found=$(sha256sum <"$1/$2.unverified" | cut -d' ' -f1)
	if [ "$found" != "$2" ]; then
		rm -f "$1/$2.unverified"
		die "$3 has SHA-256 $found, but $4.sha256 says $2; do not use it before you know why"
	fi
	mv -f "$1/$2.unverified" "$1/$2"
}
printf '%s\n' "$IMAGES" | while read -r name _ sum url; do
	[ -z "$name" ] || fetch_file /var/lib/k3sha/images "$sum" "$url" "k3s.images.$name"
done
printf '%s\n' "$MANIFEST_FILES" | while read -r name sum url; do
	[ -z "$name" ] || fetch_file /var/lib/k3sha/manifests "$sum" "$url" "k3s.manifests.$name"
done

# k3s refuses bootstrap data from the future, so clocks should agree first. A soft deadline: there are
# networks without a time server, and nothing to wait for where no time service is on.
synced() { [ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)" = yes ]; }
if [ "$(timedatectl show -p NTP --value 2>/dev/null)" = yes ]; then
	wait_until 30 synced || echo "$NODE: the clock is not synchronised yet, going on"
fi
