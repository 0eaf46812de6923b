package resources

import (
	"net"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// A machine that is there is what it says of itself: met by the key that is given, or by the one that it shows first; one that was installed anew
// is another one, whose key is taken only where none is given.
func TestExistingMachine(t *testing.T) {
	t.Parallel()
	bundle := pki.Bundle{Authorities: pki.Authorities{Server: pki.Pair{Key: "CA"}}}
	signer := func(of string) (ssh.Signer, string) {
		s, err := ssh.ParsePrivateKey([]byte(bundle.HostKey(of).Private))
		if err != nil {
			t.Fatal(err)
		}
		return s, bundle.HostKey(of).Public
	}
	own, ownKey := signer("own")
	anew, anewKey := signer("anew")
	listens := func(key ssh.Signer, says string) (int, *[]string) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		var sent []string
		go serveSSH(listener, key, func(script string) string { sent = append(sent, script); return says })
		return listener.Addr().(*net.TCPAddr).Port, &sent
	}
	e := ExistingMachine{&Config{access: &Access{Cluster: "k3s", User: "ubuntu", Port: 22, PrivateKey: bundle.HostKey("user").Private}}}
	port, sent := listens(own, "0123 amd64 "+ownKey+"\n")
	in := ExistingMachineArgs{Node: "k3s-server-01", Role: "server", Address: "127.0.0.1", Port: port}
	met, err := e.Create(t.Context(), infer.CreateRequest[ExistingMachineArgs]{Inputs: in})
	want := ExistingMachineState{Node: "k3s-server-01", Role: "server", Address: "127.0.0.1", Port: port, HostKey: ownKey, MachineID: "0123", Architecture: "amd64", Meeting: met.Output.Meeting, Met: true}
	if err != nil || met.Output != want {
		t.Fatalf("%+v (%v)", met.Output, err)
	}
	if len(*sent) != 1 || !strings.Contains((*sent)[0], "CLUSTER='k3s'\n") {
		t.Errorf("it was sent %q", *sent)
	}
	in.HostKey = anewKey
	if _, err := e.Create(t.Context(), infer.CreateRequest[ExistingMachineArgs]{Inputs: in}); err == nil || !strings.Contains(err.Error(), "k3s-server-01: meet: its host key is ssh-ed25519 ") {
		t.Errorf("another key than the one that is given: %v", err)
	}

	other, _ := listens(anew, "4567 arm64 "+anewKey+"\n")
	same, _ := listens(own, "0123 amd64 "+ownKey+"\n")
	for name, c := range map[string]struct {
		port    int
		given   string
		machine string
		met     bool
	}{
		"the same":                          {same, "", "0123", true},
		"the same, by its key":              {same, ownKey, "0123", true},
		"installed anew":                    {other, "", "4567", false},
		"installed anew, by its former key": {other, ownKey, "0123", false}, // who gives a key has to give the new one
		"away":                              {1, "", "0123", true},
	} {
		was := met.Output
		was.Port, was.Given = c.port, c.given
		got, err := e.Read(t.Context(), infer.ReadRequest[ExistingMachineArgs, ExistingMachineState]{ID: "k3s-server-01", State: was})
		if err != nil || got.ID == "" || got.State.MachineID != c.machine || got.State.Met != c.met || got.State.Meeting != was.Meeting {
			t.Errorf("%s: %q %+v (%v)", name, got.ID, got.State, err)
		}
		diff, err := e.Diff(t.Context(), infer.DiffRequest[ExistingMachineArgs, ExistingMachineState]{Inputs: ExistingMachineArgs{Address: was.Address, Port: c.port, HostKey: c.given}, State: got.State})
		if err != nil || diff.HasChanges == c.met {
			t.Errorf("%s: then %+v (%v)", name, diff, err)
		}
	}

	for name, c := range map[string]struct {
		in      ExistingMachineArgs
		changed string
	}{
		"nothing":             {ExistingMachineArgs{Address: "127.0.0.1", Port: port}, ""},
		"its key is given":    {ExistingMachineArgs{Address: "127.0.0.1", Port: port, HostKey: ownKey}, "hostKey"},
		"another key":         {ExistingMachineArgs{Address: "127.0.0.1", Port: port, HostKey: anewKey}, "hostKey"},
		"another address":     {ExistingMachineArgs{Address: "127.0.0.2", Port: port}, "address"},
		"another port":        {ExistingMachineArgs{Address: "127.0.0.1", Port: 2222}, "port"},
		"it is to be kept so": {ExistingMachineArgs{Address: "127.0.0.1", Port: port, Keep: true}, "keep"},
	} {
		diff, err := e.Diff(t.Context(), infer.DiffRequest[ExistingMachineArgs, ExistingMachineState]{Inputs: c.in, State: met.Output})
		_, found := diff.DetailedDiff[c.changed]
		if err != nil || diff.HasChanges != (c.changed != "") || found != (c.changed != "") || diff.DeleteBeforeReplace || found && diff.DetailedDiff[c.changed].Kind != p.Update {
			t.Errorf("%s: %+v (%v)", name, diff, err)
		}
	}

	// It leaves: by the key that it was met with. One that cannot be reached keeps what is on it.
	gone, left := listens(own, "")
	was := met.Output
	was.Port = gone
	if _, err := e.Delete(t.Context(), infer.DeleteRequest[ExistingMachineState]{State: was}); err != nil || len(*left) != 1 || !strings.Contains((*left)[0], "MACHINE_ID='0123'\nMEETING='"+was.Meeting+"'\nKEEP=''\n") {
		t.Errorf("%v, sent %q", err, *left)
	}
}
