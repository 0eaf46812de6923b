package topology

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

const (
	minAdvert, maxAdvert               = 0.1, 40.0 // s, Keepalived's limit for VRRP version 3
	minCheckInterval, maxCheckInterval = 100, 60_000
	maxCheckCount                      = 100
)

var (
	ifacePattern = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]{0,14}$`)
	netPattern   = regexp.MustCompile(`^net\d+$`)
)

// Balances are HAProxy's ways to choose a server that a TCP proxy can use.
var Balances = []string{"random(2)", "random", "leastconn", "roundrobin", "static-rr", "first", "source"}

// takenPorts listen on the machine already, or are k3s' own on a node.
var takenPorts = map[int]string{53: "systemd-resolved's, on Ubuntu and others"}

// nodePorts are what k3s itself listens on.
var nodePorts = map[int]string{
	6443: "the Kubernetes API's", 6444: "k3s' own load balancer's", 2379: "etcd's", 2380: "etcd's", 2381: "etcd's", 2382: "etcd's",
	10248: "the kubelet's", 10249: "kube-proxy's", 10250: "the kubelet's", 10256: "kube-proxy's", 10257: "the controller manager's", 10258: "k3s' cloud controller's", 10259: "the scheduler's",
}

func (v *validator) loadBalancers() {
	lb := v.spec.LoadBalancers
	if lb.VirtualRouterID < 1 || lb.VirtualRouterID > 255 {
		v.add("loadBalancers.virtualRouterId", "%d is not a VRRP router id; give 1 to 255, unique on the network", lb.VirtualRouterID)
	}
	switch hundredths := lb.AdvertInterval * 100; {
	case lb.AdvertInterval > maxAdvert:
		v.add("loadBalancers.advertInterval", "%g s is out of range; it is in seconds, give %g to %g, like 0.5", lb.AdvertInterval, minAdvert, maxAdvert)
	case lb.AdvertInterval < minAdvert:
		v.add("loadBalancers.advertInterval", "%g s is out of range; give %g to %g seconds", lb.AdvertInterval, minAdvert, maxAdvert)
	case math.Abs(hundredths-math.Round(hundredths)) > 1e-6:
		v.add("loadBalancers.advertInterval", "%g s is too fine; Keepalived counts in hundredths of a second, like 0.5", lb.AdvertInterval)
	}
	v.lbPort("loadBalancers.apiPort", lb.APIPort)
	v.lbPort("loadBalancers.statusPort", lb.StatusPort)
	if lb.APIPort == lb.StatusPort {
		v.add("loadBalancers.statusPort", "%d is already loadBalancers.apiPort; give another port", lb.StatusPort)
	}
	if !slices.Contains(Balances, lb.Balance) {
		v.add("loadBalancers.balance", "%q is not a way to choose a server;%s use one of: %s", lb.Balance, suggest(lb.Balance, Balances), strings.Join(Balances, ", "))
	}
	switch {
	case lb.Interface == "":
	case lb.Interface == "lo":
		v.add("loadBalancers.interface", "lo is the machine itself; give the interface of the nodes' network, or leave it out to have it found")
	case vmbrPattern.MatchString(lb.Interface) || netPattern.MatchString(lb.Interface):
		v.add("loadBalancers.interface", "%q is Proxmox VE's name for its side; give the interface inside of the VMs, like eth0, or leave it out to have it found", lb.Interface)
	case digitsPattern.MatchString(lb.Interface), !ifacePattern.MatchString(lb.Interface):
		v.add("loadBalancers.interface", "%q is not a network interface; write it like eth0, or leave it out to have it found", lb.Interface)
	}
	switch i := lb.CheckInterval; {
	case i > 0 && i < minCheckInterval:
		v.add("loadBalancers.checkInterval", "%d ms is out of range; it is in milliseconds, give %d to %d: %d s are %d", i, minCheckInterval, maxCheckInterval, i, i*1000)
	case i < minCheckInterval || i > maxCheckInterval:
		v.add("loadBalancers.checkInterval", "%d ms is out of range; give %d to %d milliseconds", i, minCheckInterval, maxCheckInterval)
	}
	if lb.CheckFall < 1 || lb.CheckFall > maxCheckCount {
		v.add("loadBalancers.checkFall", "%d is out of range; give 1 to %d failed checks", lb.CheckFall, maxCheckCount)
	}
	if lb.CheckRise < 1 || lb.CheckRise > maxCheckCount {
		v.add("loadBalancers.checkRise", "%d is out of range; give 1 to %d passed checks", lb.CheckRise, maxCheckCount)
	}
	v.extraLines(lb.ExtraLines)
}

func (v *validator) lbPort(path string, port int) {
	v.port(path, port)
	if port == v.spec.SSH.Port {
		v.add(path, "%d is the SSH port of the load balancers; give another port", port)
	} else if whose := takenPorts[port]; whose != "" {
		v.add(path, "%d is %s; give another port", port, whose)
	}
}
