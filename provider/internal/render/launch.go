package render

import (
	"fmt"
	"regexp"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Launch is what a step starts k3s with, as far as another one restarts it.
type Launch struct{ Version, Config, Restart, Reapply, Change, S3, Around string }

var (
	plainLine   = `(?m)^%s='([^']*)'$`
	versionLine = regexp.MustCompile(fmt.Sprintf(plainLine, "K3S_VERSION"))
	restartLine = regexp.MustCompile(fmt.Sprintf(plainLine, "RESTART"))
	reapplyLine = regexp.MustCompile(fmt.Sprintf(plainLine, "REAPPLY"))
	changeLine  = regexp.MustCompile(fmt.Sprintf(plainLine, "CHANGE"))
	aroundLine  = regexp.MustCompile(fmt.Sprintf(plainLine, "AROUND"))
	s3Lines     = regexp.MustCompile(`(?s)\nS3_KEYS=(.*?)\nVIP_WAIT=`)
	configLines = regexp.MustCompile(`(?s)\nCONFIG=(.*?)\n(?:K3S_UNIT=|\[ -r )`)
)

// LaunchOf reads it back from what Step has rendered.
func LaunchOf(step string) Launch {
	first := func(pattern *regexp.Regexp) string {
		if found := pattern.FindStringSubmatch(step); found != nil {
			return found[1]
		}
		return ""
	}
	return Launch{first(versionLine), lasting(first(configLines)), first(restartLine), first(reapplyLine), first(changeLine), first(s3Lines), first(aroundLine)}
}

// atRegistration are the lines of a configuration that count when a node registers; later it gets its labels and taints through the API.
var atRegistration = regexp.MustCompile(`(?m)^node-(label|taint): .*\n`)

// lasting is a configuration as far as another one restarts k3s.
func lasting(config string) string { return atRegistration.ReplaceAllString(config, "") }

// After says whether this launch comes after another one. A word that was taken out again has done its work.
func (l Launch) After(old Launch) bool {
	if l.Restart == "" {
		old.Restart = ""
	}
	if l.Reapply == "" {
		old.Reapply = ""
	}
	return l != old
}

// Restarts is what k3s on a node is started with: nothing on a load balancer, whose programs take another configuration over as they run.
func Restarts(p topology.Plan, n topology.Node) string {
	switch n.Role {
	case topology.Server:
		return p.Spec.K3s.Version + "\n" + p.Spec.K3s.Restart + "\n" + lasting(ServerConfig(p.Spec, n, nil)) + s3CA(p.Spec) + around(p.Spec)
	case topology.Worker:
		return p.Spec.K3s.Version + "\n" + p.Spec.K3s.Restart + "\n" + lasting(WorkerConfig(p.Spec, n, nil)) + around(p.Spec)
	case topology.LoadBalancer:
	}
	return ""
}
