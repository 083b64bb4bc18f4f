"""Builds the lab's artifact bundle, once for the same inputs. A killed build is resumed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from bundle.archive import IMAGE_CONFIG, IMAGE_MANIFEST, ArchivedImage, Blob, write_archive
from bundle.cache import cache_folder
from bundle.layout import UNITS, Place, places, unit_origin
from bundle.manifest import MANIFEST_NAME, Architecture, BundleFile, BundleManifest, FileKind, Origin, Pin, read_manifest
from bundle.pack import compress, describe, write_manifest
from bundle.progress import Progress, on_stderr
from bundle.verify import sha256_of
from cluster.vocabulary.cni_kinds import IN_BUNDLES
from cluster.vocabulary.errors import EnvironmentFault, SixstackError
from cluster.vocabulary.releases import DEFAULT_RELEASE, KubernetesRelease
from lab.build.commands import go_commands
from lab.build.debian import BUILDER_PACKAGES, unpack_packages
from lab.build.golang import GoCommand, build_commands, missing_modules, module_folder
from lab.build.images import RECIPES, ImageRecipe
from lab.build.jobs import Job, run_jobs
from lab.build.layer import Content, DebianTree, Folder, Layer, Link, PlacedFile, diff_id_of, layer_of, write_layer
from lab.build.program import Programs
from lab.build.store import Store, key_of
from lab.packages import install_missing

_PAUSE = Path(__file__).parent / "pause.c"
# increase this number when the files of a bundle change without a change of their inputs
_RECIPE = 1
# one `go build` uses two cores, except while it links or downloads: then the other jobs use them
_CONCURRENCY = 3


def build_bundle(
    report: Callable[[str], None] = on_stderr,
    *,
    release: KubernetesRelease = DEFAULT_RELEASE,
    networks: Collection[str] = IN_BUNDLES,
) -> Path:
    """The folder of a bundle of `release` for this machine's architecture, built if the cache does not have it; EnvironmentFault on failure.

    The bundle has the images of the pod networks in `networks`, or more: a finished bundle of all networks is used if it exists.
    After a killed build, the next call continues with the missing parts. A concurrent call waits.
    """
    _refuse_missing_modules(release)
    store, architecture = Store(cache_folder()), Architecture.of_this_machine()
    whole = BundleBuilder(store, release, architecture, IN_BUNDLES)
    builder = BundleBuilder(store, release, architecture, networks)
    if whole.finished:
        return whole.folder
    if not builder.finished:
        with store.locked(report):
            if not builder.finished:
                install_missing(report, BUILDER_PACKAGES)
                builder.build(report)
    return builder.folder


def _refuse_missing_modules(release: KubernetesRelease) -> None:
    """EnvironmentFault lists the modules that this checkout does not pin for the release, with the commands that need them."""
    if missing := missing_modules(go_commands(release).values()):
        modules = "; ".join(f"lab/build/modules/{module} (for {', '.join(names)})" for module, names in missing.items())
        raise EnvironmentFault(f"Kubernetes {release.kubernetes} cannot be built. Missing modules: {modules}")


class BundleBuilder:
    """Builds one bundle from sources."""

    def __init__(self, store: Store, release: KubernetesRelease, architecture: Architecture, networks: Collection[str]) -> None:
        self.store, self.release, self.architecture = store, release, architecture
        self.places = {path: place for path, place in places(release).items() if place.cni is None or place.cni in networks}
        self.recipes = {place.name: RECIPES[place.name] for place in self.places.values() if place.kind is FileKind.IMAGE}
        wanted = {name for place in self.places.values() for name in self._commands_of(place)}
        self.commands = {name: command for name, command in go_commands(release).items() if name in wanted}
        left_out = [network for network in IN_BUNDLES if network not in networks]
        self.name = "-".join([f"lab-v{release.kubernetes}-{architecture}", *(f"no-{network}" for network in left_out)])
        self.folder = store.bundles / f"{self.name}-{self._key()}"
        self.programs = Programs()
        self._locks: dict[str, threading.Lock] = {}
        self._locks_lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether the folder has a manifest and every file has its size; `sixstack bundle verify` compares the content."""
        if not (self.folder / MANIFEST_NAME).is_file():
            return False
        try:
            manifest = read_manifest(self.folder)
        except SixstackError:
            return False
        files = ((self.folder / file.path, file.size) for file in manifest.files)
        return all(path.is_file() and path.stat().st_size == size for path, size in files)

    def build(self, report: Callable[[str], None]) -> None:
        """Build every part, then the folder."""
        unfinished = self.store.temporary(self.store.bundles, self.folder.name)
        unfinished.mkdir()
        made: list[BundleFile] = []
        jobs = [*self._base_jobs(), *self._go_jobs(), *(self._place_job(place, unfinished, made) for place in self.places.values())]
        progress = Progress(report, [job.title for job in jobs], "building")
        report(
            f"building {self.name} in {self.store.folder}: {len(self.places)} files (the first build takes about 15 minutes on two cores)"
        )
        with progress.heartbeat():
            run_jobs(jobs, _CONCURRENCY, progress, self.programs.stop)
        order = [place.path for place in self.places.values()]
        files = tuple(sorted(made, key=lambda file: order.index(file.path)))
        write_manifest(
            unfinished,
            BundleManifest(name=self.name, kubernetes_version=f"v{self.release.kubernetes}", architecture=self.architecture, files=files),
        )
        os.sync()
        if self.folder.exists():  # a damaged bundle
            shutil.rmtree(self.folder)
        unfinished.replace(self.folder)
        report(f"bundle ready: {self.folder} ({sum(file.size for file in files) // 1_000_000} MB)")

    def _base_jobs(self) -> list[Job]:
        """The jobs for the trees of Debian packages: mostly downloads, so they run beside the first Go builds."""
        found = dict.fromkeys(recipe.packages for recipe in self.recipes.values() if recipe.packages)
        return [Job(f"packages {' '.join(packages)}", partial(self._base_tree, packages)) for packages in found]

    def _go_jobs(self) -> list[Job]:
        """One job for all commands with the same module and settings, the longest first."""
        groups: dict[tuple[object, ...], list[GoCommand]] = {}
        for command in self.commands.values():
            groups.setdefault(command.group, []).append(command)
        return [
            Job(_go_title(commands), partial(self._build_together, commands))
            for commands in sorted(groups.values(), key=lambda commands: _go_rank(commands[0]))
        ]

    def _place_job(self, place: Place, folder: Path, made: list[BundleFile]) -> Job:
        """The job that puts one file into the bundle, after its commands are built and its packages are unpacked."""
        needs = {
            _go_title([other for other in self.commands.values() if other.group == self.commands[name].group])
            for name in self._commands_of(place)
            if name in self.commands
        }
        recipe = self.recipes.get(place.name) if place.kind is FileKind.IMAGE else None
        if recipe is not None and recipe.packages:
            needs.add(f"packages {' '.join(recipe.packages)}")
        return Job(self._title(place), lambda: made.append(self._make(place, folder)), frozenset(needs))

    def _commands_of(self, place: Place) -> tuple[str, ...]:
        """The names of the built programs in a file."""
        if place.kind is FileKind.UNIT:
            return ()
        if place.kind is FileKind.IMAGE:
            return tuple(name for _, name in RECIPES[place.name].commands)
        return (place.name,)

    def _make(self, place: Place, folder: Path) -> BundleFile:
        stored, content = self._stored(place)
        target = folder / place.path
        target.parent.mkdir(parents=True, exist_ok=True)
        # a copy instead of a link: damage to the bundle must not damage the cache, which repairs the bundle
        shutil.copyfile(stored, target)
        return describe(place, target, target if stored == content else content, self.origin(place))

    def origin(self, place: Place) -> Origin:
        """The modules and packages that a file is built from."""
        if place.kind is FileKind.UNIT:
            return unit_origin(place)
        commands = [self.commands[name] for name in self._commands_of(place) if name in self.commands]
        modules = dict.fromkeys(command.pinned_module for command in commands)
        # cgo: linked statically with libraries of Debian
        packages = self.recipes[place.name].packages if place.kind is FileKind.IMAGE else ()
        debian = bool(packages) or any(command.cgo for command in commands)
        if not modules:
            modules[f"lab/build/{_PAUSE.name}"] = None
        return Origin(
            locations=(*modules, *(f"debian:{package}" for package in packages)),
            pin=Pin.DEBIAN if debian else Pin.GO_SUM if commands else Pin.CHECKOUT,
            digest_from="packages of the Debian archive on the day of the build" if debian else "go.sum" if commands else "this repository",
        )

    def _stored(self, place: Place) -> tuple[Path, Path]:
        """(stored file, decoded file), both in the cache."""
        if place.kind is FileKind.UNIT:
            unit = UNITS / place.name
            return unit, unit
        if place.kind is FileKind.IMAGE:
            archive = self._image(place)
            return archive, archive
        content = self._command(place.name)
        return self._part(f"{place.name}.gz", key_of(_RECIPE, content.name), lambda target: compress(content, target)), content

    def _part(self, name: str, key: str, make: Callable[[Path], object]) -> Path:
        """A part of the store, made by one thread while the others wait."""
        with self._locks_lock:
            lock = self._locks.setdefault(f"{name}-{key}", threading.Lock())
        with lock:
            return self.store.part(name, key, make)

    def _build_together(self, commands: list[GoCommand]) -> None:
        """Build the missing programs of `commands` with one `go build`, which compiles their shared packages once."""
        missing = [command for command in commands if not self.store.has(command.name, self._command_key(command))]
        if not missing:
            return
        scratch = self.store.temporary(self.store.parts, f"go-{missing[0].name}")
        scratch.mkdir()
        build_commands(missing, scratch, cache=self.store.folder, programs=self.programs)
        for command in missing:
            self._part(command.name, self._command_key(command), (scratch / command.output).replace)
        shutil.rmtree(scratch)

    def _command_key(self, command: GoCommand) -> str:
        return key_of(_RECIPE, self.architecture, command.inputs)

    def _command(self, name: str) -> Path:
        """A built program."""
        if name == "pause":
            return self._part("pause", key_of(_RECIPE, _PAUSE.read_text()), self._compile_pause)
        command = self.commands[name]
        return self._part(name, self._command_key(command), lambda target: self._build_one(command, target))

    def _build_one(self, command: GoCommand, target: Path) -> None:
        """Rebuild a program that was damaged after its job ended."""
        scratch = target.with_name(f"{target.name}.d")
        scratch.mkdir()
        build_commands([command], scratch, cache=self.store.folder, programs=self.programs)
        (scratch / command.output).replace(target)
        scratch.rmdir()

    def _compile_pause(self, target: Path) -> None:
        self.programs.run(["gcc", "-Os", "-static", "-s", "-o", str(target), str(_PAUSE)], limit=60)

    def _image(self, place: Place) -> Path:
        """The archive of an image."""
        recipe = RECIPES[place.name]
        layers = [*([self._base(recipe.packages)] if recipe.packages else []), *self._own_layer(place.name, recipe)]
        config = Blob.of_json(IMAGE_CONFIG, recipe.config(self.architecture, [layer.diff_id for layer in layers]))
        blobs = (config, *(layer.blob for layer in layers))
        manifest = Blob.of_json(
            IMAGE_MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": IMAGE_MANIFEST,
                "config": config.descriptor,
                "layers": [layer.blob.descriptor for layer in layers],
            },
        )
        image = ArchivedImage(place.images[0], manifest, blobs)
        key = key_of(_RECIPE, image.reference, manifest.digest)
        return self._part(f"{place.name}.tar", key, lambda target: write_archive(target, [image]))

    def _own_layer(self, name: str, recipe: ImageRecipe) -> list[Layer]:
        contents: list[Content] = [
            *(Folder(path, mode) for path, mode in recipe.folders),
            *(PlacedFile(path, self._command(command)) for path, command in recipe.commands),
            *(Link(path, target) for path, target in recipe.links),
        ]
        inputs = [str(content) for content in contents]
        if recipe.sources:
            folder = module_folder(*recipe.source_module, cache=self.store.folder, programs=self.programs)
            sources = [PlacedFile(path, folder / source) for path, source in recipe.sources]
            contents += sources
            inputs += [f"{file.path} {sha256_of(file.source)}" for file in sources]
        return [self._layer(f"{name}.layer", inputs, contents)]

    def _base(self, packages: tuple[str, ...]) -> Layer:
        """The layer of Debian packages, shared by all images with the same packages, so that a host unpacks it once."""
        return self._layer("base.layer", [self._base_key(packages)], [DebianTree(self._base_tree(packages))])

    def _base_key(self, packages: tuple[str, ...]) -> str:
        return key_of(_RECIPE, self.architecture, packages)

    def _base_tree(self, packages: tuple[str, ...]) -> Path:
        return self._part("base.tree.tar", self._base_key(packages), lambda target: unpack_packages(packages, target, self.programs))

    def _layer(self, name: str, inputs: list[str], contents: list[Content]) -> Layer:
        path = self._part(name, key_of(_RECIPE, inputs), lambda target: _write(target, contents))
        return layer_of(path, diff_id_of(path))

    def _key(self) -> str:
        """The key of all inputs of the bundle."""
        return key_of(
            _RECIPE,
            [command.inputs for command in self.commands.values()],
            [str(recipe) for recipe in RECIPES.values() if recipe in self.recipes.values()],
            [str(place) for place in self.places.values()],
            [path.read_text() for path in (_PAUSE, *sorted(UNITS.iterdir()))],
        )

    @staticmethod
    def _title(place: Place) -> str:
        return f"{place.kind} {place.name} {place.version}"


def _go_title(commands: list[GoCommand]) -> str:
    """The module and the commands, shortened for a progress line."""
    others = f" and {len(commands) - 1} more" if len(commands) > 1 else ""
    return f"go {commands[0].module}: {commands[0].name}{others}"


def _go_rank(command: GoCommand) -> int:
    """The order of the jobs: slow modules first, so that no slow job remains at the end."""
    slow = ("kubernetes", "calico", "coredns", "flannel", "containerd", "etcd")
    module = command.module.rpartition("/")[2]
    return slow.index(module) if module in slow else len(slow)


def _write(target: Path, contents: list[Content]) -> None:
    write_layer(target, contents)
