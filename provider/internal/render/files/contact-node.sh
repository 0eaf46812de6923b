# First contact: waits for cloud-init, brings the parts of all later scripts, the keys that let somebody in, and the machine's host key. When
# parts or keys change it comes again.
: "${EXISTING:=}"
lock
# booted: cloud-init has ended, without errors. Its own way of waiting reads all of its configuration again four times a second, which is
# seconds of a small machine's boot: it is asked when it has not ended like that for long, or has ended in another way.
booted() { grep -q '"errors": \[\]' /run/cloud-init/result.json 2>/dev/null; }
ended() { [ -e /run/cloud-init/result.json ] || [ -e /run/cloud-init/disabled ]; }
if [ -z "$EXISTING" ] && command -v cloud-init >/dev/null; then
	wait_until 120 ended || true
	rc=0
	booted || timeout 540 cloud-init status --wait >/dev/null 2>&1 || rc=$?
	case $rc in
	0 | 2) ;; # 2: done, with warnings
	124) die "cloud-init is still running after 10 minutes; see /var/log/cloud-init-output.log on the node" ;;
	*) die "cloud-init failed: $(cloud-init status --long 2>&1 | tail -n 8 | tr '\n' ' '); see /var/log/cloud-init.log on the node" ;;
	esac
	# Told to who waits: it can be turned off.
	waited=$(($(date +%s) - begun))
	if [ "$waited" -ge 30 ] && grep -qs '^package_upgrade: true' /var/lib/cloud/instance/cloud-config.txt; then echo "upgraded $waited"; fi
	# Proxmox VE gives a new instance id when network settings change; host keys must outlive that.
	put 0644 /etc/cloud/cloud.cfg.d/99-k3sha.cfg 'ssh_deletekeys: false
'
fi
name=$(cat /proc/sys/kernel/hostname)
[ -n "$EXISTING" ] || [ "${name%%.*}" = "$NODE" ] ||
	die "the machine at $NODE_IP calls itself $name; either its cloud-init did not run or another machine has that address"
mkdir -p "$(dirname "$TOOLKIT_DIR")"
rm -rf "$TOOLKIT_DIR.k3sha-new" "$TOOLKIT_DIR.k3sha-old"
mkdir "$TOOLKIT_DIR.k3sha-new"
printf '%s' "$TOOLKIT" | base64 -d | tar -x -C "$TOOLKIT_DIR.k3sha-new"
if [ -d "$TOOLKIT_DIR" ]; then mv "$TOOLKIT_DIR" "$TOOLKIT_DIR.k3sha-old"; fi
mv "$TOOLKIT_DIR.k3sha-new" "$TOOLKIT_DIR"
rm -rf "$TOOLKIT_DIR.k3sha-old"

[ -z "$EXISTING" ] || exit 0 # who may log in, and by which key it is known, is the machine's own business

# The user's authorized_keys: exactly the given keys. sshd reads as the user: folder and file must be the user's before they are in place.
home=$(getent passwd "$SSH_USER" | cut -d: -f6)
[ -n "$home" ] || die "there is no user $SSH_USER; set ssh.user to the template's cloud-init user"
install -d -m 0700 -o "$SSH_USER" -g "$(id -g "$SSH_USER")" "$home/.ssh"
file=$home/.ssh/authorized_keys
printf '%s' "$AUTHORIZED_KEYS" >"$file.k3sha-new"
chown "$SSH_USER:" "$file.k3sha-new"
chmod 0600 "$file.k3sha-new"
mv -f "$file.k3sha-new" "$file"

# The host key is the cluster's: a machine that takes this one's place has the same. From here on every connection is pinned to it.
key=/etc/ssh/ssh_host_ed25519_key
if [ "$(ssh-keygen -y -f $key 2>/dev/null | cut -d' ' -f1,2)" != "$HOST_KEY_PUBLIC" ]; then
	put 0600 $key "$HOST_KEY"
	put 0644 $key.pub "$HOST_KEY_PUBLIC
"
fi
offers() { ssh-keyscan -T 3 -t ed25519 -p "$SSH_PORT" "$NODE_IP" 2>/dev/null | grep -qF " $HOST_KEY_PUBLIC"; }
if ! offers; then
	systemctl try-reload-or-restart ssh.service 2>/dev/null || systemctl try-reload-or-restart sshd.service || true
	wait_until 20 offers ||
		die "sshd does not show the host key in $key that it was given; does the template's sshd_config name other host keys?"
fi
