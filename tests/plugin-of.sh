#!/bin/sh
# Builds the plugin of another commit of this repository.
# Usage: plugin-of.sh COMMIT DIR
set -eu
commit=$1 dir=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git archive "$commit" | tar -x -C "$tree"
mkdir -p "$dir"
(cd "$tree" && go build -trimpath -ldflags "-s -w" -o "$dir/pulumi-resource-k3sha" ./provider/cmd/pulumi-resource-k3sha)
