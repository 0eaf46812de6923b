package component

import (
	"slices"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// What the schema offers is what validation takes.
func TestEnumsAreTheRules(t *testing.T) {
	t.Parallel()
	var balances []string
	for _, v := range Balance("").Values() {
		balances = append(balances, string(v.Value))
	}
	if !slices.Equal(balances, topology.Balances) {
		t.Errorf("the schema has %v, the rules have %v", balances, topology.Balances)
	}
}
