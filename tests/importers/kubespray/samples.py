"""kubespray inventories, in YAML and INI, and variables of a group."""

SECRET = "canary-of-a-password"

HOSTS = """
all:
  hosts:
    node1: {ansible_host: 192.0.2.11, ip: 192.0.2.11, ip6: 2001:db8::11, access_ip: 192.0.2.11}
    node2: {ansible_host: 192.0.2.12, ansible_port: 2222, ip: 192.0.2.12, ip6: 2001:db8::12}
    spare: {ansible_host: 192.0.2.13}
  vars: {ansible_user: ops, ansible_become: true}
  children:
    kube_control_plane: {hosts: {node1: }}
    kube_node: {hosts: {node1: , node2: }}
    etcd: {hosts: {node1: }}
    calico_rr: {hosts: {}}
    k8s_cluster: {children: {kube_control_plane: , kube_node: , calico_rr: }}
"""
INI = f"""
[all]
node1 ansible_host=192.0.2.11 ip=192.0.2.11 ansible_user=ops   # etcd_member_name=etcd1
node2 ansible_host=192.0.2.12 ansible_port=2222 ansible_ssh_pass='{SECRET}'
[kube-master]
node1
[etcd]
node1
[kube-node]
node2
[k8s-cluster:children]
kube-master
kube-node
[k8s-cluster:vars]
kube_network_plugin=flannel
kube_pods_subnet = "10.200.0.0/16"
"""
DUAL_STACK = """
kube_version: v1.36.2
kube_network_plugin: calico
kube_service_addresses: 10.233.0.0/18
kube_pods_subnet: 10.233.64.0/18
kube_network_node_prefix: 24
ipv4_stack: true
ipv6_stack: true
kube_service_addresses_ipv6: fd85:ee78:d8a6:8607::1000/116
kube_pods_subnet_ipv6: fd85:ee78:d8a6:8607::1:0000/112
kube_network_node_prefix_ipv6: 120
kube_proxy_mode: iptables
cluster_name: prod.example
dns_domain: "{{ cluster_name }}"
kubelet_max_pods: 120
bin_dir: /usr/local/bin
"""
