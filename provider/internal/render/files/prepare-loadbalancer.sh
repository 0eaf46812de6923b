# Has HAProxy, Keepalived and what their checks use installed.
lock

# foreign: HAProxy or Keepalived of the template's, configured for something else: it would be overwritten.
foreign() {
	for package in haproxy keepalived; do
		case "$(dpkg-query -W -f '${Status}' $package 2>/dev/null)" in *installed) ;; *) continue ;; esac
		changed=$(dpkg --verify $package 2>/dev/null | awk '$2 == "c" { print $3 }' | tr '\n' ' ')
		if [ $package = keepalived ] && [ -e /etc/keepalived/keepalived.conf ]; then changed="$changed/etc/keepalived/keepalived.conf "; fi
		[ -z "$changed" ] || die "$package on this machine is configured for something else already (${changed% }), which would be overwritten; take it out of the template"
	done
}
if [ ! -e /etc/haproxy/k3sha ]; then foreign; fi
programs <<LIST
haproxy haproxy
keepalived keepalived
arping iputils-arping
curl curl
LIST
guest_agent
version=$(haproxy -v 2>/dev/null | sed -n 's/^HA-\{0,1\}Proxy version \([0-9]*\.[0-9]*\).*/\1/p')
case $version in
2.[6-9] | 2.1[0-9] | [3-9].*) ;;
*) die "HAProxy here is ${version:-of no version that it says}, and 2.6 is the oldest that has what its configuration uses; use a newer template" ;;
esac
