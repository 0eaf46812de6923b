# Keeps the user's authorized_keys: exactly the given keys.
lock
home=$(getent passwd "$SSH_USER" | cut -d: -f6)
[ -n "$home" ] || die "there is no user $SSH_USER; set ssh.user to the template's cloud-init user"
# sshd reads as the user: folder and file must be the user's before they are in place.
install -d -m 0700 -o "$SSH_USER" -g "$(id -g "$SSH_USER")" "$home/.ssh"
file=$home/.ssh/authorized_keys
printf '%s' "$AUTHORIZED_KEYS" >"$file.k3sha-new"
chown "$SSH_USER:" "$file.k3sha-new"
chmod 0600 "$file.k3sha-new"
mv -f "$file.k3sha-new" "$file"
