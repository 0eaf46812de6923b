package component

import (
	"slices"
	"strings"
	"testing"
)

// baseTemplate is the example's.
const baseTemplate = `{"node":"pve1","vmId":9100,"image":"ubuntu-24.04","host":{"address":"192.168.1.5","privateKey":"KEY","hostKey":"PUBKEY"}}`

// TestTemplateMistakes goes through a table of wrong inputs of a CloudImageTemplate: each is refused at preview, with exactly these lines. One
// that has none is accepted.
func TestTemplateMistakes(t *testing.T) {
	t.Parallel()
	keys := keysOf(t)
	table := readMistakes(t, "testdata/template-mistakes.jsonl")
	if len(table) < 30 {
		t.Fatalf("only %d cases", len(table))
	}
	for _, m := range table {
		var got []string
		for _, p := range CheckTemplateInputs("ubuntu", m.over(t, baseTemplate, keys)) {
			got = append(got, p.String())
		}
		if !slices.Equal(got, m.Want) {
			t.Errorf("%s (%s):\n%s\nwant:\n%s", m.ID, m.Why, strings.Join(got, "\n"), strings.Join(m.Want, "\n"))
		}
	}
}
