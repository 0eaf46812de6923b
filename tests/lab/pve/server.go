package pve

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the server.
type call struct {
	s      *Server
	user   string
	method string
	path   []string // segments below /api2/json
	form   url.Values
	fault  *Fault
}

// ServeHTTP answers below /api2/json. One request at a time changes the installation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, found := strings.CutPrefix(r.URL.EscapedPath(), "/api2/json")
	if !found {
		fail(404, "File '%s' not found", r.URL.Path).write(w)
		return
	}
	// A trailing slash is fine, and volume ids and UPIDs arrive escaped.
	plain, err := url.PathUnescape(strings.TrimSuffix(path, "/"))
	if err != nil {
		fail(400, "bad path").write(w)
		return
	}
	_ = r.ParseForm()

	s.mu.Lock()
	fault := s.match(r.Method, plain)
	s.mu.Unlock()
	if fault != nil {
		time.Sleep(time.Duration(fault.Delay) * time.Millisecond)
		if fault.Drop {
			s.mu.Lock()
			s.record(r, plain, 0, "")
			s.mu.Unlock()
			if hijacker, ok := w.(http.Hijacker); ok {
				if conn, _, err := hijacker.Hijack(); err == nil {
					conn.Close()
				}
			}
			return
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	data, apiErr := s.answer(r, path, fault)
	status, reason := http.StatusOK, ""
	if apiErr != nil {
		status, reason = apiErr.code, apiErr.text
	}
	s.record(r, plain, status, reason)
	if apiErr != nil {
		apiErr.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func (s *Server) answer(r *http.Request, path string, fault *Fault) (any, *apiError) {
	if fault != nil && fault.Status != 0 {
		return nil, fail(fault.Status, "%s", fault.Message)
	}
	user, err := s.authenticate(r)
	if err != nil {
		return nil, err
	}
	var segments []string
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		segment, _ := url.PathUnescape(part)
		segments = append(segments, segment)
	}
	c := &call{s: s, user: user, method: r.Method, path: segments, form: r.Form, fault: fault}
	return c.route()
}

func (c *call) route() (any, *apiError) {
	switch key := c.method + " " + c.path[0]; {
	case key == "GET version":
		return map[string]any{"version": "9.0.10", "release": "9.0", "repoid": "deadbeefdeadbeef"}, nil
	case key == "GET cluster" && c.at(1) == "nextid":
		return c.nextID()
	case key == "GET cluster" && c.at(1) == "resources":
		return c.resources(), nil
	case c.path[0] == "pools":
		return c.poolCall()
	case c.path[0] == "nodes" && len(c.path) == 1 && c.method == http.MethodGet:
		var out []map[string]any
		for _, node := range c.s.nodes {
			status := "online"
			if c.s.offline[node] {
				status = "offline"
			}
			out = append(out, map[string]any{"node": node, "type": "node", "status": status, "id": "node/" + node})
		}
		return out, nil
	case c.path[0] == "nodes" && len(c.path) > 2:
		return c.nodeCall()
	}
	return nil, c.notImplemented()
}

func (c *call) notImplemented() *apiError {
	return fail(501, "Method '%s /%s' not implemented", c.method, strings.Join(c.path, "/"))
}

func (c *call) at(i int) string {
	if i < len(c.path) {
		return c.path[i]
	}
	return ""
}

func (c *call) nextID() (any, *apiError) {
	if want := c.form.Get("vmid"); want != "" {
		if id, _ := strconv.Atoi(want); c.s.vms[id] != nil {
			return nil, badParameter("vmid", "VM "+want+" already exists")
		}
		return want, nil
	}
	for id := 100; ; id++ {
		if c.s.vms[id] == nil {
			return strconv.Itoa(id), nil
		}
	}
}

func (c *call) resources() any {
	s, out := c.s, []map[string]any{}
	for _, v := range s.vms {
		if !s.mayVM(c.user, v, "VM.Audit") {
			continue // as if it weren't there
		}
		out = append(out, map[string]any{
			"id": fmt.Sprintf("qemu/%d", v.id), "type": "qemu", "vmid": v.id, "node": v.node, "name": v.name(),
			"status": s.status(v), "template": bit(v.template), "pool": v.pool, "tags": v.config["tags"],
			"maxmem": mib(v.config["memory"]), "maxcpu": atoi(v.config["cores"]), "uptime": s.uptime(v),
		})
	}
	slices.SortFunc(out, func(a, b map[string]any) int { return a["vmid"].(int) - b["vmid"].(int) })
	return out
}

func (c *call) poolCall() (any, *apiError) {
	s, id := c.s, c.at(1)
	if id == "" {
		id = c.form.Get("poolid")
	}
	path := "/pool/" + id
	if c.method == http.MethodGet && id == "" {
		out := []map[string]any{}
		for pool := range s.pools {
			if s.may(c.user, "/pool/"+pool, "Pool.Audit") {
				out = append(out, map[string]any{"poolid": pool})
			}
		}
		return out, nil
	}
	comment, known := s.pools[id]
	if c.method != http.MethodPost && !known {
		return nil, fail(500, "pool '%s' does not exist", id)
	}
	switch c.method {
	case http.MethodGet:
		if err := s.check(c.user, path, "Pool.Audit"); err != nil {
			return nil, err
		}
		members := []map[string]any{}
		for _, v := range s.vms {
			if v.pool == id {
				members = append(members, map[string]any{"id": fmt.Sprintf("qemu/%d", v.id), "vmid": v.id, "node": v.node, "type": "qemu", "name": v.name()})
			}
		}
		pool := map[string]any{"poolid": id, "comment": comment, "members": members}
		if c.at(1) == "" {
			return []any{pool}, nil
		}
		return pool, nil
	case http.MethodPost:
		if err := s.check(c.user, path, "Pool.Allocate"); err != nil {
			return nil, err
		}
		if known {
			return nil, fail(500, "create pool failed: pool '%s' already exists", id)
		}
		s.pools[id] = c.form.Get("comment")
	case http.MethodPut:
		if err := s.check(c.user, path, "Pool.Allocate"); err != nil {
			return nil, err
		}
		for member := range strings.SplitSeq(c.form.Get("vms"), ",") {
			if v := s.vms[atoi(member)]; v != nil {
				v.pool = id
				if c.form.Get("delete") == "1" {
					v.pool = ""
				}
			}
		}
	case http.MethodDelete:
		if err := s.check(c.user, path, "Pool.Allocate"); err != nil {
			return nil, err
		}
		for _, v := range s.vms {
			if v.pool == id {
				return nil, fail(500, "delete pool failed: pool '%s' is not empty", id)
			}
		}
		delete(s.pools, id)
	default:
		return nil, c.notImplemented()
	}
	return nil, nil
}

func (c *call) nodeCall() (any, *apiError) {
	node := c.path[1]
	if !slices.Contains(c.s.nodes, node) {
		return nil, fail(500, "hostname lookup '%s' failed - failed to get address info for: %s: Name or service not known", node, node)
	}
	if c.s.offline[node] {
		return nil, fail(595, "No route to host")
	}
	switch c.path[2] {
	case "tasks":
		return c.taskCall()
	case "query-url-metadata":
		return c.metadata(node)
	case "storage":
		if len(c.path) < 4 && c.method == http.MethodGet {
			return c.storages(), nil
		}
		return c.storageCall()
	case "qemu":
		if len(c.path) < 4 {
			if c.method == http.MethodPost {
				return c.create(node)
			}
			if c.method == http.MethodGet {
				return c.vms(node), nil
			}
			return nil, c.notImplemented()
		}
		return c.vmCall(node, atoi(c.path[3]))
	}
	return nil, c.notImplemented()
}

func (c *call) taskCall() (any, *apiError) {
	t := c.s.tasks[taskKey(c.at(3))]
	if t == nil {
		return nil, badParameter("upid", "unable to parse worker upid '"+c.at(3)+"'")
	}
	switch c.method + " " + c.at(4) {
	case "GET status":
		return t.json(), nil
	case "GET log":
		return t.lines(), nil
	case "DELETE ":
		return nil, nil
	}
	return nil, c.notImplemented()
}

// storages lists a node's storages: all nodes have the same ones.
func (c *call) storages() any {
	kinds := map[string]string{"local": "dir", "local-lvm": "lvmthin", "ceph": "rbd"}
	out := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(c.s.storages)) {
		if c.s.may(c.user, "/storage/"+name, "Datastore.Audit") {
			st := c.s.storages[name].status()
			st["storage"], st["type"] = name, kinds[name]
			out = append(out, st)
		}
	}
	return out
}

func (st *storage) status() map[string]any {
	used := 100 << 30
	if st.full {
		used = 1 << 40
	}
	return map[string]any{"type": "lvmthin", "content": st.content, "active": 1, "enabled": 1, "shared": bit(st.shared), "total": 1 << 40, "used": used, "avail": 1<<40 - used}
}

func (c *call) storageCall() (any, *apiError) {
	name := c.at(3)
	st := c.s.storages[name]
	if st == nil {
		return nil, fail(500, "storage '%s' does not exist", name)
	}
	path, node := "/storage/"+name, c.path[1]
	switch {
	case c.method == http.MethodPost && c.at(4) == "download-url":
		return c.download(node, name)
	case c.method == http.MethodDelete && c.at(4) == "content":
		return c.removeContent(node, name, strings.Join(c.path[5:], "/"))
	case c.method == http.MethodGet && c.at(4) == "status":
		if err := c.s.check(c.user, path, "Datastore.Audit"); err != nil {
			return nil, err
		}
		return st.status(), nil
	case c.method == http.MethodGet && c.at(4) == "content" && c.at(5) != "":
		if err := c.s.check(c.user, path, "Datastore.Audit"); err != nil {
			return nil, err
		}
		volume := strings.Join(c.path[5:], "/")
		own := strings.TrimPrefix(volume, name+":")
		if f, found := c.s.filesOf(node, name)[own]; found {
			return map[string]any{"path": pathOf(name, own), "format": formatOf(own), "size": len(f.data), "used": len(f.data)}, nil
		}
		for _, v := range c.s.vms {
			for key, value := range v.config {
				if isDrive(key) && strings.HasPrefix(value+",", volume+",") {
					_, options := list(value, "file")
					return map[string]any{"path": "/dev/pve/" + own, "format": "raw", "size": bytes(options["size"]), "used": bytes(options["size"])}, nil
				}
			}
		}
		if strings.Contains(own, "/") {
			return nil, fail(500, "volume '%s:%s' does not exist", name, own)
		}
		return nil, fail(500, "no such logical volume pve/%s", own)
	case c.method == http.MethodGet && c.at(4) == "content":
		return c.contents(node, name)
	}
	return nil, c.notImplemented()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func mib(s string) int { return atoi(s) << 20 }
