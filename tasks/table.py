"""Which task runs a step: the one table from kinds of planned steps to tasks. The executor and the plan know nothing else of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.tasks import Task

from cluster.plan import create, delete, host_network, renew, test_hosts
from tasks.init_control_plane import init_control_plane
from tasks.install_cni import install_cni, wait_network
from tasks.join_worker import join_worker
from tasks.label_node import label_node
from tasks.load_bundle import load_bundle
from tasks.mark_test_host import mark_test_host, unmark_test_host
from tasks.prepare_host import prepare_host
from tasks.publish_kubeconfig import publish_kubeconfig
from tasks.remove_kubeconfig import remove_kubeconfig
from tasks.renew_certificates import renew_certificates, renew_kubelet_certificate, restart_task
from tasks.reset_host import reset_host
from tasks.save_copy import save_copy
from tasks.set_certificate_names import set_certificate_names
from tasks.set_host_network import set_deployment, undo_deployment
from tasks.verify_network import verify_network
from tasks.wait_ready import wait_dns, wait_ready

TASKS: Mapping[str, Task[..., Any]] = {
    create.PREPARE_HOST: prepare_host,
    create.LOAD_BUNDLE: load_bundle,
    create.INIT_CONTROL_PLANE: init_control_plane,
    create.INSTALL_CNI: install_cni,
    create.WAIT_NETWORK: wait_network,
    create.PUBLISH_KUBECONFIG: publish_kubeconfig,
    create.JOIN_WORKER: join_worker,
    create.LABEL_NODE: label_node,
    create.WAIT_READY: wait_ready,
    create.WAIT_DNS: wait_dns,
    create.VERIFY_NETWORK: verify_network,
    delete.SAVE_COPY: save_copy,
    delete.RESET_HOST: reset_host,
    delete.REMOVE_KUBECONFIG: remove_kubeconfig,
    renew.RENEW_CERTIFICATES: renew_certificates,
    **{kind: restart_task(kind) for kind in renew.RESTARTS.values()},
    renew.RENEW_KUBELET_CERTIFICATE: renew_kubelet_certificate,
    renew.SET_CERTIFICATE_NAMES: set_certificate_names,
    host_network.SET_HOST_NETWORK: set_deployment,
    host_network.UNDO_HOST_NETWORK: undo_deployment,
    test_hosts.MARK_TEST_HOST: mark_test_host,
    test_hosts.UNMARK_TEST_HOST: unmark_test_host,
}
