//go:build !newer

package main

import _ "embed"

//go:embed schema.json
var schema []byte
