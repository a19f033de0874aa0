"""Installs the npm packages of the local payment economy: chain, facilitator and client.

They are 300 MB, so they are installed only for tests and `PAYMENTS=1`.
"""

from pathlib import Path

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup.machine import Machine
from dev.setup.node import Node
from dev.setup.npm import install, missing_package
from dev.setup.progress import shown
from dev.setup.stamp import STAMP_NAME, fingerprint, is_stamped, write_atomically


def ensure_economy(layout: Layout, node: Node, machine: Machine, lock: int) -> None:
    """Install the packages in the economy's package-lock.json.

    Args:
        layout: The clone.
        node: The Node.js to use.
        machine: The machine, which determines the build of anvil.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: npm failed, or omitted anvil for this machine.
        MachineError: anvil has no build for this machine.
    """
    package = machine.anvil_package()
    stamp = layout.economy / "node_modules" / STAMP_NAME
    inputs = [layout.economy / "package.json", layout.economy / "package-lock.json"]
    expected = fingerprint(*inputs, package)
    if is_stamped(stamp, expected) and anvil_binary(layout, package).exists():
        return
    with shown("Installing the local chain and the x402 facilitator"):
        install(layout, node, layout.economy, "npm-ci-economy", lock)
        if not anvil_binary(layout, package).exists():
            raise missing_package(package)
        write_atomically(stamp, expected.encode())


def anvil_binary(layout: Layout, package: str) -> Path:
    """Return the path of anvil in its npm package."""
    return layout.economy / "node_modules" / package / "bin" / "anvil"


def find_anvil(layout: Layout) -> Path:
    """Return the path of the installed anvil.

    Raises:
        SetupError: It is not installed.
    """
    binary = anvil_binary(layout, Machine.current().anvil_package())
    if not binary.exists():
        raise SetupError(
            "The local chain is not installed: use the Makefile's targets, for example "
            "`make dev PAYMENTS=1` or `make test`, which install it first."
        )
    return binary
