package component

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// CheckInputs finds everything that is wrong with inputs as they came over the wire, in one list: their shape, their values, and
// the keys, tokens and ids that are known already. What has the wrong shape is left out of the look at values.
func CheckInputs(inputs resource.PropertyMap) (K3sHaClusterArgs, []topology.Problem) {
	var args K3sHaClusterArgs
	problems := checked(inputs, &args)
	if p, given := inputs["proxmox"]; given && !p.IsNull() && args.Proxmox == nil {
		args.Proxmox = &ProxmoxArgs{} // of the wrong shape, but meant: there are VMs
	}
	return args, withoutFollowing(problems, slices.Concat(args.problems(), knownSecrets(inputs), knownLeaves(args, inputs)))
}

// checked fills a component's args with what has the right shape, and says what has not.
func checked[Args any](inputs resource.PropertyMap, args *Args) []topology.Problem {
	problems := checkShape(inputs, reflect.TypeFor[Args]())
	decode(resource.NewObjectProperty(inputs), reflect.ValueOf(args).Elem())
	return problems
}

// withoutFollowing adds findings to those of the shape, but for those that only follow from them.
func withoutFollowing(problems, more []topology.Problem) []topology.Problem {
	for _, p := range more {
		if !follows(p.Path, problems) {
			problems = append(problems, p)
		}
	}
	return problems
}

// follows says whether a finding only follows from another: it is about the same property, a part of it, or the list that it is in.
func follows(path string, from []topology.Problem) bool {
	for _, p := range from {
		rest, found := strings.CutPrefix(path, p.Path)
		if found && (rest == "" || rest[0] == '.' || rest[0] == '[') || strings.HasPrefix(p.Path, path+"[") {
			return true
		}
	}
	return false
}

// decode copies plain values of the right type, and leaves out all others. Of an input that may be unknown it only keeps that it was
// given, and the value if that is a number.
func decode(v resource.PropertyValue, to reflect.Value) {
	v, known := plain(v)
	if v.IsNull() && known {
		return
	}
	if to.Type().Implements(InputType) {
		switch {
		case to.Type() == reflect.TypeFor[pulumi.StringInput]():
			to.Set(reflect.ValueOf(pulumi.String("")))
		case to.Type() == reflect.TypeFor[pulumi.StringArrayInput]():
			to.Set(reflect.ValueOf(pulumi.StringArray{}))
		case known && v.IsNumber():
			to.Set(reflect.ValueOf(pulumi.Int(int(v.NumberValue()))))
		default:
			to.Set(reflect.ValueOf(pulumi.Int(0).ToIntOutput()))
		}
		return
	}
	if !known {
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		inner := reflect.New(to.Type().Elem())
		decode(v, inner.Elem())
		to.Set(inner)
	case reflect.Struct:
		if !v.IsObject() {
			return
		}
		for i := range to.NumField() {
			name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("pulumi"), ",")
			if item, found := v.ObjectValue()[resource.PropertyKey(name)]; found {
				decode(item, to.Field(i))
			}
		}
	case reflect.Map:
		if !v.IsObject() {
			return
		}
		to.Set(reflect.MakeMap(to.Type()))
		for key, item := range v.ObjectValue() {
			inner := reflect.New(to.Type().Elem()).Elem()
			decode(item, inner)
			to.SetMapIndex(reflect.ValueOf(string(key)), inner)
		}
	case reflect.Slice:
		if !v.IsArray() {
			return
		}
		to.Set(reflect.MakeSlice(to.Type(), len(v.ArrayValue()), len(v.ArrayValue())))
		for i, item := range v.ArrayValue() {
			decode(item, to.Index(i))
		}
	default:
		decodeScalar(v, to)
	}
}

func decodeScalar(v resource.PropertyValue, to reflect.Value) {
	switch {
	case to.Kind() == reflect.Interface:
		to.Set(reflect.ValueOf(v.Mappable()))
	case to.Kind() == reflect.String && v.IsString():
		to.SetString(v.StringValue())
	case to.Kind() == reflect.Bool && v.IsBool():
		to.SetBool(v.BoolValue())
	case to.Kind() == reflect.Int && v.IsNumber() && v.NumberValue() == math.Trunc(v.NumberValue()):
		to.SetInt(int64(v.NumberValue()))
	case to.Kind() == reflect.Float64 && v.IsNumber():
		to.SetFloat(v.NumberValue())
	}
}

// plain takes marks of secrets and outputs off a value; known is false where there is no value yet.
func plain(v resource.PropertyValue) (value resource.PropertyValue, known bool) {
	for {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case v.IsOutput():
			if !v.OutputValue().Known {
				return resource.NewNullProperty(), false
			}
			v = v.OutputValue().Element
		case v.IsComputed():
			return resource.NewNullProperty(), false
		default:
			return v, true
		}
	}
}

// problems are what is wrong with the args' plain values.
func (a K3sHaClusterArgs) problems() []topology.Problem {
	problems := topology.Validate(a.Spec())
	if a.Proxmox != nil && a.Proxmox.TemplateID == nil {
		problems = append(problems, topology.Problem{Path: "proxmox.templateId", Reason: "is missing; give the VM id of the template to clone, like 9000"})
	}
	spec := a.Spec()
	if first := strconv.Itoa(spec.Servers.First); spec.Servers.Nodes[first].Adopt {
		for _, input := range []struct {
			name  string
			given bool
		}{{"token", a.K3s.Token != nil}, {"agentToken", a.K3s.AgentToken != nil}, {"recoveryBundle", a.K3s.RecoveryBundle != nil}} {
			if input.given {
				problems = append(problems, topology.Problem{Path: "k3s." + input.name, Reason: "is brought by the machine of servers.nodes." + first + " (adopt); leave it out"})
			}
		}
	}
	for _, n := range spec.Nodes() {
		if n.Existing && n.HostKey != "" {
			if reason := hostKeyProblem(n.HostKey); reason != "" {
				problems = append(problems, topology.Problem{Path: fmt.Sprintf("%s.nodes.%d.hostKey", n.Path, n.Slot), Reason: reason})
			}
		}
	}
	return problems
}

// knownSecrets looks at keys and tokens as far as they are known. No message quotes any.
func knownSecrets(inputs resource.PropertyMap) []topology.Problem {
	var out []topology.Problem
	note := func(path, reason string) {
		if reason != "" {
			out = append(out, topology.Problem{Path: path, Reason: reason})
		}
	}
	ssh, k3s := object(inputs["ssh"]), object(inputs["k3s"])
	bastion := object(ssh["bastion"])
	if key, given := knownText(ssh["privateKey"]); given {
		out = append(out, keyProblems(key, ssh["publicKeys"])...)
	}
	if key, given := knownText(bastion["privateKey"]); given {
		_, reason := readPrivateKey(key)
		note("ssh.bastion.privateKey", reason)
	}
	if key, given := knownText(bastion["hostKey"]); given {
		note("ssh.bastion.hostKey", hostKeyProblem(key))
	}
	if token, given := knownText(object(object(inputs["proxmox"])["api"])["apiToken"]); given && !apiToken.MatchString(token) {
		note("proxmox.api.apiToken", "is not a token of Proxmox VE; write it as user@realm!name=secret, the last part as Proxmox VE has shown it once")
	}
	for _, name := range []string{"token", "agentToken"} {
		if token, given := knownText(k3s[resource.PropertyKey(name)]); given {
			note("k3s."+name, resources.TokenProblem(token))
		}
	}
	if bundle, given := knownText(k3s["recoveryBundle"]); given {
		name, _ := knownText(inputs["clusterName"])
		note("k3s.recoveryBundle", resources.BundleProblem(bundle, name))
	}
	if bundle, known := plain(k3s["recoveryBundle"]); !known || !bundle.IsNull() { // also one that is not known yet
		for _, key := range []resource.PropertyKey{"token", "agentToken"} {
			if _, both := k3s[key]; both {
				note("k3s."+string(key), "is in k3s.recoveryBundle already; leave it out")
			}
		}
	}
	server, given := knownText(k3s["token"])
	if agent, both := knownText(k3s["agentToken"]); given && both && agent == server && agent != "" {
		note("k3s.agentToken", "is the same as k3s.token, so every worker could become a server; give each its own, or leave both out")
	}
	return out
}

// apiToken is Proxmox VE's own way to write one.
var apiToken = regexp.MustCompile(`^[^\s@!=]+@[^\s@!=]+![^\s@!=]+=[^\s=]+$`)

func object(v resource.PropertyValue) resource.PropertyMap {
	if v, known := plain(v); known && v.IsObject() {
		return v.ObjectValue()
	}
	return nil
}

func knownText(v resource.PropertyValue) (text string, given bool) {
	v, known := plain(v)
	if !known || !v.IsString() {
		return "", false
	}
	return v.StringValue(), true
}

// keyProblems looks at the nodes' key, and at the public keys if all of them are known.
func keyProblems(private string, public resource.PropertyValue) []topology.Problem {
	signer, reason := readPrivateKey(private)
	if reason != "" {
		return []topology.Problem{{Path: "ssh.privateKey", Reason: reason}}
	}
	list, known := plain(public)
	if !known || !list.IsArray() {
		return nil
	}
	var keys []string
	for _, item := range list.ArrayValue() {
		text, given := knownText(item)
		if !given {
			return nil
		}
		keys = append(keys, text)
	}
	_, problems := authorizedKeys(signer, keys)
	return problems
}

// maxProblems is how many are shown: who has more mends these first.
const maxProblems = 20

// ProblemsError is all problems in one error: each line has the property, what is wrong, what would be right.
func ProblemsError(name string, problems []topology.Problem) error {
	return ProblemsOf("K3sHaCluster", name, problems)
}

// ProblemsOf is the same for a component of any kind.
func ProblemsOf(kind, name string, problems []topology.Problem) error {
	noun := "problems"
	if len(problems) == 1 {
		noun = "problem"
	}
	var lines strings.Builder
	for i, p := range problems {
		if i == maxProblems {
			fmt.Fprintf(&lines, "\n  ... and %d more", len(problems)-maxProblems)
			break
		}
		lines.WriteString("\n  " + p.String())
	}
	return fmt.Errorf("%s %q has %d %s:%s", kind, name, len(problems), noun, lines.String())
}
