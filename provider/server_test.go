package provider

import (
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/component"
)

func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	err := func() (err error) {
		defer recovered(component.Token, "k3s", &err)
		panic("no plan")
	}()
	const want = `internal error in k3sha:index:K3sHaCluster "k3s", please report it: no plan`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
