# Makes a VM template from a cloud image, on the Proxmox host itself. One that was begun and not finished is taken away and made anew; a VM
# that is somebody else's is left alone.
lock_template() {
	exec 9>/run/lock/k3sha-template.lock
	flock -w 600 9 || die "another template has been made on this host for 600 s; wait for it, then run pulumi up again"
}
command -v qm >/dev/null || die "this host has no qm, so it is no Proxmox node; give the address of the Proxmox node itself in host.address"
here=$(hostname | cut -d. -f1)
[ "$here" = "$PVE_NODE" ] || die "this host is Proxmox node $here, and the template is to be on $PVE_NODE; give the address of $PVE_NODE in host.address"
lock_template

state=$(template_state)
case $state in
none) ;;
"done") exit 0 ;;
begun) qm destroy "$ID" >/dev/null || die "cannot take away what was left of an earlier try, VM $ID; see qm destroy $ID" ;;
*) die "VM $ID exists already, $state; give another vmId, or take that one away first" ;;
esac

path=$(pvesm path "$IMAGE" 2>&1) || die "the image $IMAGE is not on this host: $path"
# One failure leaves nothing behind.
attempt() {
	what=$1
	shift
	out=$("$@" 2>&1) && return 0
	[ "$what" = create ] || qm destroy "$ID" >/dev/null 2>&1 || true
	die "qm $what failed: $(printf '%s\n' "$out" | tail -n 3)"
}
attempt create qm create "$ID" --name "$NAME" --memory "$MEMORY" --net0 "$NET" --scsihw "$SCSIHW" --ostype l26 --agent 0 --description "$BEGUN" --tags "$TAGS" ${POOL:+--pool "$POOL"}
attempt "set --scsi0" qm set "$ID" --scsi0 "$DATASTORE:0,import-from=$path$DISK"
attempt "set --ide2" qm set "$ID" --ide2 "$DATASTORE:cloudinit"
attempt "set" qm set "$ID" --boot order=scsi0 --serial0 socket --vga serial0 --ciupgrade "$CIUPGRADE" --description "$DONE"
attempt template qm template "$ID"
