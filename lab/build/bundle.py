"""Builds the lab's artifact bundle: once for the same inputs, and from where a killed build stopped."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from bundle.archive import IMAGE_CONFIG, IMAGE_MANIFEST, ArchivedImage, Blob, write_archive
from bundle.cache import cache_folder
from bundle.layout import UNITS, Place, Versions, places
from bundle.manifest import MANIFEST_NAME, Architecture, BundleFile, BundleManifest, FileKind, read_manifest
from bundle.pack import compress, describe, write_manifest
from bundle.progress import Progress, on_stderr
from bundle.verify import sha256_of
from cluster.vocabulary.errors import SixstackError
from lab.build.commands import go_commands
from lab.build.debian import BUILDER_PACKAGES, unpack_packages
from lab.build.golang import build_command, module_folder
from lab.build.images import RECIPES, ImageRecipe
from lab.build.layer import Content, DebianTree, Folder, Layer, Link, PlacedFile, diff_id_of, layer_of, write_layer
from lab.build.program import Programs
from lab.build.store import Store, key_of
from lab.packages import install_missing

_PAUSE = Path(__file__).parent / "pause.c"
# raise it when the files of a bundle change while their inputs do not
_RECIPE = 1
# each Go build uses every core by itself; two keep the cores busy while one links
_AT_ONCE = 2


def build_bundle(progress: Callable[[str], None] = on_stderr) -> Path:
    """The folder of a bundle for this machine's architecture, built when the cache has none; errors as EnvironmentFault.

    May be killed at any point: the next call goes on with the parts that are done. Two calls at once: the second one waits.
    """
    store = Store(cache_folder())
    builder = _Builder(store, Versions(), Architecture.of_this_machine())
    if not builder.finished:
        with store.locked(progress):
            if not builder.finished:
                install_missing(progress, BUILDER_PACKAGES)
                builder.build(progress)
    return builder.folder


class _Builder:
    """One bundle's way from sources to a folder."""

    def __init__(self, store: Store, versions: Versions, architecture: Architecture) -> None:
        self.store, self.versions, self.architecture = store, versions, architecture
        self.commands = go_commands(versions)
        self.places = places(versions)
        self.name = f"lab-v{versions.kubernetes}-{architecture}"
        self.folder = store.bundles / f"{self.name}-{self._key()}"
        self.programs = Programs()
        self._locks: dict[str, threading.Lock] = {}
        self._locks_lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """The folder holds a manifest and every file has its size; whether the bytes are right is `sixstack bundle verify`'s to say."""
        if not (self.folder / MANIFEST_NAME).is_file():
            return False
        try:
            manifest = read_manifest(self.folder)
        except SixstackError:
            return False
        files = ((self.folder / file.path, file.size) for file in manifest.files)
        return all(path.is_file() and path.stat().st_size == size for path, size in files)

    def build(self, progress: Callable[[str], None]) -> None:
        """Make every part, then the folder."""
        order = sorted(self.places.values(), key=self._rank)
        shown = Progress(progress, [self._title(place) for place in order], "building")
        progress(f"building {self.name} in {self.store.folder}: {len(order)} files; the first time takes about half an hour on two cores")
        unfinished = self.store.temporary(self.store.bundles, self.folder.name)
        unfinished.mkdir()
        with shown.beating(), ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="build") as pool:
            made = [pool.submit(self._make, place, unfinished, shown) for place in order]
            try:
                wait(made, return_when=FIRST_EXCEPTION)
                for future in made:
                    if future.done():
                        future.result()
            except BaseException:
                self.programs.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        files = tuple(future.result() for future in made)
        write_manifest(
            unfinished,
            BundleManifest(name=self.name, kubernetes_version=f"v{self.versions.kubernetes}", architecture=self.architecture, files=files),
        )
        os.sync()
        if self.folder.exists():  # a damaged one
            shutil.rmtree(self.folder)
        unfinished.replace(self.folder)
        progress(f"bundle ready: {self.folder} ({sum(file.size for file in files) // 1_000_000} MB)")

    def _make(self, place: Place, folder: Path, shown: Progress) -> BundleFile:
        with shown.part(self._title(place)):
            stored, content = self._stored(place)
            target = folder / place.path
            target.parent.mkdir(parents=True, exist_ok=True)
            # a copy, not a link: harm done to a bundle must not reach the cache it is mended from
            shutil.copyfile(stored, target)
            return describe(place, target, target if stored == content else content)

    def _stored(self, place: Place) -> tuple[Path, Path]:
        """(file as stored, file as a host has it), both in the cache."""
        if place.kind is FileKind.UNIT:
            unit = UNITS / place.name
            return unit, unit
        if place.kind is FileKind.IMAGE:
            archive = self._image(place)
            return archive, archive
        content = self._command(place.name)
        return self._part(f"{place.name}.gz", key_of(_RECIPE, content.name), lambda target: compress(content, target)), content

    def _part(self, name: str, key: str, make: Callable[[Path], None]) -> Path:
        """A part of the store, made by one thread only; the other ones wait for it."""
        with self._locks_lock:
            lock = self._locks.setdefault(f"{name}-{key}", threading.Lock())
        with lock:
            return self.store.part(name, key, make)

    def _command(self, name: str) -> Path:
        """A built program."""
        if name == "pause":
            return self._part("pause", key_of(_RECIPE, _PAUSE.read_text()), self._compile_pause)
        command = self.commands[name]
        return self._part(
            name,
            key_of(_RECIPE, self.architecture, command.inputs),
            lambda target: build_command(command, target, cache=self.store.folder, programs=self.programs),
        )

    def _compile_pause(self, target: Path) -> None:
        self.programs.run(["gcc", "-Os", "-static", "-s", "-o", str(target), str(_PAUSE)], limit=60)

    def _image(self, place: Place) -> Path:
        """An image's archive."""
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
        """The layer of Debian packages, one and the same for all images that ask for them: a host unpacks it once."""
        key = key_of(_RECIPE, self.architecture, packages)
        tar = self._part("base.tree.tar", key, lambda target: unpack_packages(packages, target, self.programs))
        return self._layer("base.layer", [key], [DebianTree(tar)])

    def _layer(self, name: str, inputs: list[str], contents: list[Content]) -> Layer:
        path = self._part(name, key_of(_RECIPE, inputs), lambda target: _write(target, contents))
        return layer_of(path, diff_id_of(path))

    def _key(self) -> str:
        """Names the bundle by everything that goes into it."""
        return key_of(
            _RECIPE,
            [command.inputs for command in self.commands.values()],
            [str(recipe) for recipe in RECIPES.values()],
            [str(place) for place in self.places.values()],
            [path.read_text() for path in (_PAUSE, *sorted(UNITS.iterdir()))],
        )

    def _rank(self, place: Place) -> tuple[int, str]:
        """What takes long first; and Kubernetes together, as its commands share most packages."""
        slow = ("kubeadm", "calico-node", "containerd", "kubelet", "kube-apiserver", "flannel", "coredns")
        return (slow.index(place.name) if place.name in slow else len(slow), place.path.parent.name)

    @staticmethod
    def _title(place: Place) -> str:
        return f"{place.kind} {place.name} {place.version}"


def _write(target: Path, contents: list[Content]) -> None:
    write_layer(target, contents)
