#!/usr/bin/env bash
# Packs the plugin as .goreleaser.yml does, without goreleaser, for the platforms that are asked for, and writes checksums:
#
#   release.sh VERSION FOLDER linux/amd64...
set -euo pipefail

[ $# -ge 3 ] || { echo "usage: release.sh VERSION FOLDER OS/ARCH..." >&2; exit 2; }
version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
cd "$(dirname "$0")/.."
rm -f "$out"/pulumi-*
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for platform; do
  os=${platform%/*} arch=${platform#*/}
  binary=pulumi-resource-k3sha
  [ "$os" = windows ] && binary=$binary.exe
  GOOS=$os GOARCH=$arch CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w -X github.com/k3sha/pulumi-k3sha/provider.Version=$version" -o "$work/$binary" ./provider/cmd/pulumi-resource-k3sha
  tar -czf "$out/pulumi-resource-k3sha-v$version-$os-$arch.tar.gz" -C "$work" "$binary" -C "$PWD" LICENSE
  rm "$work/$binary"
done
cd "$out"
sha256sum pulumi-resource-*.tar.gz > "pulumi-k3sha_${version}_checksums.txt"
