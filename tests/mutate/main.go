// Command mutate breaks the code in one line after the other, each time in a copy of the repository, and sees whether a test notices.
//
//	mutate            the fast tests must go red for each mutation of list.txt
//	mutate -e2e       and the end-to-end tests that are named there (needs what make build has made, and root)
//	mutate -only TEXT those whose file or reason has the text
//
// A mutation in list.txt is: its file, why it would hurt, the text as it is, the text that takes its place, and, where only a lab can
// notice, the end-to-end test.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

type mutation struct{ file, why, old, changed, test string }

func main() {
	e2e := flag.Bool("e2e", false, "run the end-to-end tests that are named, too")
	only := flag.String("only", "", "mutations whose file or reason has this text")
	flag.Parse()
	if err := run(*e2e, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(e2e bool, only string) error {
	list, err := read("tests/mutate/list.txt")
	if err != nil {
		return err
	}
	if len(list) < 40 {
		return fmt.Errorf("only %d mutations", len(list))
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("sh", "-c", `git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("copying: %w: %s", err, out)
	}
	if out, err := fast(dir, "./provider/...", "./tests/"); err != nil {
		return fmt.Errorf("the tests fail without any mutation: %w\n%s", err, out)
	}
	seen, survived, skipped := 0, []string{}, 0
	for _, m := range list {
		if !strings.Contains(m.file+m.why, only) {
			continue
		}
		if m.test != "" && !e2e {
			skipped++
			continue
		}
		start := time.Now()
		noticed, err := m.try(dir)
		if err != nil {
			return err
		}
		seen++
		word := "noticed"
		if !noticed {
			word = "SURVIVED"
			survived = append(survived, m.file+": "+m.why)
		}
		fmt.Printf("%-8s %5.1f s  %s: %s\n", word, time.Since(start).Seconds(), m.file, m.why)
	}
	fmt.Printf("%d noticed, %d survived, %d for a lab alone\n", seen-len(survived), len(survived), skipped)
	if len(survived) > 0 {
		return fmt.Errorf("no test notices:\n  %s", strings.Join(survived, "\n  "))
	}
	return nil
}

// try makes the change, runs the tests, and takes it back.
func (m mutation) try(dir string) (noticed bool, err error) {
	path := filepath.Join(dir, m.file)
	before, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	if n := bytes.Count(before, []byte(m.old)); n != 1 {
		return false, fmt.Errorf("%s has %q %d times, want once", m.file, m.old, n)
	}
	if err := os.WriteFile(path, bytes.Replace(before, []byte(m.old), []byte(m.changed), 1), 0o600); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, before, 0o600)) }()
	if m.test == "" {
		// Its own package's tests first: they are quick, and mostly enough.
		own := "./" + strings.TrimSuffix(filepath.Dir(m.file), "/files")
		out, failed := fast(dir, own)
		if failed == nil {
			out, failed = fast(dir, "./provider/...", "./tests/")
		}
		if strings.Contains(out, "[build failed]") {
			return false, fmt.Errorf("%s: %s: does not compile:\n%s", m.file, m.why, out)
		}
		return failed != nil, nil
	}
	return m.lab(dir)
}

// fast runs the tests that need neither root nor a lab.
func fast(dir string, packages ...string) (string, error) {
	return command(dir, 5*time.Minute, nil, "go", append([]string{"test", "-failfast", "-vet=off", "-timeout", "60s"}, packages...)...)
}

// lab runs an end-to-end test with a plugin built from the copy.
func (m mutation) lab(dir string) (bool, error) {
	build := os.Getenv("LAB_BUILD")
	if build == "" {
		return false, errors.New("LAB_BUILD is not set: run make mutate-e2e")
	}
	copied := filepath.Join(dir, "build")
	if err := os.MkdirAll(filepath.Join(copied, "plugins"), 0o755); err != nil {
		return false, err
	}
	for _, name := range []string{"bin", "rootfs", "apt", "k3s", "sdk", "packages", "plugins/pulumi-resource-command", "plugins/pulumi-resource-proxmoxve"} {
		if err := os.Symlink(filepath.Join(build, name), filepath.Join(copied, name)); err != nil && !errors.Is(err, os.ErrExist) {
			return false, err
		}
	}
	if out, err := command(dir, 5*time.Minute, nil, "go", "build", "-o", filepath.Join(copied, "plugins/pulumi-resource-k3sha"), "./provider/cmd/pulumi-resource-k3sha"); err != nil {
		return false, fmt.Errorf("%s: %s: %w\n%s", m.file, m.why, err, out)
	}
	_, failed := command(filepath.Join(dir, "tests/lab"), 30*time.Minute, []string{"LAB_BUILD=" + copied}, "go", "test", "-count=1", "-timeout", "25m", "-run", m.test, "./e2e/")
	return failed != nil, nil
}

func command(dir string, timeout time.Duration, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// read reads the list: blocks with a blank line between them.
func read(file string) ([]mutation, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []mutation
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		m := mutation{}
		for line := range strings.SplitSeq(block, "\n") {
			field, value, found := strings.Cut(line, " ")
			to, known := map[string]*string{"file": &m.file, "why": &m.why, "-": &m.old, "+": &m.changed, "test": &m.test}[field]
			switch {
			case strings.HasPrefix(line, "#"):
			case !known || !found && field != "+":
				return nil, fmt.Errorf("%s: %q", file, line)
			default:
				*to = value
			}
		}
		if m.file == "" || m.why == "" || m.old == "" || m.old == m.changed {
			return nil, fmt.Errorf("%s: not a mutation:\n%s", file, block)
		}
		list = append(list, m)
	}
	return list, nil
}
