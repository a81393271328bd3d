//go:build tools

// Package tools pins the programs' module.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
