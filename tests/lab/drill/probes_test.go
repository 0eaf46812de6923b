package drill

import (
	"slices"
	"testing"
)

func TestMisplaced(t *testing.T) {
	writes := []acked{{"a", 0, 1}, {"c", 0.5, 3}, {"b", 1.5, 2}, {"d", 3.5, 4}}
	for name, test := range map[string]struct {
		versions map[string]int
		want     []string
	}{
		"in order":                 {map[string]int{"a": 1, "b": 2, "c": 3, "d": 4}, nil},
		"under way together":       {map[string]int{"a": 2, "c": 1, "b": 3, "d": 4}, nil},
		"one is gone":              {map[string]int{"a": 1, "c": 3, "d": 4}, []string{"b"}},
		"before one that was done": {map[string]int{"a": 3, "b": 2, "c": 4, "d": 5}, []string{"b"}},
		"the last is too early":    {map[string]int{"a": 1, "b": 2, "c": 4, "d": 3}, []string{"d"}},
	} {
		if got := misplaced(writes, test.versions); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
