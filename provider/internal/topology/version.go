package topology

import (
	"fmt"
	"regexp"
	"strconv"
)

var versionPattern = regexp.MustCompile(`^v(\d+)\.(\d+)\.(\d+)(?:-(rc\d+|alpha\d+|beta\d+))?\+k3s(\d+)$`)

// Version is a k3s release such as v1.31.6+k3s1.
type Version struct{ Major, Minor, Patch, Build int }

// ParseVersion reads a k3s release name. Pre-releases parse, and count as their release.
func ParseVersion(s string) (Version, error) {
	m := versionPattern.FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("%q is not a k3s release; write one in full, like v1.31.6+k3s1", s)
	}
	var n [4]int
	for i, group := range []string{m[1], m[2], m[3], m[5]} {
		n[i], _ = strconv.Atoi(group) // digits by the pattern
	}
	return Version{n[0], n[1], n[2], n[3]}, nil
}

// CheckUpgrade says why a living cluster must not go from one release to another; nil when it may.
func CheckUpgrade(from, to string) error {
	old, err := ParseVersion(from)
	if err != nil {
		return err
	}
	next, err := ParseVersion(to)
	if err != nil {
		return err
	}
	switch {
	case next.less(old):
		return fmt.Errorf("%s is older than %s, which this cluster runs or was being moved to; "+
			"k3s cannot go back, give %s or a newer release", to, from, from)
	case next.Major != old.Major || next.Minor > old.Minor+1:
		return fmt.Errorf("%s skips a minor version after %s; go through v%d.%d first", to, from, old.Major, old.Minor+1)
	case next.Minor >= 34 && old.Minor < 34 && old.less(Version{1, 33, 7, 3}):
		// etcd 3.6 takes over data safely only from etcd 3.5.26 on.
		return fmt.Errorf("%s has etcd 3.6, which must not follow %s directly; go to v1.33.7+k3s3 or a newer v1.33 first", to, from)
	}
	return nil
}

func (v Version) less(o Version) bool {
	a := [4]int{v.Major, v.Minor, v.Patch, v.Build}
	b := [4]int{o.Major, o.Minor, o.Patch, o.Build}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
