package pve

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// RootUser is the administrator at a host's own shell.
const RootUser = "root@pam"

// folders are where a directory storage has its files.
var folders = map[string]string{"iso": "template/iso", "vztmpl": "template/cache", "import": "import"}

// endings are those that a file's name may have.
var endings = map[string][]string{
	"iso": {".iso", ".img"}, "vztmpl": {".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2"}, "import": {".qcow2", ".raw", ".vmdk", ".ova"},
}

// pathOf is a file's path on a host.
func pathOf(storageName, volume string) string {
	root := "/var/lib/vz"
	if storageName != "local" {
		root = "/mnt/pve/" + storageName
	}
	content, name, _ := strings.Cut(volume, "/")
	return path.Join(root, folders[content], name)
}

// formatOf is the format that Proxmox VE shows for a file: an image to import says its own.
func formatOf(volume string) string {
	content, name, _ := strings.Cut(volume, "/")
	switch content {
	case "import":
		return strings.TrimPrefix(path.Ext(name), ".")
	case "vztmpl":
		return "t" + strings.TrimPrefix(path.Ext(name), ".")
	}
	return content
}

// file is an image on a storage.
type file struct {
	data  []byte
	since time.Time
}

// filesOf are a storage's files on a node, by their volume without the storage.
func (s *Server) filesOf(node, storageName string) map[string]file {
	if s.storages[storageName].shared {
		node = ""
	}
	key := node + " " + storageName
	if s.files[key] == nil {
		s.files[key] = map[string]file{}
	}
	return s.files[key]
}

func (c *call) mayFetch(node string) *apiError {
	if c.s.may(c.user, "/nodes/"+node, "Sys.AccessNetwork") {
		return nil
	}
	for _, privilege := range []string{"Sys.Audit", "Sys.Modify"} {
		if err := c.s.check(c.user, "/", privilege); err != nil {
			return err
		}
	}
	return nil
}

// metadata says what is behind a URL.
func (c *call) metadata(node string) (any, *apiError) {
	if err := c.mayFetch(node); err != nil {
		return nil, err
	}
	url := c.form.Get("url")
	data, err := c.fetch(url)
	if err != nil {
		return nil, fail(500, "invalid server response: '%s'", err)
	}
	return map[string]any{"filename": path.Base(url), "size": len(data), "mimetype": "application/octet-stream"}, nil
}

// fetch gets a URL; others go on meanwhile.
func (c *call) fetch(url string) ([]byte, error) {
	if c.s.Fetch == nil {
		return nil, fmt.Errorf("500 Can't connect")
	}
	c.s.mu.Unlock()
	defer c.s.mu.Lock()
	return c.s.Fetch(url)
}

// download has a storage fetch an image.
func (c *call) download(node, storageName string) (any, *apiError) {
	st, content, name := c.s.storages[storageName], c.form.Get("content"), c.form.Get("filename")
	want, algorithm := strings.ToLower(c.form.Get("checksum")), c.form.Get("checksum-algorithm")
	if err := oneOf("content", content, "iso", "vztmpl", "import"); err != nil {
		return nil, err
	}
	if algorithm != "" {
		if err := oneOf("checksum-algorithm", algorithm, "md5", "sha1", "sha224", "sha256", "sha384", "sha512"); err != nil {
			return nil, err
		}
	}
	switch {
	case want != "" && algorithm == "":
		return nil, badParameter("checksum-algorithm", "missing property - 'checksum' requires this property")
	case want == "" && algorithm != "":
		return nil, badParameter("checksum", "missing property - 'checksum-algorithm' requires this property")
	}
	if err := c.s.check(c.user, "/storage/"+storageName, "Datastore.AllocateTemplate"); err != nil {
		return nil, err
	}
	if err := c.mayFetch(node); err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Split(st.content, ","), content) {
		return nil, fail(500, "storage '%s' is not configured for content-type '%s'", storageName, content)
	}
	if !slices.ContainsFunc(endings[content], func(end string) bool { return strings.HasSuffix(name, end) }) {
		text := "wrong file extension"
		if content == "import" {
			text = "invalid filename or wrong extension"
		}
		return nil, badParameter("filename", text)
	}
	url, volume := c.form.Get("url"), content+"/"+name
	return c.s.startTask(node, "download", name, strings.ReplaceAll(c.user, "!", "%21"), c.fault, func() error {
		if old, found := c.s.filesOf(node, storageName)[volume]; found {
			if want != "" && sumOf(algorithm, old.data) == want {
				return nil // OK, got correct file already, no need to download
			}
			return fmt.Errorf("refusing to override existing file '%s'", pathOf(storageName, volume))
		}
		data, err := c.fetch(url)
		if err != nil {
			return fmt.Errorf("download failed: %w", err)
		}
		if got := sumOf(algorithm, data); want != "" && got != want {
			return fmt.Errorf("checksum mismatch: got '%s' != expect '%s'", got, want)
		}
		c.s.filesOf(node, storageName)[volume] = file{data, time.Now()}
		return nil
	}, func() {}), nil
}

// oneOf refuses a value that is none of those that an option may have.
func oneOf(option, value string, allowed ...string) *apiError {
	if slices.Contains(allowed, value) {
		return nil
	}
	return badParameter(option, fmt.Sprintf("value '%s' does not have a value in the enumeration '%s'", value, strings.Join(allowed, ", ")))
}

func sumOf(algorithm string, data []byte) string {
	switch algorithm {
	case "md5":
		return fmt.Sprintf("%x", md5.Sum(data))
	case "sha1":
		return fmt.Sprintf("%x", sha1.Sum(data))
	case "sha224":
		return fmt.Sprintf("%x", sha256.Sum224(data))
	case "sha256":
		return fmt.Sprintf("%x", sha256.Sum256(data))
	case "sha384":
		return fmt.Sprintf("%x", sha512.Sum384(data))
	case "sha512":
		return fmt.Sprintf("%x", sha512.Sum512(data))
	}
	return ""
}

// contents lists a storage's images; other contents are not looked at.
func (c *call) contents(node, storageName string) (any, *apiError) {
	if err := c.s.check(c.user, "/storage/"+storageName, "Datastore.Audit"); err != nil {
		return nil, err
	}
	out := []any{}
	files := c.s.filesOf(node, storageName)
	for _, volume := range slices.Sorted(maps.Keys(files)) {
		content, _, _ := strings.Cut(volume, "/")
		if want := c.form.Get("content"); want == "" || want == content {
			f := files[volume]
			out = append(out, map[string]any{"volid": storageName + ":" + volume, "content": content, "format": formatOf(volume), "size": len(f.data), "ctime": f.since.Unix()})
		}
	}
	return out, nil
}

// removeContent deletes an image.
func (c *call) removeContent(node, storageName, volume string) (any, *apiError) {
	if !c.s.may(c.user, "/storage/"+storageName, "Datastore.AllocateTemplate") {
		if err := c.s.check(c.user, "/storage/"+storageName, "Datastore.Allocate"); err != nil {
			return nil, err
		}
	}
	files, volume := c.s.filesOf(node, storageName), strings.TrimPrefix(volume, storageName+":")
	if _, found := files[volume]; !found {
		return nil, fail(500, "volume '%s:%s' does not exist", storageName, volume)
	}
	return c.s.startTask(node, "imgdel", storageName+"@"+volume, strings.ReplaceAll(c.user, "!", "%21"), c.fault, func() error { delete(files, volume); return nil }, func() {}), nil
}

// image is the one that a disk is imported from: a volume, or, for root alone, a path.
func (c *call) image(node, source string) (file, *apiError) {
	if strings.HasPrefix(source, "/") {
		if c.user != RootUser {
			return file{}, fail(403, "Only root can pass arbitrary filesystem paths.")
		}
		for name := range c.s.storages {
			for volume, f := range c.s.filesOf(node, name) {
				if pathOf(name, volume) == source {
					return f, nil
				}
			}
		}
		return file{}, fail(500, "volume '%s' does not exist", source)
	}
	storageName, volume, _ := strings.Cut(source, ":")
	if c.s.storages[storageName] == nil {
		return file{}, fail(500, "storage '%s' does not exist", storageName)
	}
	f, found := c.s.filesOf(node, storageName)[volume]
	switch content, _, _ := strings.Cut(volume, "/"); {
	case !found:
		return file{}, fail(500, "volume '%s' does not exist", source)
	case content != "import" && content != "images":
		return file{}, fail(500, "cannot import from '%s' - must be of type 'images' or 'import'", source)
	}
	return f, nil
}

// virtualSize is how large a disk an image makes: qcow2 says so itself.
func (f file) virtualSize() int64 {
	if len(f.data) >= 32 && string(f.data[:4]) == "QFI\xfb" {
		return int64(binary.BigEndian.Uint64(f.data[24:32]))
	}
	return (int64(len(f.data)) + 1<<20 - 1) >> 20 << 20
}

// create makes a VM without a template.
func (c *call) create(node string) (any, *apiError) {
	s, id := c.s, atoi(c.form.Get("vmid"))
	if id < 100 || id > 999_999_999 {
		return nil, badParameter("vmid", "invalid format - value does not look like a valid VM ID")
	}
	pool := c.form.Get("pool")
	if !s.may(c.user, vmPath(id), "VM.Allocate") && (pool == "" || !s.may(c.user, "/pool/"+pool, "VM.Allocate")) {
		return nil, fail(403, "Permission check failed (%s, VM.Allocate)", vmPath(id))
	}
	if _, known := s.pools[pool]; pool != "" && !known {
		return nil, fail(500, "pool '%s' does not exist", pool)
	}
	if s.vms[id] != nil {
		return nil, fail(500, "unable to create VM %d: config file already exists", id)
	}
	v := &vm{id: id, node: node, pool: pool, config: map[string]string{
		"smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", id), "vmgenid": fmt.Sprintf("00000000-0000-4000-9000-%012d", id), "meta": "creation-qemu=9.2.0,ctime=1735689600",
	}}
	for _, key := range slices.Sorted(maps.Keys(c.form)) {
		if slices.Contains(notOptions, key) {
			continue
		}
		value, err := c.normalise(v, key, c.form.Get(key))
		if err == nil {
			err = c.mayChange(v, key, value)
		}
		if err == nil {
			err = c.mayAllocate(key, c.form.Get(key))
		}
		if err != nil {
			return nil, err
		}
		v.config[key] = value
	}
	s.vms[id] = v
	return c.task(v, "qmcreate", func() error { return nil }), nil
}

// notOptions are what making a VM takes besides the VM's own options.
var notOptions = []string{"vmid", "pool", "storage", "start", "unique", "force", "archive", "bwlimit", "live-restore", "import-working-storage"}

// mayAllocate asks for the right to make a disk, where a value makes one.
func (c *call) mayAllocate(key, value string) *apiError {
	_, options := list(value, "file")
	storageName, volume, _ := strings.Cut(options["file"], ":")
	if !isDrive(key) || atoi(volume) == 0 {
		return nil
	}
	return c.s.check(c.user, "/storage/"+storageName, "Datastore.AllocateSpace")
}

// becomeTemplate converts a VM.
func (c *call) becomeTemplate(v *vm) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.Allocate"); err != nil {
		return nil, err
	}
	switch {
	case v.template:
		return nil, fail(500, "you can't convert a template to a template")
	case c.s.driver.Running(v.id):
		return nil, fail(500, "you can't convert a VM to template if VM is running")
	}
	return c.task(v, "qmtemplate", func() error {
		for key, value := range v.config {
			if isDrive(key) && !strings.Contains(value, "cloudinit") {
				v.config[key] = strings.Replace(value, fmt.Sprintf(":vm-%d-", v.id), fmt.Sprintf(":base-%d-", v.id), 1)
			}
		}
		v.template, v.config["template"] = true, "1"
		return nil
	}), nil
}

// HostCall is a call at a host's own shell, by root.
type HostCall struct {
	Method string            `json:"method"`
	Path   string            `json:"path"` // below /api2/json
	Form   map[string]string `json:"form"`
}

// host makes such a call and waits for its task.
func (s *Server) host(h HostCall) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{s: s, user: RootUser, method: h.Method, path: strings.Split(strings.Trim(h.Path, "/"), "/"), form: map[string][]string{}, fault: s.match(h.Method, "/"+strings.Trim(h.Path, "/"))}
	if c.fault != nil && c.fault.Status != 0 {
		return nil, fmt.Errorf("%s", c.fault.Message)
	}
	for key, value := range h.Form {
		c.form.Set(key, value)
	}
	s.log = append(s.log, Request{Time: time.Now(), Method: h.Method, Path: h.Path, Form: c.form.Encode(), Status: http.StatusOK, Reason: "at the host's shell"})
	data, err := c.route()
	if err != nil {
		return nil, fmt.Errorf("%s", err.atShell())
	}
	upid, isTask := data.(string)
	t := s.tasks[taskKey(upid)]
	if !isTask || t == nil {
		return data, nil
	}
	for t.exit == "" {
		s.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		s.mu.Lock()
	}
	if t.exit != "OK" {
		return nil, fmt.Errorf("%s", t.exit)
	}
	return nil, nil
}
