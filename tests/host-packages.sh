#!/bin/sh
# Installs the Debian packages that the lab and the checks use, if any is missing.
set -eu
missing=
while read -r program package; do
	PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing="$missing $package"
done <<LIST
mmdebstrap mmdebstrap
systemd-nspawn systemd-container
apt-ftparchive apt-utils
ip iproute2
nsenter util-linux
ssh openssh-client
shellcheck shellcheck
haproxy haproxy
keepalived keepalived
curl curl
openssl openssl
unshare util-linux
LIST
[ -n "$missing" ] || exit 0
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# shellcheck disable=SC2086 # a list of words
apt-get -q -y install --no-install-recommends $missing
