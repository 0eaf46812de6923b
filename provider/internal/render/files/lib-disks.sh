# Shared by the steps that mount data disks.
: "${DISKS:=}" "${UNIT:=}"
blocks=/sys/block
units=/etc/systemd/system
ours='# written by pulumi-k3sha; changes made here are overwritten.'

# data_disks: those that DISKS lists as "name filesystem folder". One that is mounted no more stays mounted until the machine starts anew.
data_disks() {
	if [ -n "$DISKS" ]; then
		programs <<-LIST
			mkfs.ext4 e2fsprogs
			blkid util-linux
		LIST
		case $DISKS in *" xfs "*)
			programs <<-LIST
				mkfs.xfs xfsprogs
			LIST
			;;
		esac
	fi
	while read -r name filesystem folder _; do
		[ -z "$name" ] || data_disk "$name" "$filesystem" "$folder"
	done <<-LIST
		$DISKS
	LIST
	for file in "$units"/*.mount; do
		grep -qsxF "$ours" "$file" || continue
		name=$(sed -n 's|^What=/dev/disk/by-label/||p' "$file")
		folder=$(sed -n 's|^Where=||p' "$file")
		if ! printf '%s\n' "$DISKS" | grep -q "^$name [a-z0-9]* $folder "; then
			systemctl disable -q "${file##*/}"
			rm -f "$file"
		fi
	done
}

# disk_of NAME: prints the disk with a serial number. What udev calls it depends on the version of Proxmox VE, whose newer ones give QEMU's disks an
# id besides; the number itself is what it is.
disk_of() {
	for block in "$blocks"/*; do
		if [ -r "$block/device/vpd_pg80" ] && [ "$(tail -c +5 "$block/device/vpd_pg80" | tr -d '\0 ')" = "$1" ]; then
			echo "/dev/${block##*/}"
			return 0
		fi
	done
	[ -b "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_$1" ] && readlink -f "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_$1"
}

# mount_unit NAME FILESYSTEM FOLDER: how it is mounted. k3s does not start without it, the machine does, and does not wait for it.
mount_unit() {
	cat <<-MOUNT
		$ours
		[Unit]
		Description=Data disk $1
		DefaultDependencies=no
		After=local-fs-pre.target
		Before=umount.target $UNIT.service
		Conflicts=umount.target
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
	there() { device=$(disk_of "$1"); }
	wait_until 60 there "$1" || die "there is no disk with the serial number $1 (lsblk -o PATH,SERIAL); look at the VM's disks in Proxmox VE, then run pulumi up again"
	empty="If it is nobody's, empty it: dd if=/dev/zero of=$device bs=1M count=1; then run pulumi up again"
	holds=$(blkid -p -o value -s TYPE -s PTTYPE "$device" | head -n 1) || true
	if [ -z "$holds" ]; then
		[ "$(head -c 1048576 "$device" | tr -d '\0' | head -c 1 | wc -c)" = 0 ] ||
			die "the disk $1 ($device) is not blank, and holds nothing that is known here; it is not formatted. $empty"
		found=$("mkfs.$2" -q -L "$1" "$device" 2>&1) || die "cannot make $2 on the disk $1 ($device): $found"
	elif [ "$holds" != "$2" ] || [ "$(blkid -p -o value -s LABEL "$device")" != "$1" ]; then
		die "the disk $1 ($device) holds something already ($holds, labelled $(blkid -p -o value -s LABEL "$device" || true)), and is not formatted anew; set dataDisks' fileSystem to what it is. $empty"
	fi
	mount=$(systemd-escape --path --suffix=mount "$3")
	if mountpoint -q "$3"; then
		[ "$(mountpoint -d "$3")" = "$(mountpoint -x "$device")" ] ||
			die "something else is mounted at $3 ($(findmnt -n -o SOURCE "$3" || true)), not the disk $1 ($device); unmount it, or give the disk another mountPoint, then run pulumi up again"
	else
		[ ! -d "$3" ] || [ -z "$(ls -A "$3")" ] || die "$3 has something in it, which the disk $1 would hide; move it away, then run pulumi up again"
		mkdir -p "$3"
		chmod 0755 "$3"
	fi
	[ ! -e "$units/$mount" ] || grep -qxF "$ours" "$units/$mount" || die "$units/$mount on this machine is somebody else's, and would be overwritten; take it away, or give the disk another mountPoint"
	put 0644 "$units/$mount" "$(mount_unit "$1" "$2" "$3")
"
	systemctl daemon-reload
	systemctl enable -q "$mount"
	labelled() { [ "$(readlink -f "/dev/disk/by-label/$1")" = "$device" ]; }
	wait_until 30 labelled "$1" || die "/dev/disk/by-label/$1 is $(readlink -f "/dev/disk/by-label/$1" || echo nothing), not the disk $1 ($device); give no other disk that label"
	mountpoint -q "$3" || systemctl start "$mount" || die_of "$mount" "the disk $1 cannot be mounted at $3"
	case $2 in
	ext4) found=$(resize2fs "$device" 2>&1) || die "cannot let the file system on the disk $1 grow: $found" ;;
	xfs) found=$(xfs_growfs "$3" 2>&1) || die "cannot let the file system on the disk $1 grow: $found" ;;
	esac
}
