//go:build tools

// Package commands names the commands that are built from this module, so that go.mod keeps their dependencies.
package commands

import (
	_ "github.com/projectcalico/calico/cni-plugin/cmd/calico"
	_ "github.com/projectcalico/calico/cni-plugin/cmd/install"
	_ "github.com/projectcalico/calico/kube-controllers/cmd/check-status"
	_ "github.com/projectcalico/calico/kube-controllers/cmd/kube-controllers"
	_ "github.com/projectcalico/calico/kube-controllers/cmd/wrapper"
	_ "github.com/projectcalico/calico/node/cmd/calico-node"
)
