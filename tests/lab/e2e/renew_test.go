package e2e

import (
	"bytes"
	"encoding/json"
	"time"
)

// renews puts the end of the administrator's certificate nearer in the state, as time does, and takes an update.
func (p *place) renews() {
	p.t.Helper()
	before, times, logins := p.kubeconfig(), p.startTimes(), p.logins()
	p.expires(61 * 24 * time.Hour)
	if r, _ := p.must(time.Minute, "preview"); r.Changed() != 0 {
		p.t.Errorf("61 days before the end: %v", changedNames(r))
	}
	p.expires(59 * 24 * time.Hour)
	// The kubeconfig follows; it is a secret, of whose change the CLI prints nothing.
	r, _ := p.must(time.Minute, "preview")
	expect(p.t, "59 days before the end", withoutOutputs(changedNames(r)), []string{"create-replacement k3s-admin", "delete-replaced k3s-admin", "replace k3s-admin"})
	p.up()
	p.forgetKubeconfig()
	if after := p.kubeconfig(); after == before {
		p.t.Error("the kubeconfig is the old one")
	}
	p.kubectl("get", "nodes")
	if now := p.startTimes(); now != times {
		p.t.Errorf("nodes have noticed:\n%s\nwas\n%s", now, times)
	}
	if now := p.logins(); now != logins {
		p.t.Errorf("%d SSH logins", now-logins)
	}
}

// expires has the state say that the certificate ends so soon.
func (p *place) expires(within time.Duration) {
	p.t.Helper()
	state, err := p.Pulumi(p.t.Context(), p.project, p.stack, "stack", "export").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(state, &all); err != nil {
		p.t.Fatal(err)
	}
	found := false
	deployment, _ := all["deployment"].(map[string]any)
	resources, _ := deployment["resources"].([]any)
	for _, r := range resources {
		resource, _ := r.(map[string]any)
		if outputs, _ := resource["outputs"].(map[string]any); resource["type"] == "k3sha:index:AdminCertificate" {
			outputs["until"] = time.Now().Add(within).UTC().Format(time.RFC3339)
			found = true
		}
	}
	if !found {
		p.t.Fatal("there is no administrator's certificate in the state")
	}
	data, err := json.Marshal(all)
	if err != nil {
		p.t.Fatal(err)
	}
	load := p.Pulumi(p.t.Context(), p.project, p.stack, "stack", "import")
	load.Stdin = bytes.NewReader(data)
	if out, err := load.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
}
