"""A file of k0sctl."""

CLUSTER = """
apiVersion: k0sctl.k0sproject.io/v1beta1
kind: Cluster
metadata: {name: My_k0s, user: admin}
spec:
  hosts:
    - role: worker
      hostname: Node-2
      privateInterface: eth1
      installFlags: ["--labels=disk=ssd", "--debug"]
      hooks: {apply: {before: [date]}}
      ssh: {address: 192.0.2.12, user: ops, port: 2222, keyPath: ~/.ssh/id_rsa, bastion: {address: 192.0.2.99, user: hop}}
    - role: controller
      hostname: node-1
      uploadBinary: true
      openSSH: {address: 192.0.2.11}
  k0s:
    version: 1.36.2+k0s.0
    dynamicConfig: false
    config:
      apiVersion: k0s.k0sproject.io/v1beta1
      kind: ClusterConfig
      metadata: {name: my}
      spec:
        api: {externalAddress: api.example.org, port: 6443, sans: [192.0.2.11], extraArgs: {v: "4"}}
        network:
          provider: calico
          calico: {mode: bird}
          podCIDR: 10.244.0.0/16
          serviceCIDR: 10.96.0.0/12
          clusterDomain: cluster.local
          dualStack: {enabled: true, IPv6podCIDR: fd00::/108, IPv6serviceCIDR: fd01::/108}
          kubeProxy: {mode: iptables, disabled: false}
        telemetry: {enabled: false}
  options: {wait: {enabled: true}}
"""
