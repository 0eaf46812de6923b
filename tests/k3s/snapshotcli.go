package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

const snapshotTimeout = 2 * time.Minute // and S3's, if that is used

// snapshotCommand is k3s etcd-snapshot: it has the server do it.
type snapshotCommand struct {
	o       *options
	format  string
	args    []string
	request snapshotRequest
}

// runSnapshot is the command line of k3s etcd-snapshot.
func runSnapshot(ctx context.Context, args []string) error {
	verbs := map[string]func(ctx context.Context, c *snapshotCommand) error{
		"save": saveSnapshot, "delete": deleteSnapshots, "ls": listSnapshots, "list": listSnapshots, "l": listSnapshots, "prune": pruneSnapshots,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return errors.New("usage: k3s etcd-snapshot save|delete|ls|prune [options]")
	}
	c, err := newSnapshotCommand(args[0], args[1:])
	if err != nil {
		return err
	}
	return verbs[args[0]](ctx, c)
}

// newSnapshotCommand reads options from the command line and, where that has none, from k3s' configuration: those that the command knows,
// under the names that k3s server has for them.
func newSnapshotCommand(verb string, args []string) (*snapshotCommand, error) {
	flags := snapshotFlags(verb)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o := &options{mode: "etcd-snapshot", values: map[string][]string{}}
	if err := o.readFiles(configFile(nil)); err != nil {
		return nil, err
	}
	known := func(key string) bool { return key != "output" && flags.Lookup(key) != nil }
	for key, values := range o.values {
		delete(o.values, key)
		if known(key) {
			o.values[string(shortSnapshotFlag(nil, key))] = values
		}
	}
	flags.Visit(func(f *pflag.Flag) { o.values[f.Name] = []string{f.Value.String()} })
	for _, name := range snapshotOptions { // as the server calls them
		if short := string(shortSnapshotFlag(nil, name)); short != name && len(o.values[short]) > 0 {
			o.values[name] = o.values[short]
		}
	}
	format, _ := flags.GetString("output") // ls alone has it
	c := &snapshotCommand{o: o, args: flags.Args(), format: format}
	return c, c.prepare()
}

// shortSnapshotFlag: each option has a name of its own here and the one of k3s server.
func shortSnapshotFlag(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch {
	case name == "etcd-snapshot-dir":
		return "dir"
	case strings.HasPrefix(name, "etcd-snapshot-"), name == "etcd-s3", strings.HasPrefix(name, "etcd-s3-"):
		return pflag.NormalizedName(strings.TrimPrefix(name, "etcd-"))
	}
	return pflag.NormalizedName(name)
}

func snapshotFlags(verb string) *pflag.FlagSet {
	flags := pflag.NewFlagSet("etcd-snapshot "+verb, pflag.ContinueOnError)
	flags.SetNormalizeFunc(shortSnapshotFlag)
	for _, name := range []string{"debug", "snapshot-compress", "s3", "s3-skip-ssl-verify", "s3-insecure"} {
		flags.Bool(name, false, "")
	}
	for _, name := range []string{
		"node-name", "data-dir", "dir", "name", "snapshot-retention", "s3-endpoint", "s3-endpoint-ca", "s3-access-key", "s3-secret-key", "s3-session-token", "s3-bucket",
		"s3-bucket-lookup-type", "s3-region", "s3-folder", "s3-proxy", "s3-timeout", "s3-retention",
	} {
		flags.String(name, "", "")
	}
	flags.StringP("etcd-token", "t", "", "")
	flags.StringP("etcd-server", "s", "", "")
	if verb == "ls" || verb == "list" || verb == "l" {
		flags.StringP("output", "o", "", "")
	}
	return flags
}

// prepare fills in what the operations have in common. What nobody gave stays the server's.
func (c *snapshotCommand) prepare() error {
	if c.o.get("snapshot-compress", "") != "" {
		compress := c.o.is("snapshot-compress")
		c.request.Compress = &compress
	}
	if dir := c.o.get("dir", ""); dir != "" {
		c.request.Dir = &dir
	}
	retention, err := c.o.number("snapshot-retention", defaultRetention)
	if err != nil {
		return err
	}
	if c.o.get("snapshot-retention", "") != "" {
		c.request.Retention = &retention
	}
	if c.o.is("s3") {
		c.request.S3, err = c.o.s3(retention)
	}
	return err
}

// name is the base of snapshots' names: on demand they have one of their own.
func (c *snapshotCommand) name() []string { return []string{c.o.get("name", "on-demand")} }

// post has the server carry the request out.
func (c *snapshotCommand) post(ctx context.Context, operation string, into any) error {
	c.request.Operation = operation
	token := c.o.get("etcd-token", "")
	if token == "" {
		data, err := os.ReadFile(filepath.Join(c.o.dataDir(), "server", "token"))
		if err != nil {
			return err
		}
		token = strings.TrimRight(string(data), "\n")
	}
	server, err := connect(ctx, c.o.get("etcd-server", "https://127.0.0.1:6443"), token)
	if err != nil {
		return err
	}
	server.client.Timeout = snapshotTimeout
	if c.request.S3 != nil {
		server.client.Timeout += c.request.S3.Timeout.Duration
	}
	body, err := json.Marshal(c.request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.url+"/db/snapshot", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth("server", server.password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := server.client.Do(req)
	if err != nil {
		return fmt.Errorf("see server log for details: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("see server log for details: %s: %s", req.URL, resp.Status)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func saveSnapshot(ctx context.Context, c *snapshotCommand) error {
	if len(c.args) > 0 {
		return errors.New("this command does not take any arguments")
	}
	none := 0 // prune does that
	c.request.Name, c.request.Retention = c.name(), &none
	if c.request.S3 != nil {
		c.request.S3.Retention = 0
	}
	var result snapshotResult
	if err := c.post(ctx, "save", &result); err != nil {
		return err
	}
	for _, name := range result.Created {
		logf("Snapshot %s saved.", name)
	}
	return nil
}

func deleteSnapshots(ctx context.Context, c *snapshotCommand) error {
	if len(c.args) == 0 {
		return errors.New("no snapshots given for removal")
	}
	c.request.Name = c.args
	var result snapshotResult
	if err := c.post(ctx, "delete", &result); err != nil {
		return err
	}
	for _, name := range result.Deleted {
		logf("Snapshot %s deleted.", name)
	}
	for _, name := range c.args {
		if !slices.Contains(result.Deleted, name) {
			warnf("Snapshot %s not found.", name)
		}
	}
	return nil
}

func pruneSnapshots(ctx context.Context, c *snapshotCommand) error {
	c.request.Name = c.name()
	var result snapshotResult
	if err := c.post(ctx, "prune", &result); err != nil {
		return err
	}
	for _, name := range result.Deleted {
		logf("Snapshot %s deleted.", name)
	}
	return nil
}

func listSnapshots(ctx context.Context, c *snapshotCommand) error {
	if !slices.Contains([]string{"", "json", "yaml", "table"}, c.format) {
		return errors.New("invalid output format: " + c.format)
	}
	var list snapshotList
	if err := c.post(ctx, "list", &list); err != nil {
		return err
	}
	sort.Slice(list.Items, func(i, j int) bool {
		a, b := list.Items[i], list.Items[j]
		if a.Status.CreationTime.Equal(b.Status.CreationTime) {
			return a.Spec.SnapshotName < b.Spec.SnapshotName
		}
		return a.Status.CreationTime.Before(b.Status.CreationTime)
	})
	switch c.format {
	case "json":
		data, err := json.MarshalIndent(list, "", "    ")
		fmt.Println(string(data))
		return err
	case "yaml":
		data, err := yaml.Marshal(list)
		fmt.Print(string(data))
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "Name\tLocation\tSize\tCreated\n")
	for _, file := range list.Items {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", file.Spec.SnapshotName, file.Spec.Location, file.Status.Size.Value(), file.Status.CreationTime.Format(time.RFC3339))
	}
	return w.Flush()
}
