"""What kubeadm's preflight checks print becomes problems, and every check has a rule of `sixstack plan` or a reason to have none."""

from __future__ import annotations

from cluster.kubeadm.preflight import Refusal, is_ignored, refusal_problems, refusals
from cluster.vocabulary.spec import ClusterSpec
from tests.cluster.rules.conftest import good_document

# as kubeadm 1.36.3 prints it
OUTPUT = """[preflight] Running pre-flight checks
[preflight] The system verification failed. Printing the output from the verification:
KERNEL_VERSION: 6.18.44
	[WARNING Hostname]: hostname "node-1" could not be reached
	[WARNING Service-kubelet]: kubelet service is not enabled, please run 'systemctl enable kubelet.service'
[preflight] Some fatal errors occurred:
	[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2
	[ERROR SystemVerification]: failed to parse kernel config: unable to load kernel module: "configs", output: "modprobe: FATAL: Module
configs not found in directory /lib/modules/6.18.44", err: exit status 1
	[ERROR Port-10250]: Port 10250 is in use
[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`
error: error execution phase preflight: preflight checks failed
To see the stack trace of this error execute with --v=5 or higher
"""


def test_every_refusal_of_kubeadm_is_found() -> None:
    """Each with the name of its check; a message of several lines is one; warnings are none."""
    assert refusals(OUTPUT) == (
        Refusal("NumCPU", "the number of available CPUs 1 is less than the required 2"),
        Refusal(
            "SystemVerification",
            'failed to parse kernel config: unable to load kernel module: "configs", output: "modprobe: FATAL: Module configs not found '
            'in directory /lib/modules/6.18.44", err: exit status 1',
        ),
        Refusal("Port-10250", "Port 10250 is in use"),
    )


def test_a_refusal_is_a_problem_with_its_host_its_check_and_what_to_do() -> None:
    """The name to write into `ignore_preflight` is the one that kubeadm knows."""
    problems = list(refusal_problems("node-1", refusals(OUTPUT)))
    assert [(problem.code, problem.path) for problem in problems] == [
        ("preflight-refused", "hosts/node-1/preflight/NumCPU"),
        ("preflight-refused", "hosts/node-1/preflight/SystemVerification"),
        ("preflight-refused", "hosts/node-1/preflight/Port-10250"),
    ]
    assert all(f"ignore_preflight: [{problem.path.rpartition('/')[2]}]" in problem.hint for problem in problems)
    assert "ss -lntp" in problems[2].hint


def test_an_end_of_kubeadm_without_a_check_is_a_refusal_too() -> None:
    """A configuration that it cannot read, or no word at all."""
    (refused,) = refusals(
        'W1126 utils.go] x\nerror: strict decoding error: unknown field "a"\nTo see the stack trace of this error execute with --v=5'
    )
    assert refused == Refusal("", 'strict decoding error: unknown field "a"')
    assert refusals("Terminated\n") == (Refusal("", "Terminated"),)
    assert len(refusals("")) == 1
    (problem,) = refusal_problems("node-1", [refused])
    assert problem.path == "hosts/node-1/preflight"
    assert "ignore_preflight" not in problem.hint


def test_a_check_is_ignored_by_its_name_in_any_case_or_with_all() -> None:
    """As kubeadm compares them."""
    for names, ignored in ((["systemverification"], True), (["all"], True), (["Swap"], False), ([], False)):
        spec = ClusterSpec.model_validate({**good_document(), "kubeadm": {"ignore_preflight": names}})
        assert is_ignored(spec, "SystemVerification") is ignored
