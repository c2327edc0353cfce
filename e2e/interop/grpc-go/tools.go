//go:build tools

// Keeps gRPC's own interop client and server in go.mod; they are built by their own paths.
package tools

import (
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)
