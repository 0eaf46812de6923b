package pve

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// apiError is an answer other than 200: Proxmox VE puts the message in the HTTP reason phrase too.
type apiError struct {
	code   int
	text   string
	fields map[string]string
}

func (e *apiError) Error() string { return e.text }

// atShell is the message as the programs at a host's shell print it: with what is wrong about which parameter.
func (e *apiError) atShell() string {
	if len(e.fields) == 0 {
		return e.text
	}
	lines := []string{fmt.Sprintf("%d %s", e.code, e.text)}
	for _, name := range slices.Sorted(maps.Keys(e.fields)) {
		lines = append(lines, name+": "+e.fields[name])
	}
	return strings.Join(lines, "\n")
}

func fail(code int, format string, args ...any) *apiError {
	return &apiError{code: code, text: fmt.Sprintf(format, args...)}
}

func badParameter(name, text string) *apiError {
	return &apiError{code: 400, text: "Parameter verification failed.", fields: map[string]string{name: text}}
}

func noSuchVM(node string, id int) *apiError {
	return fail(500, "Configuration file 'nodes/%s/qemu-server/%d.conf' does not exist", node, id)
}

// write answers with the message as reason phrase, which net/http cannot, and closes the connection.
func (e *apiError) write(w http.ResponseWriter) {
	body, _ := json.Marshal(struct {
		Data    any               `json:"data"`
		Message string            `json:"message"`
		Errors  map[string]string `json:"errors,omitempty"`
	}{nil, e.text + "\n", e.fields})
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, e.text, e.code)
		return
	}
	conn, buf, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	reason, _, _ := strings.Cut(e.text, "\n")
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		e.code, reason, len(body), body)
	_ = buf.Flush()
}
