"""What PATH is: a dataset, or a Worker."""

from pathlib import Path
from typing import Final

from cli.errors import InputError
from cli.publish.dataset import ENDINGS
from cli.publish.worker_folder import FILE_ENDINGS

DATASET: Final = "dataset"
WORKER: Final = "worker"


def kind_of(path: Path) -> str:
    """Return `DATASET` or `WORKER`.

    Raises:
        InputError: It is neither, or does not exist.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    if path.is_dir() or path.suffix.lower() in FILE_ENDINGS:
        return WORKER
    if path.suffix.lower() in ENDINGS:
        return DATASET
    raise InputError(
        f"{path.name} is nothing that can be published.",
        f"A dataset ends in {', '.join(ENDINGS)}, a Worker in {', '.join(FILE_ENDINGS)} or is a "
        "folder; for another server's API, give --wrap URL.",
    )
