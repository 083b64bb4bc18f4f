"""Variables and groups of kubespray that a cluster file does not have, with the reason."""

from __future__ import annotations

_ADD_ON = "sixstack installs no add-ons: apply it to the cluster afterwards"
_POD_NETWORK = "`cni` sets the pod network"
_RUNTIME = "containerd is the container runtime"
_BUNDLE = "all files for the hosts come from the bundle"
_KUBELET = "write fields of KubeletConfiguration in `kubeadm.kubelet`"
_ARGUMENTS = "write arguments of a component in `kubeadm.extra_args`"

GROUPS = {
    "calico_rr": "sixstack installs no route reflectors",
    "broken_etcd": "a group for kubespray's own recovery",
    "broken_kube_control_plane": "a group for kubespray's own recovery",
}
# the beginning of a variable's name -> reason; the longest one counts
_REASONS = {
    "access_ip": "the nodes reach each other at `hosts[].addresses`",
    "access_ip6": "the nodes reach each other at `hosts[].addresses`",
    "ansible_": "a setting of Ansible",
    "ansible_become": "a user other than root uses sudo",
    "ansible_become_password": "the inventory has no password for SSH: `sixstack credential add NAME --sudo-password` saves it",
    "ansible_become_pass": "the inventory has no password for SSH: `sixstack credential add NAME --sudo-password` saves it",
    "ansible_connection": "hosts are reached over SSH",
    "ansible_ssh_common_args": "options of ssh are not used; `hosts[].ssh.jump` names a jump host",
    "ansible_ssh_extra_args": "options of ssh are not used; `hosts[].ssh.jump` names a jump host",
    "ansible_ssh_private_key_file": "the file of the key is on another machine: `sixstack credential add NAME --key FILE` saves the key",
    "argocd_": _ADD_ON,
    "auto_renew_certificates": "`sixstack schedule-certificates` does this",
    "bin_dir": _BUNDLE,
    "calico_": _POD_NETWORK,
    "cephfs_": _ADD_ON,
    "cert_manager_": _ADD_ON,
    "cilium_": _POD_NETWORK,
    "cloud_provider": "no cloud provider is set up",
    "container_manager": _RUNTIME,
    "containerd_": _RUNTIME,
    "coredns_": "CoreDNS has the configuration of kubeadm",
    "credentials_dir": "secrets are in blocks of the Prefect server",
    "crio_": _RUNTIME,
    "csi_": _ADD_ON,
    "dns_mode": "CoreDNS has the configuration of kubeadm",
    "docker_": _RUNTIME,
    "download_": _BUNDLE,
    "enable_nodelocaldns": "no node-local DNS cache is installed",
    "etcd_": "etcd runs as a static pod of kubeadm on the control plane",
    "event_ttl_duration": _ARGUMENTS,
    "external_cloud_provider": "no cloud provider is set up",
    "flannel_": _POD_NETWORK,
    "gateway_api_": _ADD_ON,
    "helm_": _ADD_ON,
    "ingress_": _ADD_ON,
    "kube_apiserver_": _ARGUMENTS,
    "kube_cert_": "kubeadm's folders are used",
    "kube_config_dir": "kubeadm's folders are used",
    "kube_controller_": _ARGUMENTS,
    "kube_encrypt_": "no encryption of secrets at rest is set up",
    "kube_feature_gates": "feature gates belong to one version of Kubernetes",
    "kube_manifest_dir": "kubeadm's folders are used",
    "kube_network_node_prefix": "the cluster has no range of this family",
    "kube_oidc_": _ARGUMENTS,
    "kube_ovn_": _POD_NETWORK,
    "kube_pods_subnet": "the cluster has no range of this family",
    "kube_proxy_": "write fields of KubeProxyConfiguration in `kubeadm.kube_proxy`",
    "kube_router_": _POD_NETWORK,
    "kube_scheduler_": _ARGUMENTS,
    "kube_service_addresses": "the cluster has no range of this family",
    "kube_vip_": "sixstack installs no kube-vip: give the address to your own load balancer and write it in `control_plane.endpoint`",
    "kubeadm_": "kubeadm's tokens and keys are made for each run",
    "kubeconfig_localhost": "`sixstack kubeconfig` writes it",
    "kubectl_localhost": "`sixstack kubectl` runs it",
    "kubelet_": _KUBELET,
    "kubernetes_audit": "write the policy in `kubeadm.files`, and the arguments in `kubeadm.extra_args`",
    "loadbalancer_apiserver_": "nodes use `control_plane.endpoint`, and no local load balancer",
    "local_path_provisioner_": _ADD_ON,
    "local_release_dir": _BUNDLE,
    "local_volume_provisioner_": _ADD_ON,
    "metallb_": _ADD_ON,
    "metrics_server_": _ADD_ON,
    "nodelocaldns_": "no node-local DNS cache is installed",
    "registry_": _ADD_ON,
    "system_": _KUBELET,
}


def reason(variable: str) -> str:
    """Why a variable was not taken over."""
    known = [start for start in _REASONS if variable.startswith(start)]
    return _REASONS[max(known, key=len)] if known else "a cluster file has no such setting, or another variable has precedence"
