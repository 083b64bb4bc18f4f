"""Which task runs a step: the one table from kinds of planned steps to tasks. The executor and the plan know nothing else of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.tasks import Task

from cluster.plan import create, delete, drain, host_network, remove, renew, restore, retest_workload, test_hosts, upgrade
from tasks.check_preflight import check_preflight
from tasks.delete_node import delete_node
from tasks.deny_node import deny_node
from tasks.drain_node import drain_node
from tasks.forget_host import forget_host
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
from tasks.restore_control_plane import restore_control_plane
from tasks.retest_workload import change_workload, compare_workload, place_workload
from tasks.save_copy import save_copy
from tasks.set_certificate_names import set_certificate_names
from tasks.set_host_network import set_deployment, undo_deployment
from tasks.stage_bundle import stage_bundle
from tasks.update_settings import update_settings
from tasks.upgrade_control_plane import upgrade_control_plane, wait_addons
from tasks.upgrade_node import uncordon_node, upgrade_kubelet, upgrade_node
from tasks.verify_network import verify_network
from tasks.wait_ready import wait_dns, wait_ready

TASKS: Mapping[str, Task[..., Any]] = {
    create.PREPARE_HOST: prepare_host,
    create.LOAD_BUNDLE: load_bundle,
    create.CHECK_PREFLIGHT: check_preflight,
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
    drain.DRAIN_NODE: drain_node,
    renew.RENEW_CERTIFICATES: renew_certificates,
    **{kind: restart_task(kind) for kind in renew.RESTARTS.values()},
    renew.RENEW_KUBELET_CERTIFICATE: renew_kubelet_certificate,
    renew.SET_CERTIFICATE_NAMES: set_certificate_names,
    restore.RESTORE_CONTROL_PLANE: restore_control_plane,
    retest_workload.PLACE_WORKLOAD: place_workload,
    retest_workload.CHANGE_WORKLOAD: change_workload,
    retest_workload.COMPARE_WORKLOAD: compare_workload,
    host_network.SET_HOST_NETWORK: set_deployment,
    host_network.UNDO_HOST_NETWORK: undo_deployment,
    remove.DENY_NODE: deny_node,
    remove.DELETE_NODE: delete_node,
    remove.FORGET_HOST: forget_host,
    test_hosts.MARK_TEST_HOST: mark_test_host,
    test_hosts.UNMARK_TEST_HOST: unmark_test_host,
    upgrade.STAGE_BUNDLE: stage_bundle,
    upgrade.UPDATE_SETTINGS: update_settings,
    upgrade.UPGRADE_CONTROL_PLANE: upgrade_control_plane,
    upgrade.WAIT_ADDONS: wait_addons,
    upgrade.UPGRADE_NODE: upgrade_node,
    upgrade.UPGRADE_KUBELET: upgrade_kubelet,
    upgrade.UNCORDON_NODE: uncordon_node,
}
