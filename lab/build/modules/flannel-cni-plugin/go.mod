module sixstack.example/flannel-cni-plugin

go 1.26.0

require (
	github.com/containernetworking/cni v1.3.0
	github.com/containernetworking/plugins v0.9.1
)
