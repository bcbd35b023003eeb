"""One image file: its header, and its pixels as 8-bit grey or RGB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
"""What Pillow may take a file for, whatever its name says: none of these starts another program."""

MOST_PIXELS = 50_000_000
"""Of one image; a larger one is a mistake or an attack (a bomb of 10 kB can hold 10 gigapixels)."""

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)
"""What Pillow's decoders are known to raise on damaged files."""

_ORIENTATION_TAG = 0x0112
_BITS_TAG, _WIDE = 0x0102, 32  # of a sample, in TIFF files
_TURNED_BY_A_QUARTER = (5, 6, 7, 8)


class UnusableImageError(ValueError):
    """The file is an image, but not one to learn from; the message says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an image file says about itself.

    Attributes:
        width: in pixels, as displayed.
        height: in pixels, as displayed.
        grey: whether it has brightness alone.
        transparent: whether it has an alpha channel or a transparent colour.
    """

    width: int
    height: int
    grey: bool
    transparent: bool


def read_header(path: Path) -> Header:
    """The header of an image file; no pixel is decoded.

    Raises:
        UnusableImageError: it is empty, gigantic, or holds samples whose range is not known.
        OSError: it cannot be opened, or is no image; any other of :data:`BROKEN` if it is damaged.
    """
    from PIL import Image, UnidentifiedImageError
    from PIL.TiffImagePlugin import TiffImageFile

    try:
        picture = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnusableImageError(f"more than {MOST_PIXELS / 1e6:.0f} megapixels") from error
    except UnidentifiedImageError as error:
        reason = "no readable image" if path.stat().st_size else "empty file"
        raise UnusableImageError(reason) from error
    with picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise UnusableImageError(f"{width}x{height} pixels, more than {MOST_PIXELS / 1e6:.0f} megapixels")
        if picture.mode == "F":
            raise UnusableImageError("floating-point samples, whose range is not known")
        if isinstance(picture, TiffImageFile) and picture.mode == "I" and _WIDE in picture.tag_v2.get(_BITS_TAG, ()):
            raise UnusableImageError("samples of 32 bits, whose range is not known")
        if _orientation(picture) in _TURNED_BY_A_QUARTER:
            width, height = height, width
        return Header(width, height, _is_grey(picture), _is_transparent(picture))


def decode(path: Path, size: tuple[int, int] | None, channels: int) -> NDArray[np.uint8]:
    """The pixels of the first frame of an image file, uint8 ``(C, H, W)``.

    Turned as its EXIF orientation says, laid on white where it is transparent, 16-bit samples cut to
    their upper 8 bits, then resized (bilinear, antialiased) where ``size`` is not its own.

    Args:
        path: the file.
        size: wanted height and width; ``None`` keeps its own.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        OSError: the file is truncated; any other of :data:`BROKEN` if it is damaged in another way.
    """
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(path, formats=FORMATS) as picture:
        orientation = _orientation(picture)  # before load(): some formats drop it there
        if size is not None:
            # JPEG alone decodes to 1/2, 1/4 or 1/8 for less work; twice the wanted size keeps the quality.
            picture.draft(None, (2 * size[1], 2 * size[0]))
        picture.load()
        upright = picture if orientation == 1 else ImageOps.exif_transpose(picture)
        plain = _eight_bit(upright, "L" if channels == 1 else "RGB")
        if size is not None and plain.size != (size[1], size[0]):
            plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        pixels = np.asarray(plain)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def resized(pixels: NDArray[np.uint8], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Images ``(N, C, H, W)`` brought to ``size`` (height, width) as :func:`decode` does it."""
    import numpy as np
    from PIL import Image

    if size is None or pixels.shape[2:] == size:
        return pixels
    bands = [
        np.asarray(Image.fromarray(band).resize((size[1], size[0]), Image.Resampling.BILINEAR))
        for band in pixels.reshape(-1, *pixels.shape[2:])
    ]
    return np.stack(bands).reshape(*pixels.shape[:2], *size)


def _orientation(picture: Picture) -> int:
    """The EXIF orientation, 1 where there is none; Pillow turns TIFF files itself, and they have no ``exif``."""
    if "exif" not in picture.info:
        return 1
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except BROKEN:
        return 1  # damaged metadata are no reason to refuse good pixels


def _is_grey(picture: Picture) -> bool:
    return picture.mode in ("1", "L", "LA") or picture.mode.startswith("I")


def _is_transparent(picture: Picture) -> bool:
    return picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info


def _eight_bit(picture: Picture, mode: str) -> Picture:
    """``picture`` in ``mode`` (L or RGB)."""
    import numpy as np
    from PIL import Image

    if picture.mode.startswith("I"):
        samples = np.asarray(picture)
        if samples.min() < 0 or samples.max() > 0xFFFF:
            raise UnusableImageError("samples of more than 16 bits, whose range is not known")
        picture = Image.fromarray((samples >> 8).astype(np.uint8))
    elif _is_transparent(picture):
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture if picture.mode == mode else picture.convert(mode)
