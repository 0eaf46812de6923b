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
tags=osusergo,netgo,sqlite_omit_load_extension
set --
if [ "$minor" -ge 32 ]; then
	tags=$tags,minor32
	set -- -modfile=minor32.mod
fi
flags="-s -w -linkmode external -extldflags -static"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitCommit=stand-in -X $package.gitTreeState=clean"
done
cd "$here"
# The program that stands for containerd is in k3s, as containerd is. It is put in place at once, for another build may be reading it.
(cd containerd && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$out/containerd" .)
mv "$out/containerd" embedded/containerd
# SQLite is C, with the table that kine asks for the file's size. The linker's warnings of dlopen, which is not called, say nothing; its errors do.
if ! messages=$(CGO_ENABLED=1 CGO_CFLAGS="-O2 -DSQLITE_ENABLE_DBSTAT_VTAB=1" go build "$@" -tags "$tags" -trimpath -ldflags "$flags" -o "$out/k3s" . 2>&1); then
	printf '%s\n' "$messages" >&2
	exit 1
fi
CGO_ENABLED=0 go run ./airgap "$version" "$out/k3s-airgap-images-amd64.tar.zst"
cp install.sh "$out/install.sh"
(cd "$out" && sha256sum k3s k3s-airgap-images-amd64.tar.zst >sha256sum-amd64.txt)
