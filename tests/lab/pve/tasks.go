package pve

import (
	"fmt"
	"strings"
	"time"
)

type task struct {
	upid, node, kind, id, user string
	pid, start                 int64
	exit                       string // empty while it runs
	log                        []string
}

// startTask runs work as a task and returns its UPID. Without a fault work is done when the caller gets the UPID, so that
// its first poll finds the task ended. Undo runs when the task fails. The server's lock is held when it is called.
func (s *Server) startTask(node, kind, id, user string, fault *Fault, work func() error, undo func()) string {
	return s.startSlowTask(0, node, kind, id, user, fault, work, undo)
}

// startSlowTask is startTask for what takes its time on a storage.
func (s *Server) startSlowTask(takes time.Duration, node, kind, id, user string, fault *Fault, work func() error, undo func()) string {
	s.pid++
	now := time.Now().Unix()
	t := &task{node: node, kind: kind, id: id, user: user, pid: int64(s.pid), start: now}
	t.upid = fmt.Sprintf("UPID:%s:%08X:%08X:%08X:%s:%s:%s:", node, s.pid, now&0xffffffff, now, kind, id, user)
	s.tasks[taskKey(t.upid)] = t
	if len(s.tasks) > 5000 {
		s.forgetTasks()
	}
	end := func() {
		var err error
		if fault != nil && fault.TaskError != "" {
			err = fmt.Errorf("%s", fault.TaskError)
		} else {
			err = work()
		}
		t.exit = "OK"
		if err != nil {
			undo()
			t.exit = err.Error()
			t.log = append(t.log, "TASK ERROR: "+t.exit)
		} else {
			t.log = append(t.log, "TASK OK")
		}
	}
	if fault != nil && fault.TaskDelay > 0 {
		takes = time.Duration(fault.TaskDelay) * time.Millisecond
	}
	if s.instant {
		takes = 0
	}
	if takes > 0 {
		go func() {
			time.Sleep(takes)
			s.mu.Lock()
			defer s.mu.Unlock()
			end()
		}()
		return t.upid
	}
	end()
	return t.upid
}

func (s *Server) forgetTasks() {
	for upid, t := range s.tasks {
		if t.exit != "" && time.Now().Unix()-t.start > 60 {
			delete(s.tasks, upid)
		}
	}
}

func (t *task) json() map[string]any {
	m := map[string]any{
		"upid": t.upid, "node": t.node, "pid": t.pid, "pstart": t.start, "starttime": t.start,
		"type": t.kind, "id": t.id, "user": t.user, "status": "running",
	}
	if t.exit != "" {
		m["status"], m["exitstatus"] = "stopped", t.exit
	}
	return m
}

func (t *task) lines() []map[string]any {
	out := []map[string]any{}
	for i, line := range t.log {
		out = append(out, map[string]any{"n": i + 1, "t": line})
	}
	return out
}

// taskKey is a UPID with its user's "!" as it is: on the wire it arrives as it is, escaped or escaped twice.
func taskKey(upid string) string { return strings.ReplaceAll(upid, "%21", "!") }
