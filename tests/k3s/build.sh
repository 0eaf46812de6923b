#!/bin/sh
# Builds one release of the stand-in into DIR/<version>/: k3s, its list of sums, and the install script.
# Usage: build.sh VERSION DIR
set -eu
version=$1
here=$(cd "$(dirname "$0")" && pwd)
out=$2/$version
mkdir -p "$out"
minor=${version#v1.}
minor=${minor%%.*}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitCommit=stand-in -X $package.gitTreeState=clean"
done
cd "$here"
CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$out/k3s" .
cp install.sh "$out/install.sh"
(cd "$out" && sha256sum k3s >sha256sum-amd64.txt)
