package pve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"time"
)

// Fault is something that goes wrong: for requests whose method and path match, as many times as it says.
type Fault struct {
	Method string `json:"method"` // empty: any
	Path   string `json:"path"`   // regular expression on the path below /api2/json
	Times  int    `json:"times"`  // 0: until reset
	Skip   int    `json:"skip"`   // let so many pass first

	Status    int    `json:"status"`    // answer with this status ...
	Message   string `json:"message"`   // ... and this reason
	Drop      bool   `json:"drop"`      // close the connection without an answer
	Delay     int    `json:"delay"`     // milliseconds before anything happens
	TaskError string `json:"taskError"` // the task that the request starts fails so
	TaskDelay int    `json:"taskDelay"` // milliseconds that the task takes

	pattern *regexp.Regexp
	hits    int
}

// match finds the fault for a request and counts it.
func (s *Server) match(method, path string) *Fault {
	for _, f := range s.faults {
		if f.Method != "" && f.Method != method || !f.pattern.MatchString(path) {
			continue
		}
		f.hits++
		if f.hits <= f.Skip || f.Times > 0 && f.hits > f.Skip+f.Times {
			continue
		}
		return f
	}
	return nil
}

// Control is the local endpoint for tests: faults, privileges, nodes, storages and the request log.
//
//	POST /fault      a Fault            POST /offline {"node":"pve2","offline":true}
//	POST /token      {"id":"u@pve!t","secret":"...","acl":[{"path":"/","privileges":[...]}]}
//	POST /storage    {"name":"local-lvm","full":true,"slow":1500}: milliseconds that copying a disk takes;
//	                 "content":"iso,import": what it may have
//	POST /bridge     {"name":"vmbr1","gone":true}
//	POST /deaf       {"id":201,"deaf":true}: the guest ignores ACPI
//	POST /node       {"memory":65536,"cores":32}: of each Proxmox node
//	POST /instant    {"instant":true}: tasks take no time
//	POST /vm         {"id":150,"name":"foreign"}: somebody else's VM
//	POST /kill       {"id":201}: the guest loses power
//	POST /remove     {"id":201}: somebody deletes the VM by hand
//	POST /agent      {"id":201,"up":true}: the guest agent answers
//	POST /host       a HostCall: what root does at a host's own shell
//	POST /reset      no faults, empty log
//	GET  /log        the requests since the last reset
//	GET  /vms        the VMs, with "restart" where pending values wait for one
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	post := func(path string, handle func(decode func(any) error) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if err := handle(json.NewDecoder(r.Body).Decode); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	post("/fault", func(decode func(any) error) error {
		f := &Fault{}
		if err := decode(f); err != nil {
			return err
		}
		pattern, err := regexp.Compile(f.Path)
		f.pattern = pattern
		if err == nil {
			s.faults = append(s.faults, f)
		}
		return err
	})
	post("/token", func(decode func(any) error) error {
		var t struct {
			ID     string `json:"id"`
			Secret string `json:"secret"`
			ACL    []ACL  `json:"acl"`
		}
		err := decode(&t)
		s.tokens[t.ID] = &Token{Secret: t.Secret, ACL: t.ACL}
		return err
	})
	post("/offline", func(decode func(any) error) error {
		var n struct {
			Node    string `json:"node"`
			Offline bool   `json:"offline"`
		}
		err := decode(&n)
		s.offline[n.Node] = n.Offline
		return err
	})
	post("/storage", func(decode func(any) error) error {
		var st struct {
			Name    string `json:"name"`
			Full    bool   `json:"full"`
			Slow    *int   `json:"slow"`
			Content string `json:"content"`
		}
		err := decode(&st)
		if known := s.storages[st.Name]; known != nil {
			known.full = st.Full
			if st.Slow != nil {
				known.slow = time.Duration(*st.Slow) * time.Millisecond
			}
			if st.Content != "" {
				known.content = st.Content
			}
		}
		return err
	})
	post("/bridge", func(decode func(any) error) error {
		var b struct {
			Name string `json:"name"`
			Gone bool   `json:"gone"`
		}
		err := decode(&b)
		s.bridges[b.Name] = !b.Gone
		return err
	})
	post("/deaf", func(decode func(any) error) error {
		var d struct {
			ID   int  `json:"id"`
			Deaf bool `json:"deaf"`
		}
		err := decode(&d)
		s.deaf[d.ID] = d.Deaf
		return err
	})
	post("/node", func(decode func(any) error) error {
		n := struct {
			Memory int `json:"memory"`
			Cores  int `json:"cores"`
		}{s.memory, s.cores}
		err := decode(&n)
		s.memory, s.cores = n.Memory, n.Cores
		return err
	})
	post("/instant", func(decode func(any) error) error {
		var i struct {
			Instant bool `json:"instant"`
		}
		err := decode(&i)
		s.instant = i.Instant
		return err
	})
	post("/vm", func(decode func(any) error) error {
		var v struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
		}
		err := decode(&v)
		s.vms[v.ID] = &vm{id: v.ID, node: "pve1", config: map[string]string{
			"name": v.Name, "memory": "512", "cores": "1", "smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", v.ID), // Proxmox VE makes one up for each VM
		}}
		return err
	})
	post("/kill", func(decode func(any) error) error {
		var v struct {
			ID int `json:"id"`
		}
		if err := decode(&v); err != nil {
			return err
		}
		return s.driver.Stop(v.ID)
	})
	post("/agent", func(decode func(any) error) error {
		var v struct {
			ID int  `json:"id"`
			Up bool `json:"up"`
		}
		err := decode(&v)
		s.agents[v.ID] = v.Up
		return err
	})
	post("/remove", func(decode func(any) error) error {
		var v struct {
			ID int `json:"id"`
		}
		if err := decode(&v); err != nil {
			return err
		}
		delete(s.vms, v.ID)
		return s.driver.Delete(v.ID)
	})
	post("/reset", func(func(any) error) error {
		s.faults, s.log = nil, nil
		return nil
	})
	mux.HandleFunc("POST /host", func(w http.ResponseWriter, r *http.Request) {
		var h HostCall
		err := json.NewDecoder(r.Body).Decode(&h)
		var data any
		if err == nil {
			data, err = s.host(h)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(data)
	})
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(append([]Request{}, s.log...))
	})
	mux.HandleFunc("GET /vms", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		type row struct {
			ID      int               `json:"id"`
			Name    string            `json:"name"`
			Node    string            `json:"node"`
			Status  string            `json:"status"`
			Restart bool              `json:"restart"`
			Config  map[string]string `json:"config"`
		}
		rows := []row{}
		for _, v := range s.vms {
			if !v.template {
				rows = append(rows, row{v.id, v.name(), v.node, s.status(v), s.pending(v), v.config})
			}
		}
		_ = json.NewEncoder(w).Encode(rows)
	})
	return mux
}

func (s *Server) record(r *http.Request, path string, status int, reason string) {
	form := r.PostForm.Encode()
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		form = r.URL.RawQuery
	}
	s.log = append(s.log, Request{Time: time.Now(), Method: r.Method, Path: path, Form: form, Status: status, Reason: reason})
}
