//go:build newer

package main

import _ "embed"

//go:embed schema-newer.json
var schema []byte
