package topology

import (
	"fmt"
	"regexp"
)

// DefaultStatsPort is the one that HAProxy's own examples have; DefaultStatsUser is as good as any.
const (
	DefaultStatsPort = 8404
	DefaultStatsUser = "admin"
)

var statsUser = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.@]{0,31}$`)

// stats checks HAProxy's statistics page.
func (v *validator) stats() {
	lb := v.spec.LoadBalancers
	if lb.Stats == nil {
		return
	}
	const path = "loadBalancers.stats"
	if !v.spec.Leaves.Has(StatsPasswordLeaf) {
		v.add(path+".password", "is missing; give one, as a secret")
	}
	if !statsUser.MatchString(lb.Stats.User) {
		v.add(path+".user", "%q is not a user; use up to 32 letters, digits and - _ . @, like admin", lb.Stats.User)
	}
	v.lbPort(path+".port", lb.Stats.Port)
	taken := map[int]string{lb.APIPort: "loadBalancers.apiPort", lb.StatusPort: "loadBalancers.statusPort"}
	if whose := taken[lb.Stats.Port]; whose != "" {
		v.add(path+".port", "%d is that of %s; give another port", lb.Stats.Port, whose)
	}
	if lb.Stats.SourceRanges != nil && len(lb.Stats.SourceRanges) == 0 {
		v.add(path+".sourceRanges", "is empty, and nobody could connect; list networks, or leave it out for everybody")
	}
	for i, text := range lb.Stats.SourceRanges {
		v.sourceRange(fmt.Sprintf("%s.sourceRanges[%d]", path, i), text)
	}
}

// minPassword is how short a password may be that guards a port of a network.
const minPassword = 8

// PasswordProblem says what is wrong with a password; no answer quotes it.
func PasswordProblem(text string) string {
	if len(text) < minPassword {
		return fmt.Sprintf("has fewer than %d characters; give a longer one", minPassword)
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return "has a line break or another control character; take it out"
		}
	}
	return ""
}
