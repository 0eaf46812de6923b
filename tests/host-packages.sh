#!/bin/sh
# Installs the Debian packages that the lab and the checks use, if any is missing; with "languages", those of the SDKs' tests.
set -eu
missing=
wanted='mmdebstrap mmdebstrap
systemd-nspawn systemd-container
apt-ftparchive apt-utils
ip iproute2
nsenter util-linux
ssh openssh-client
shellcheck shellcheck
nft nftables
haproxy haproxy
keepalived keepalived
curl curl
openssl openssl
unshare util-linux'
if [ "${1:-}" = languages ]; then
	wanted='node nodejs
npm npm
mvn maven
javac default-jdk-headless'
	python3 -c 'import ensurepip' 2>/dev/null || missing=' python3-venv'
else
	# A C compiler and what it links statically.
	case $(gcc -print-file-name=libc.a 2>/dev/null) in
	/*) ;;
	*) missing=' gcc libc6-dev' ;;
	esac
fi
while read -r program package; do
	PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing="$missing $package"
done <<WANTED
$wanted
WANTED
[ -n "$missing" ] || exit 0
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# shellcheck disable=SC2086 # a list of words
apt-get -q -y install --no-install-recommends $missing
