umask 077; d=$(mktemp -d /run/k3sha.XXXXXXXX) && trap 'rm -rf "$d"' EXIT && cat >"$d/step" && timeout -k 15 "$1" sh "$d/step" </dev/null
