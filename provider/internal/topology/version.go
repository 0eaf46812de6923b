package topology

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	versionPattern = regexp.MustCompile(`^v(1)\.(0|[1-9]\d?)\.(0|[1-9]\d?)(?:-(alpha|beta|rc)([1-9]\d?))?\+k3s([1-9]\d?)$`)
	nearlyVersion  = regexp.MustCompile(`^\s*[vV]?(\d+)\.(\d+)\.(\d+)(?:-((?:alpha|beta|rc)\d+))?(?:[-+_. ]|%2B)?(?:k3s(\d+))?\s*$`)
)

// Version is a k3s release such as v1.31.6+k3s1. Pre is empty for a final release, else like rc1.
type Version struct {
	Major, Minor, Patch, Build int
	stage, try                 int // alpha 1, beta 2, rc 3, final 4; and its number
}

// ParseVersion reads a k3s release name.
func ParseVersion(s string) (Version, error) {
	m := versionPattern.FindStringSubmatch(s)
	if m == nil {
		like := "v1.31.6+k3s1"
		if near := nearlyVersion.FindStringSubmatch(s); near != nil {
			guess := nearVersion(near)
			if versionPattern.MatchString(guess) {
				like = guess
			}
		}
		return Version{}, fmt.Errorf("%q is not a k3s release; write one in full, like %s", s, like)
	}
	var n [5]int
	for i, group := range []string{m[1], m[2], m[3], m[6], m[5]} {
		n[i], _ = strconv.Atoi(group) // digits by the pattern, or nothing
	}
	stage := map[string]int{"alpha": 1, "beta": 2, "rc": 3, "": 4}[m[4]]
	return Version{n[0], n[1], n[2], n[3], stage, n[4]}, nil
}

// nearVersion writes what was probably meant in full.
func nearVersion(m []string) string {
	number := func(text string) string {
		n, _ := strconv.Atoi(text) // digits by the pattern
		return strconv.Itoa(n)
	}
	out := "v" + number(m[1]) + "." + number(m[2]) + "." + number(m[3])
	if m[4] != "" {
		out += "-" + m[4]
	}
	build := strings.TrimLeft(m[5], "0")
	if build == "" {
		build = "1"
	}
	return out + "+k3s" + build
}

// tooOld: without EtcdIsVoter nobody can say whether a server's member votes. It came with v1.27.9, v1.28.5 and v1.29.0 (k3s
// c5cd7b3d6 and its backports).
func (v Version) tooOld() bool {
	return v.Minor < 27 || v.Minor == 27 && v.Patch < 9 || v.Minor == 28 && v.Patch < 5
}

// HasHosts says whether containerd looks for registries in files of their own, whenever it pulls an image. k3s writes them since v1.27.10, v1.28.6
// and v1.29.1 (k3s' issue 5568).
func HasHosts(release string) bool {
	v, err := ParseVersion(release)
	if err != nil {
		return false
	}
	oldest := map[int]int{27: 10, 28: 6, 29: 1}
	return v.Minor >= 27 && v.Patch >= oldest[v.Minor]
}

// etcd36: the release runs etcd 3.6. v1.34 does from its start, v1.33 from v1.33.11 on.
func (v Version) etcd36() bool { return v.Minor >= 34 || v.Minor == 33 && v.Patch >= 11 }

// leadsToEtcd36: only etcd 3.5.26 hands its data over to 3.6 safely (etcd's own upgrade notes). v1.33.7+k3s3 to v1.33.10 have it.
func (v Version) leadsToEtcd36() bool {
	return v.etcd36() || v.Minor == 33 && !v.less(Version{1, 33, 7, 3, 4, 0})
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
		return fmt.Errorf("%s is older than %s, which has come up in this cluster; "+
			"k3s cannot go back, give %s or a newer release", to, from, from)
	case next.Minor > old.Minor+1:
		return fmt.Errorf("%s skips a minor version after %s; go through v%d.%d first", to, from, old.Major, old.Minor+1)
	case next.etcd36() && !old.leadsToEtcd36():
		return fmt.Errorf("%s has etcd 3.6, which must not follow the etcd of %s directly; go to v1.33.10+k3s1 first (v1.33.7+k3s3 to v1.33.10 will do)", to, from)
	}
	return nil
}

func (v Version) less(o Version) bool {
	a := [6]int{v.Major, v.Minor, v.Patch, v.stage, v.try, v.Build}
	b := [6]int{o.Major, o.Minor, o.Patch, o.stage, o.try, o.Build}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
