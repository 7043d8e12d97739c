"""The programs that the stack runs: fetched once from Maven's central repository, verified at every start.

`maven.sha256` pins every jar of Kafka's class path and the registry's archive, `registry.sha256` every file in that
archive; both are in the format of `sha256sum -c`. To move to another version: resolve `org.apache.kafka:kafka_2.13`
and, apart from it, `org.apache.logging.log4j:log4j-slf4j-impl` with `jgo` (together, the parent of the one would lower
the versions of the other), take the archive of `io.apicurio:apicurio-registry-app`, and write both files anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import requests
from jgo.maven import MavenContext, PythonResolver

from gebus.model.errors import StackError
from gebus.stack.report import Report

_READ = 1 << 20
_FETCHES = 4
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where the verified programs lie."""

    kafka: tuple[Path, ...]
    """The jars of Kafka's class path."""
    registry: Path
    """The registry's unpacked archive."""


def cache() -> Path:
    """The directory of what is fetched: GEBUS_CACHE, or `~/.cache/gebus`."""
    return Path(os.environ.get("GEBUS_CACHE") or Path.home() / ".cache" / "gebus").absolute()


def pins(name: str) -> dict[str, str]:
    """The digests of one of the two files, by path."""
    lines = files("gebus.stack").joinpath(name).read_text().splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def prepare(cache: Path, report: Report) -> Artifacts:
    """Fetch what is missing, then verify everything.

    Promised: no network is touched if nothing is missing; nothing is returned that differs from its pin; two callers
    with the same cache do not disturb each other.
    """
    maven, registry = pins("maven.sha256"), pins("registry.sha256")
    archive = next(path for path in maven if path.endswith(".tar.gz"))
    jars = {path: digest for path, digest in maven.items() if path != archive}
    place = cache / "registry" / maven[archive][:16]
    with _alone(cache):
        _fetch(cache, jars if place.is_dir() else maven, report)
        verify(cache / "maven", jars)
        if not place.is_dir():
            verify(cache / "maven", {archive: maven[archive]})
            _unpack(cache / "maven" / archive, place, report)
        verify(place, registry, closed=True)
    return Artifacts(tuple(cache / "maven" / path for path in jars), place)


def verify(root: Path, pinned: Mapping[str, str], *, closed: bool = False) -> None:
    """Raise StackError unless every pinned file below `root` has its digest; `closed`: and there is no other file."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(pinned, pool.map(lambda path: _digest(root / path), pinned), strict=True))
    for path, expected in pinned.items():
        if found[path] != expected:
            raise StackError(
                f"{root / path} is not what gebus was tested with: sha256 expected {expected}, found {found[path]}; "
                f"delete {root} and run `gebus up` to fetch it again, and if it differs again, do not use it"
            )
    if closed:
        there = {str(path.relative_to(root).as_posix()) for path in root.rglob("*") if not path.is_dir()}
        for path in sorted(there - pinned.keys()):
            raise StackError(
                f"{root / path} is unknown: sha256 expected none, found {_digest(root / path)}; "
                f"delete {root} and run `gebus up` to unpack it again"
            )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_READ):
                digest.update(block)
    except FileNotFoundError:
        return "no file"
    return digest.hexdigest()


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(cache: Path, wanted: Mapping[str, str], report: Report) -> None:
    missing = [path for path in wanted if not (cache / "maven" / path).exists()]
    if not missing:
        return
    report.step(f"fetching {len(missing)} artifacts into {cache / 'maven'}")
    # Fetched aside and moved when whole and verified: what lies in the cache was never half a file.
    with TemporaryDirectory(prefix="incoming-", dir=cache) as aside, ThreadPoolExecutor(_FETCHES) as pool:
        incoming = Path(aside)
        context = MavenContext(
            resolver=PythonResolver(progress_callback=report.fetching), repo_cache=incoming, timeout=_TIMEOUT_SECONDS
        )
        fetches = [pool.submit(_fetch_one, context, path) for path in missing]
        try:
            for fetch in fetches:
                fetch.result()
        except (requests.RequestException, RuntimeError) as error:
            pool.shutdown(cancel_futures=True)
            raise StackError(
                f"cannot fetch the artifacts of the stack: {error}; the first `gebus up` needs Maven's central "
                f"repository, or a copy of another machine's {cache}"
            ) from error
        verify(incoming, {path: wanted[path] for path in missing})
        for path in missing:
            target = cache / "maven" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (incoming / path).replace(target)


def _fetch_one(context: MavenContext, path: str) -> None:
    *group, artifact, version, file = PurePosixPath(path).parts
    classifier, _, packaging = file.removeprefix(f"{artifact}-{version}").removeprefix("-").partition(".")
    component = context.project(".".join(group), artifact).at_version(version)
    component.artifact(classifier, packaging).resolve()


def _unpack(archive: Path, place: Path, report: Report) -> None:
    report.step(f"unpacking the registry into {place}")
    aside = place.with_name(f".{place.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(aside, filter="data")
    aside.replace(place)
    # Its files are pinned one by one: the archive would only take 158 MB more.
    archive.unlink()
