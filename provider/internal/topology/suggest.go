package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest names the property that was probably meant, with a space before: " did you mean count?", or nothing.
func Suggest(word string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(strings.NewReplacer("_", "", "-", "").Replace(word), k) {
			return fmt.Sprintf(" did you mean %s?", k)
		}
	}
	return suggest(word, known)
}

// suggest names the known word that was probably meant: " did you mean traefik?", or nothing.
func suggest(word string, known []string) string {
	word = strings.ToLower(strings.ReplaceAll(strings.TrimLeft(strings.TrimSpace(word), "-"), "_", "-"))
	best, least := "", 1+len(word)/3
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := distance(word, strings.ToLower(k)); d < least || d == least && best == "" {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" did you mean %s?", best)
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between two words.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
