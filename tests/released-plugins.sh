#!/bin/sh
# Puts the released plugins that the component asks for into DIR, unless LAB_PLUGINS has them already.
# Usage: released-plugins.sh DIR
set -eu
[ -z "${LAB_PLUGINS:-}" ] || exit 0
dir=$1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export PULUMI_HOME="$home"
# The versions that the component asks for.
command=$(sed -n 's/^\tcommandVersion *= "\([0-9.]*\)".*/\1/p' provider/component/remote.go)
proxmoxve=$(sed -n 's/^\tproxmoxVersion *= "\([0-9.]*\)".*/\1/p' provider/component/vms.go)
pulumi plugin install resource command "v${command:?not found in provider/component/remote.go}"
pulumi plugin install resource proxmoxve "v${proxmoxve:?not found in provider/component/vms.go}" --server github://api.github.com/muhlba91/pulumi-proxmoxve
rm -rf "$dir"
mkdir -p "$dir"
for name in command proxmoxve; do
	cp "$home"/plugins/resource-$name-v*/pulumi-resource-$name "$dir/"
done
