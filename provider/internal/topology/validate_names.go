package topology

import "regexp"

const (
	maxClusterName = 40
	maxPoolName    = 15
	maxHostName    = 63
)

var namePattern = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// names checks the cluster's name and the pools', from which all nodes' names are made.
func (v *validator) names() {
	switch name := v.spec.ClusterName; {
	case name == "":
		v.add("clusterName", "is missing; give the cluster a name, like k3s")
	case len(name) > maxClusterName || !namePattern.MatchString(name):
		v.add("clusterName", "%q cannot begin a host name; use at most %d lower-case letters, digits and hyphens, a letter first", name, maxClusterName)
	}
	for _, pool := range sortedKeys(v.spec.Workers) {
		path := "workers." + pool
		switch {
		case len(pool) > maxPoolName || !namePattern.MatchString(pool):
			v.add(path, "%q cannot be part of a host name; use at most %d lower-case letters, digits and hyphens, a letter first", pool, maxPoolName)
		case reservedPool(pool):
			v.add(path, "%q would give workers the names of another group; choose another pool name, like worker", pool)
		}
	}
}

// reservedPool: these words stand in the names of servers and load balancers, or for the servers in a forward.
func reservedPool(pool string) bool { return pool == "server" || pool == "lb" || pool == ServersPool }
