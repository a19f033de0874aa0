"""Compares screenshots of the page with the accepted ones.

Chromium builds differ in font smoothing, so all pixels may differ slightly, and a few clearly.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

ACCEPTED = Path(__file__).parent / "accepted"

PIXEL_TOLERANCE = 48
"""Maximum difference of a channel of a blurred pixel, of 255."""

DIFFERENT_SHARE_MAX = 0.001


def compare(name: str, picture: bytes, found: Path) -> None:
    """Fail if `picture` differs from the accepted one; with `ACCEPT=1`, accept it.

    Both are blurred by a pixel first. The new picture and the differences are saved in `found`.
    """
    accepted = ACCEPTED / f"{name}.png"
    new = Image.open(io.BytesIO(picture)).convert("RGB")
    if os.environ.get("ACCEPT"):
        ACCEPTED.mkdir(exist_ok=True)
        new.quantize(128).save(accepted, optimize=True)
        return
    assert accepted.exists(), f"There is no accepted picture {name}: run `make accept`."
    old = Image.open(accepted).convert("RGB")
    found.mkdir(parents=True, exist_ok=True)
    new.save(found / f"{name}.png")
    assert new.size == old.size, f"{name} is {new.size}, accepted was {old.size}: see {found}."
    blur = ImageFilter.GaussianBlur(1)
    difference = ImageChops.difference(new.filter(blur), old.filter(blur)).convert("L")
    mask = difference.point(lambda value: 255 if value > PIXEL_TOLERANCE else 0)
    share = sum(mask.histogram()[255:]) / (new.width * new.height)
    mask.save(found / f"{name}-difference.png")
    assert share <= DIFFERENT_SHARE_MAX, (
        f"{share:.2%} of {name} differs from the accepted picture: see {found}, then fix the page "
        "or run `make accept`."
    )
