# Fetches and verifies the k3s release, and what else k3s gets as files. Changes nothing that runs.
: "${AIRGAP:=}" "${IMAGES:=}" "${MANIFEST_FILES:=}"
lock
programs <<LIST
curl curl
LIST
guest_agent
data_disks
release=/var/lib/k3sha/releases/$K3S_VERSION
case $(uname -m) in
x86_64) arch=amd64 binary=k3s ;;
aarch64) arch=arm64 binary=k3s-arm64 ;;
armv7l) arch=arm binary=k3s-armhf ;;
*) die "k3s is not built for $(uname -m)" ;;
esac
tag=$(printf '%s' "$K3S_VERSION" | sed 's/+/%2B/')
if [ -n "$MIRROR" ]; then
	base=${MIRROR%/}/$tag script=${MIRROR%/}/$tag/install.sh
else
	base=https://github.com/k3s-io/k3s/releases/download/$tag script=https://raw.githubusercontent.com/k3s-io/k3s/$tag/install.sh
fi

# fetch URL FILE
fetch() {
	curl -fsSL --retry 5 --retry-delay 2 --retry-connrefused --connect-timeout 10 --max-time 600 -o "$2.part" "$1" 2>"$2.err" ||
		die "cannot fetch $1: $(tail -n 1 "$2.err"); check the node's way to the internet, or set k3s.mirror"
	rm -f "$2.err"
	mv -f "$2.part" "$2"
}

# verify FILE SHA256 NAME WHERE
verify() {
	found=$(sha256sum <"$1" | cut -d' ' -f1)
	if [ "$found" != "$2" ]; then
		rm -f "$1"
		die "$3 of $K3S_VERSION has SHA-256 $found, but $4 says $2; do not use it before you know why"
	fi
}

if [ ! -s "$release/k3s" ]; then
	room 512 "$release" "a release of k3s"
	fetch "$base/sha256sum-$arch.txt" "$release/sums"
	sum=$(awk -v name="$binary" '$2 == name { print $1 }' "$release/sums")
	[ -n "$sum" ] || die "$base/sha256sum-$arch.txt does not list $binary"
	fetch "$base/$binary" "$release/k3s.unverified"
	verify "$release/k3s.unverified" "$sum" "the binary" "the release's own list"
	chmod 0755 "$release/k3s.unverified"
	mv -f "$release/k3s.unverified" "$release/k3s"
fi
# Its images as one archive, for nodes that reach no registry.
if [ -n "$AIRGAP" ] && [ ! -s "$release/images.tar.zst" ]; then
	room 1024 "$release" "the images of a release"
	images=k3s-airgap-images-$arch.tar.zst
	[ -s "$release/sums" ] || fetch "$base/sha256sum-$arch.txt" "$release/sums"
	sum=$(awk -v name="$images" '$2 == name { print $1 }' "$release/sums")
	[ -n "$sum" ] || die "$base/sha256sum-$arch.txt does not list $images"
	fetch "$base/$images" "$release/images.unverified"
	verify "$release/images.unverified" "$sum" "the archive of images" "the release's own list"
	mv -f "$release/images.unverified" "$release/images.tar.zst"
fi
[ -s "$release/install.sh" ] || fetch "$script" "$release/install.sh"
[ -z "$BINARY_SHA256" ] || verify "$release/k3s" "$BINARY_SHA256" "the binary" k3s.binarySha256
[ -z "$SCRIPT_SHA256" ] || verify "$release/install.sh" "$SCRIPT_SHA256" "the install script" k3s.installScriptSha256

# fetch_file DIR SHA256 URL INPUT: a file that the program names, kept under its hash.
fetch_file() {
	[ ! -s "$1/$2" ] || return 0
	room 512 "$1" "the file of $4"
	fetch "$3" "$1/$2.unverified"
	found=$(sha256sum <"$1/$2.unverified" | cut -d' ' -f1)
	if [ "$found" != "$2" ]; then
		rm -f "$1/$2.unverified"
		die "$3 has SHA-256 $found, but $4.sha256 says $2; do not use it before you know why"
	fi
	mv -f "$1/$2.unverified" "$1/$2"
}
printf '%s\n' "$IMAGES" | while read -r name _ sum url; do
	[ -z "$name" ] || fetch_file /var/lib/k3sha/images "$sum" "$url" "k3s.images.$name"
done
printf '%s\n' "$MANIFEST_FILES" | while read -r name sum url; do
	[ -z "$name" ] || fetch_file /var/lib/k3sha/manifests "$sum" "$url" "k3s.manifests.$name"
done

# k3s refuses bootstrap data from the future, so clocks should agree first. A soft deadline: there are
# networks without a time server, and nothing to wait for where no time service is on.
synced() { [ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)" = yes ]; }
if [ "$(timedatectl show -p NTP --value 2>/dev/null)" = yes ]; then
	wait_until 30 synced || echo "$NODE: the clock is not synchronised yet, going on"
fi
