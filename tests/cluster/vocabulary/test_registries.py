"""Where containerd pulls the images of a registry."""

from cluster.vocabulary.registries import Mirror, PullPlan, pull_plans
from cluster.vocabulary.spec import Images

PEM = "-----BEGIN CERTIFICATE-----"


def test_a_path_of_a_mirror_is_the_root_of_the_api() -> None:
    """containerd appends /v2 to every other path, which a proxy project of Harbor does not have."""
    urls = ("https://m", "https://m/", "https://m/v2", "https://m/docker/v2/", "https://m/v2/docker")
    (plan,) = pull_plans(Images(mirrors={"docker.io": urls})).values()
    assert [mirror.override_path for mirror in plan.mirrors] == [False, False, False, False, True]
    assert [mirror.url for mirror in plan.mirrors] == list(urls)


def test_an_authority_is_found_whatever_the_spelling_of_its_host() -> None:
    """The port of https may be there or not, and IPv6 has many spellings. Another port is another server."""
    images = Images(
        mirrors={"docker.io": ("https://M.example.org/v2", "https://[fd66:0::5]:5000", "https://m.example.org:5000")},
        ca={"m.example.org:443": PEM, "[fd66::5]:5000": PEM},
    )
    assert [mirror.authority for mirror in pull_plans(images)["docker.io"].mirrors] == ["m.example.org:443", "[fd66::5]:5000", None]


def test_a_registry_with_only_an_authority_keeps_the_mirrors_of_default() -> None:
    """containerd reads one folder only: that of the registry, else _default."""
    plans = pull_plans(Images(mirrors={"_default": ("https://m",)}, ca={"registry.example.org": PEM}))
    mirror = Mirror("https://m", override_path=False, authority=None)
    assert plans == {
        "_default": PullPlan((mirror,), None),
        "registry.example.org": PullPlan((mirror,), "registry.example.org"),
    }
