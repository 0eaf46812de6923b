package resources

import (
	"regexp"
	"strings"
)

// tokenPattern keeps out full tokens (K10...::server:...), and what files and command lines of k3s would trip over.
var (
	tokenPattern     = regexp.MustCompile(`^[A-Za-z0-9._-]{16,512}$`)
	bootstrapPattern = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)
)

// TokenProblem says why a text is not the password part of a token.
func TokenProblem(text string) string {
	const remedy = "give 16 to 512 letters, digits and - _ . or leave it out to have one made up"
	switch {
	case text == "": // not given
		return ""
	case strings.HasPrefix(text, "K10"):
		return "is a full token; give its password alone, what stands behind the last colon"
	case bootstrapPattern.MatchString(text):
		return "has the form of a bootstrap token, for which k3s would look in the cluster; " + remedy
	case !tokenPattern.MatchString(text):
		return "is not the password part of a token; " + remedy
	}
	return ""
}
