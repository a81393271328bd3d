//go:build tools

// Package tools pins the programs' module.
package tools

import _ "github.com/distribution/distribution/v3/cmd/registry"
