#!/bin/sh
# Builds one release of the stand-in into DIR/<version>/: k3s, the archive of its images, their list of sums, and the install script. Releases of v1.31 are made of
# Kubernetes v1.31, those of v1.32 of Kubernetes v1.32: an upgrade from one to the other is one.
# Usage: build.sh VERSION DIR
set -eu
version=$1
here=$(cd "$(dirname "$0")" && pwd)
out=$2/$version
mkdir -p "$out"
minor=${version#v1.}
minor=${minor%%.*}
if [ "$minor" -ge 32 ]; then
	set -- -modfile=minor32.mod -tags minor32
else
	set --
fi
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitCommit=stand-in -X $package.gitTreeState=clean"
done
cd "$here"
CGO_ENABLED=0 go build "$@" -trimpath -ldflags "$flags" -o "$out/k3s" .
CGO_ENABLED=0 go run ./airgap "$version" "$out/k3s-airgap-images-amd64.tar.zst"
cp install.sh "$out/install.sh"
(cd "$out" && sha256sum k3s k3s-airgap-images-amd64.tar.zst >sha256sum-amd64.txt)
