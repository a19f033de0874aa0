"""Runs the tools of set-up, logs their output and explains their failures."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.errors import SetupError

_DISK = "The disk is full: free some space, then run the same command again."
_NETWORK = (
    "The package registry cannot be reached: check the network and the proxy settings, "
    "then run the same command again."
)
_HASH = (
    "A downloaded package does not match its locked hash: the registry or a proxy altered it; "
    "check their settings, then run the same command again."
)
_MODE = (
    "A file of the clone is not writable: fix its owner or mode, then run the same command again."
)
_WHEEL = (
    "A locked package has no build for this Python and machine: use CPython 3.11 to "
    "3.14 on Linux (glibc) or macOS."
)
EXPLANATIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("No space left on device", "ENOSPC", "Disk quota exceeded", "EDQUOT"), _DISK),
    (("DO NOT MATCH THE HASHES", "Hash mismatch for", "EINTEGRITY"), _HASH),
    (
        (
            "Temporary failure in name resolution",
            "Failed to establish a new connection",
            "Max retries exceeded",
            "error sending request for url",
            "Network is unreachable",
            "Read timed out",
            "CERTIFICATE_VERIFY_FAILED",
            "Tunnel connection failed",
            "ENOTFOUND",
            "ECONNREFUSED",
            "ECONNRESET",
            "ETIMEDOUT",
            "EAI_AGAIN",
            "ENETUNREACH",
            "SELF_SIGNED_CERT",
            "UNABLE_TO_GET_ISSUER_CERT",
        ),
        _NETWORK,
    ),
    (
        (
            "No matching distribution found",
            "Could not find a version that satisfies",
            "has no wheels with",
        ),
        _WHEEL,
    ),
    (
        ("EACCES", "Permission denied", "EROFS", "Read-only file system"),
        _MODE,
    ),
)
"""Texts in a tool's output, and their explanation; the first match counts."""


def run_tool(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    failure: str,
    environment: Mapping[str, str] | None = None,
    keep_open: Sequence[int] = (),
) -> None:
    """Run a tool without input and wait for it.

    Args:
        arguments: The command line.
        log: The file that gets its output; overwritten.
        cwd: The folder to run it in.
        failure: The message if the reason of a failure is unknown.
        environment: Variables in addition to those of this process.
        keep_open: File descriptors that the tool inherits: the set-up lock, which then stays
            locked while an orphaned tool still writes.

    Raises:
        SetupError: The tool is missing, or its exit code was not 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        try:
            completed = subprocess.run(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                pass_fds=tuple(keep_open),
                check=False,
            )
        except FileNotFoundError as error:
            raise SetupError(f"{failure} ({arguments[0]} is missing.)") from error
    if completed.returncode != 0:
        raise SetupError(explain(log.read_text(errors="replace"), failure), log)


def explain(output: str, otherwise: str) -> str:
    """Return the explanation of a failed tool's output.

    Args:
        output: All output of the tool.
        otherwise: The message if the output has no known text.
    """
    for texts, meaning in EXPLANATIONS:
        if any(text in output for text in texts):
            return meaning
    return otherwise
