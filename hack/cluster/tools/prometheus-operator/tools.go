//go:build tools

// Package tools pins the module whose manifests, not code, are used.
package tools
