# Keeps the user's authorized_keys: exactly the given keys.
lock
home=$(getent passwd "$SSH_USER" | cut -d: -f6)
[ -n "$home" ] || die "there is no user $SSH_USER; set ssh.user to the template's cloud-init user"
file=$home/.ssh/authorized_keys
put 0600 "$file" "$AUTHORIZED_KEYS"
chown "$SSH_USER:" "$home/.ssh" "$file"
chmod 0700 "$home/.ssh"
