"""The npm packages of the local payment economy: chain, facilitator, client.

They come to 150 MB that a dispatcher without payments has no use for, so they are
installed for tests and for `PAYMENTS=1` alone.
"""

from pathlib import Path

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup.machine import Machine
from dev.setup.node import Node
from dev.setup.npm import install, left_out
from dev.setup.progress import shown
from dev.setup.stamp import STAMP_NAME, fingerprint, is_stamped, write_atomically


def ensure_economy(layout: Layout, node: Node, machine: Machine, lock: int) -> None:
    """Install what the package-lock.json of the economy names.

    Args:
        layout: The clone.
        node: Which Node.js to use.
        machine: Which of anvil's builds must be there afterwards.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: npm failed, or left out anvil for this machine.
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
            raise left_out(package)
        write_atomically(stamp, expected.encode())


def anvil_binary(layout: Layout, package: str) -> Path:
    """Return the path of the program anvil in the npm package that holds it."""
    return layout.economy / "node_modules" / package / "bin" / "anvil"


def find_anvil(layout: Layout) -> Path:
    """Return the installed program anvil.

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
