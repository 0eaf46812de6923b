package pve

import (
	"net/http"
	"slices"
	"strings"
)

// authenticate returns the token's id, or 401.
func (s *Server) authenticate(r *http.Request) (string, *apiError) {
	header, found := strings.CutPrefix(r.Header.Get("Authorization"), "PVEAPIToken=")
	if !found {
		return "", fail(401, "No ticket")
	}
	id, secret, _ := strings.Cut(header, "=")
	if t := s.tokens[id]; t != nil && t.Secret == secret {
		return id, nil
	}
	return "", fail(401, "permission denied - invalid token")
}

// may says whether a token has a privilege on a path. The nearest path with an entry decides; a VM in a pool has the pool's
// entries too.
func (s *Server) may(user, path, privilege string) bool {
	if user == RootUser {
		return true
	}
	acl := s.tokens[user].ACL
	for at := path; ; at = parent(at) {
		found := false
		for _, entry := range acl {
			if entry.Path == at {
				found = true
				if slices.Contains(entry.Privileges, privilege) || slices.Contains(entry.Privileges, "*") {
					return true
				}
			}
		}
		if found || at == "/" {
			return false
		}
	}
}

func parent(path string) string {
	i := strings.LastIndex(path, "/")
	if i <= 0 {
		return "/"
	}
	return path[:i]
}

func (s *Server) mayVM(user string, v *vm, privilege string) bool {
	return s.may(user, vmPath(v.id), privilege) || v.pool != "" && s.may(user, "/pool/"+v.pool, privilege)
}

func (s *Server) checkVM(user string, v *vm, privileges ...string) *apiError {
	for _, privilege := range privileges {
		if !s.mayVM(user, v, privilege) {
			return fail(403, "Permission check failed (%s, %s)", vmPath(v.id), privilege)
		}
	}
	return nil
}

func (s *Server) check(user, path, privilege string) *apiError {
	if !s.may(user, path, privilege) {
		return fail(403, "Permission check failed (%s, %s)", path, privilege)
	}
	return nil
}
