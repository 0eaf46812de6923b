#!/bin/sh
# Puts the released plugins that the component asks for into DIR, unless LAB_PLUGINS has them already.
# Usage: released-plugins.sh DIR
set -eu
[ -z "${LAB_PLUGINS:-}" ] || exit 0
dir=$1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export PULUMI_HOME="$home"
pulumi plugin install resource command v1.2.1
pulumi plugin install resource proxmoxve v6.18.1 --server github://api.github.com/muhlba91/pulumi-proxmoxve
rm -rf "$dir"
mkdir -p "$dir"
for name in command proxmoxve; do
	cp "$home"/plugins/resource-$name-v*/pulumi-resource-$name "$dir/"
done
