package topology

import (
	"net/netip"
	"regexp"
	"strings"
)

// userPattern: what useradd of Debian and Ubuntu takes, so first.last too.
var userPattern = regexp.MustCompile(`^[A-Za-z_][-A-Za-z0-9_.]{0,31}$`)

func (v *validator) ssh() {
	s := v.spec.SSH
	if s.MissingKey {
		v.add("ssh.privateKey", "is missing; give the key that the nodes are reached with, as a secret")
	}
	v.user("ssh.user", s.User, "use the template's cloud-init user, like ubuntu")
	v.port("ssh.port", s.Port)
	if whose := nodePorts[s.Port]; whose != "" {
		v.add("ssh.port", "%d is %s on a node; give the port that sshd listens on in the template, usually 22", s.Port, whose)
	}
	b := s.Bastion
	if b == nil {
		return
	}
	v.bastionHost(b.Host)
	v.user("ssh.bastion.user", b.User, "write it like admin")
	v.port("ssh.bastion.port", b.Port)
	for _, key := range b.Missing {
		v.add("ssh.bastion."+key, "is missing; a jump host needs its own key and its pinned host key")
	}
}

func (v *validator) user(path, user, remedy string) {
	if userPattern.MatchString(user) {
		return
	}
	if name, _, at := strings.Cut(user, "@"); at && userPattern.MatchString(name) {
		v.add(path, "%q carries a host; write %s", user, name)
		return
	}
	v.add(path, "%q is not a Linux user name; %s", user, remedy)
}

func (v *validator) bastionHost(host string) {
	const path = "ssh.bastion.host"
	addr, err := netip.ParseAddr(host)
	_, afterAt, at := strings.Cut(host, "@")
	name, port, colon := strings.Cut(host, ":")
	switch {
	case host == "":
		v.add(path, "is missing; give the jump host's name or address")
	case err == nil && (addr.IsUnspecified() || addr.IsMulticast() || unusable(addr) == "a reserved" || addr == broadcastOf(v.prefix)):
		v.add(path, "%s is no machine's address; give the jump host's name or address", host)
	case err == nil && addr == v.vip:
		v.add(path, "%s is the cluster's VIP, which is there only after the nodes have been reached; give a machine that is there before", host)
	case err == nil:
		for _, n := range v.spec.Nodes() {
			if n.IP == host {
				v.add(path, "%s is %s, which this cluster makes; give a machine that is there before", host, n.Name)
				return
			}
		}
	case strings.Contains(host, "/"):
		v.add(path, "%q is no host; give its name or address alone, like bastion.example.org", host)
	case at:
		v.add(path, "%q carries a user; write %s, and the user in ssh.bastion.user", host, afterAt)
	case colon && !strings.Contains(port, ":") && (hostName(name) || digitsPattern.MatchString(name)):
		v.add(path, "%q carries a port; write %s, and the port in ssh.bastion.port", host, name)
	case !hostName(strings.TrimSuffix(host, ".")):
		v.add(path, "%q is neither a host name nor an address; write it like bastion.example.org", host)
	}
}

func broadcastOf(p netip.Prefix) netip.Addr {
	if !p.IsValid() {
		return netip.Addr{}
	}
	return broadcast(p)
}
