// Package pve emulates the part of the Proxmox VE API that cloning, configuring, running and deleting VMs takes, with
// the wire behaviour of Proxmox VE 9: reason phrases, tasks, locks, pending values, privileges. What happens to a
// guest is a Driver's business.
package pve

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Driver runs guests. The null driver runs none.
type Driver interface {
	// Start boots a guest with the seed that Proxmox VE would have put on its cloud-init drive.
	Start(vm Guest) error
	// Stop ends a guest at once; nil if it does not run.
	Stop(id int) error
	// Shutdown asks a guest to end itself, as by ACPI; true when it has within the time.
	Shutdown(id int, within time.Duration) bool
	// Plug gives a running guest its disks.
	Plug(id int, disks map[string]Disk) error
	// Running says whether a guest's power is on; it can go off by itself.
	Running(id int) bool
	// Delete removes what a guest left behind.
	Delete(id int) error
}

// Disk is a disk that starts blank.
type Disk struct {
	Serial string
	Size   int64 // bytes
}

// Guest is a VM as its driver sees it.
type Guest struct {
	ID     int
	Name   string
	MAC    string
	Memory int
	Cores  int
	Bridge string
	VLAN   int
	// Firewall puts the guest behind a bridge of its own, as Proxmox VE does for its rules.
	Firewall bool
	Network  NetworkSeed
	User     UserSeed
	Disks    map[string]Disk // besides the first, by their interface
	// InstanceID changes when user or network settings change, the MAC among them, as Proxmox VE makes it.
	InstanceID string
}

// NetworkSeed is ipconfig0, nameserver and searchdomain.
type NetworkSeed struct {
	Address, Gateway, Domain string
	DNS                      []string
}

// UserSeed is ciuser, sshkeys and ciupgrade.
type UserSeed struct {
	Name    string
	Keys    []string
	Upgrade bool
}

// Null is the driver without guests: it only remembers which would run.
type Null struct{ on map[int]bool }

// NewNull is a driver without guests.
func NewNull() Null { return Null{on: map[int]bool{}} }

// Start notes that the guest would run.
func (n Null) Start(vm Guest) error { n.on[vm.ID] = true; return nil }

// Stop notes that it would not.
func (n Null) Stop(id int) error { delete(n.on, id); return nil }

// Plug does nothing.
func (Null) Plug(int, map[string]Disk) error { return nil }

// Shutdown is like Stop for guests that are not there.
func (n Null) Shutdown(id int, _ time.Duration) bool { delete(n.on, id); return true }

// Running says what was noted.
func (n Null) Running(id int) bool { return n.on[id] }

// Delete does nothing.
func (Null) Delete(int) error { return nil }

type vm struct {
	id       int
	node     string
	config   map[string]string // what GET config shows, pending values included
	running  map[string]string // what the running guest was started with
	lock     string
	template bool
	pool     string
	since    time.Time
}

func (v *vm) name() string { return v.config["name"] }

// Server is the whole installation: nodes, storages, VMs, tasks, users.
type Server struct {
	mu       sync.Mutex
	driver   Driver
	nodes    []string
	offline  map[string]bool
	storages map[string]*storage
	vms      map[int]*vm
	pools    map[string]string // id to comment
	tasks    map[string]*task
	tokens   map[string]*Token
	agents   map[int]bool // VMs whose guest agent answers
	deaf     map[int]bool // VMs that ignore ACPI
	bridges  map[string]bool
	memory   int // MiB of each node
	cores    int // of each node
	faults   []*Fault
	log      []Request
	pid      int
	instant  bool                       // tasks take no time
	files    map[string]map[string]file // on storages

	// Fetch gets what a storage is to download; without it nothing can be reached.
	Fetch func(url string) ([]byte, error)
}

type storage struct {
	shared  bool
	full    bool
	content string
	slow    time.Duration // what a task that copies a disk takes
}

// Token is an API token: its secret and what it may do where.
type Token struct {
	Secret string
	ACL    []ACL
}

// ACL gives privileges on a path and below.
type ACL struct {
	Path       string   `json:"path"`
	Privileges []string `json:"privileges"`
}

// Request is one line of the request log.
type Request struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Form   string    `json:"form"`
	Status int       `json:"status"`
	Reason string    `json:"reason,omitempty"` // of a refusal
}

// New is an installation of three nodes with the templates 9000 to 9002 and a token that may do everything.
func New(driver Driver) *Server {
	s := &Server{
		driver: driver, nodes: []string{"pve1", "pve2", "pve3"}, offline: map[string]bool{},
		storages: map[string]*storage{
			"local":     {content: "iso,vztmpl,backup"},
			"local-lvm": {content: "images,rootdir", slow: 1500 * time.Millisecond},
			"ceph":      {content: "images", shared: true, slow: 2500 * time.Millisecond},
		},
		deaf: map[int]bool{}, bridges: map[string]bool{"vmbr0": true, "vmbr1": true}, memory: 65536, cores: 32,
		vms: map[int]*vm{}, pools: map[string]string{"k3s": ""}, agents: map[int]bool{}, files: map[string]map[string]file{}, tasks: map[string]*task{}, tokens: map[string]*Token{},
		pid: 1000,
	}
	s.tokens["root@pam!lab"] = &Token{Secret: "00000000-0000-0000-0000-000000000000", ACL: []ACL{{Path: "/", Privileges: []string{"*"}}}}
	s.addTemplate(9000, "ide2", ",discard=on,iothread=1,size=3584M,ssd=1")
	s.addTemplate(9001, "ide1", ",size=3584M") // as made by: qm set --ide1 local-lvm:cloudinit --vga serial0 --scsihw virtio-scsi-pci, and no other option
	s.addTemplate(9002, "ide2", ",aio=native,cache=writeback,discard=on,iothread=1,size=3584M,ssd=1")
	s.vms[9002].config["searchdomain"], s.vms[9002].config["nameserver"] = "lan.example.org", "192.168.1.1"
	return s
}

// addTemplate adds an Ubuntu cloud image: virtio-scsi disk with some options, cloud-init drive, serial console, no guest agent.
func (s *Server) addTemplate(id int, cloudInit, diskOptions string) {
	s.vms[id] = &vm{id: id, node: "pve1", template: true, config: map[string]string{
		"name": fmt.Sprintf("ubuntu-2404-%d", id), "boot": "order=scsi0", "cores": "1", "sockets": "1", "cpu": "x86-64-v2-AES", "memory": "1024",
		"ostype": "l26", "scsihw": "virtio-scsi-pci", "serial0": "socket", "vga": "serial0", "template": "1",
		"scsi0":   fmt.Sprintf("local-lvm:base-%d-disk-0%s", id, diskOptions),
		cloudInit: fmt.Sprintf("local-lvm:vm-%d-cloudinit,media=cdrom", id),
		"net0":    fmt.Sprintf("virtio=BC:24:11:00:%02X:%02X,bridge=vmbr0", id>>8&0xff, id&0xff),
		"meta":    "creation-qemu=9.2.0,ctime=1735689600", "smbios1": "uuid=2f6b2b0c-0000-4000-8000-000000009000",
		"vmgenid": "0b5a33a5-0000-4000-8000-000000009000", "agent": "0",
	}}
}

// list parses a comma-joined value as tolerantly as Proxmox VE does: empty parts are skipped. A part without "=" gets
// the default key.
func list(value, defaultKey string) (keys []string, m map[string]string) {
	m = map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		if part == "" {
			continue
		}
		key, val, found := strings.Cut(part, "=")
		if !found {
			key, val = defaultKey, part
		}
		keys = append(keys, key)
		m[key] = val
	}
	return keys, m
}
