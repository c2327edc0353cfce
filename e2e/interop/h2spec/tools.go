//go:build tools

// Keeps the program in go.mod; it is built by its own path.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
