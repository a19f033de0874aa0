"""The machines that workerd and anvil support, and their npm packages for each.

workerd needs glibc 2.35 (https://github.com/cloudflare/workerd#running-workerd), and so does
the Linux build of anvil (according to its symbol versions).
"""

import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from dev.errors import MachineError

_WORKERD_PACKAGES = {
    ("Linux", "x86_64"): "linux-64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Linux", "arm64"): "linux-arm64",
    ("Darwin", "x86_64"): "darwin-64",
    ("Darwin", "arm64"): "darwin-arm64",
}
_ANVIL_PACKAGES = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Linux", "arm64"): "linux-arm64",
    ("Darwin", "x86_64"): "darwin-amd64",
    ("Darwin", "arm64"): "darwin-arm64",
}
MINIMUM_GLIBC = (2, 35)
MINIMUM_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Machine:
    """The properties of a machine that packages depend on.

    Args:
        system: The result of `platform.system`.
        architecture: The result of `platform.machine`.
        libc: Name and version of the C library; empty if unknown or not Linux.
    """

    system: str
    architecture: str
    libc: tuple[str, str]

    @classmethod
    def current(cls) -> "Machine":
        """Return this machine."""
        return cls(platform.system(), platform.machine(), platform.libc_ver())

    def workerd_package(self) -> str:
        """Return the npm package of workerd for this machine.

        Raises:
            MachineError: There is none, or it does not run here.
        """
        remedy = "use Linux (x86-64 or arm64, glibc) or macOS; on Windows, use WSL 2."
        return f"@cloudflare/workerd-{self._build('workerd', _WORKERD_PACKAGES, remedy)}"

    def anvil_package(self) -> str:
        """Return the npm package of anvil, the local chain, for this machine.

        Raises:
            MachineError: There is none, or it does not run here.
        """
        remedy = "run without PAYMENTS=1, or use Linux (x86-64 or arm64, glibc) or macOS."
        return f"@foundry-rs/anvil-{self._build('anvil', _ANVIL_PACKAGES, remedy)}"

    def _build(self, program: str, packages: Mapping[tuple[str, str], str], remedy: str) -> str:
        name = packages.get((self.system, self.architecture))
        if name is None:
            raise MachineError(
                f"{program} has no build for {self.system or 'this system'} on "
                f"{self.architecture or 'this processor'}: {remedy}"
            )
        if self.system == "Linux":
            self._check_libc(program)
        return name

    def _check_libc(self, program: str) -> None:
        library, version = self.libc
        if library != "glibc":
            raise MachineError(
                f"{program} needs glibc, and this Linux has another C library (musl?): use a "
                "distribution with glibc, for example Debian 12."
            )
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        if numbers < MINIMUM_GLIBC:
            minimum = ".".join(str(number) for number in MINIMUM_GLIBC)
            raise MachineError(
                f"{program} needs glibc {minimum} or newer, and this machine has {version}: use a "
                "newer distribution, for example Debian 12 or Ubuntu 22.04."
            )


def check_python() -> None:
    """Check that this Python is new enough for the code in `dev/`.

    Raises:
        MachineError: It is too old.
    """
    if sys.version_info[:2] < MINIMUM_PYTHON:
        raise MachineError(
            f"Python 3.11 or newer is needed and this is {platform.python_version()}: install a "
            "newer one, then run the same command again."
        )
