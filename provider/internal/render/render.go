// Package render turns plain values into the text that machines read: HAProxy's, Keepalived's and k3s'
// configuration, and the scripts of the steps. It is pure: no Pulumi, no I/O beyond the embedded files.
package render

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed files
var files embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(files, "files/*.tmpl"))

// fill executes a template. Data is a struct, so a name that does not exist is an error of the template's
// test, never a silent "<no value>".
func fill(name string, data any) string {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		panic(fmt.Sprintf("template %s: %v", name, err)) // a programming error: the data's type is fixed
	}
	return out.String()
}

func file(name string) string {
	text, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(fmt.Sprintf("embedded file %s: %v", name, err)) // a programming error: names are constants
	}
	return string(text)
}

// Quote makes one word of any text for a POSIX shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
