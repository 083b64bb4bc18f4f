//go:build tools

// Package commands names the commands that are built from this module, so that go.mod keeps their dependencies.
package commands

import (
	_ "github.com/coredns/coredns"
)
