"""The glue of the counting bundle: every patch fits, or is reported."""

import pytest

from bench.budget.glue import COUNTING, PATCHES, counting_glue
from dev.errors import VersionFitError
from dev.layout import HERE
from dev.setup.pyodide_patches import Patch, apply_patches


def test_the_patches_fit_the_pinned_pyodide() -> None:
    glue = (HERE.node_modules / "pyodide" / "pyodide.asm.mjs").read_text(encoding="utf-8")
    counting = counting_glue(glue)
    assert counting.startswith(COUNTING.read_text(encoding="utf-8"))
    assert all(patch.new in counting for patch in PATCHES)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.purpose)
def test_a_patch_that_does_not_apply_is_reported(patch: Patch) -> None:
    with pytest.raises(VersionFitError, match=patch.purpose):
        apply_patches(patch.old * (patch.times + 1), [patch])
