"""Many image files: checked by their headers first, then decoded."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import memory
from lemonade_es.trainer.data.decoding import Header, UnusableImageError, decode, read_header
from lemonade_es.trainer.data.names import first_three, the_first
from lemonade_es.trainer.data.readers import Failure, each, shared_array
from lemonade_es.trainer.data.source import Inputs, Wanted
from lemonade_es.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAMED = 20
"""Files that cannot be read: whoever removes them is not sent back for every three."""

_DARK = 64
"""Where the brightest sample of all is below, three quarters of the range are not used."""


def read_pictures(files: Sequence[Path], wanted: Wanted, *, root: Path, checked: Sequence[Path] = ()) -> Inputs:
    """Decode image files.

    Without a wanted number of channels, images become grey (1 channel) if all of them are grey, else RGB.

    Args:
        files: the files, at least one.
        wanted: the size and channels to bring them to.
        root: the data set's folder, for messages.
        checked: other files, which are decoded to see whether they can be, and not kept.

    Raises:
        DataError: files cannot be read, have different sizes, or would not fit in memory; all unreadable
            ones are counted, and the first twenty named.
    """
    everything = [*files, *checked]
    settled = wanted.channels is not None
    with _decoder_warnings():
        headers, failures = each(lambda index: read_header(everything[index]), everything)
        if failures:  # reported together with what only decoding would find
            named = {path for path, _ in failures}
            others = [path for path in everything if path not in named]
            _, more = each(lambda index: decode(others[index], wanted.size, 3).shape, others)
            raise _unreadable([*failures, *more], len(everything), root, settled=settled)
        height, width = wanted.size or _common_size(headers, root)
        coloured = sum(not header.grey for header in headers[len(files) :])
        del headers[len(files) :]
        channels = wanted.channels or (1 if all(header.grey for header in headers) else 3)
        memory.require(len(files), (channels, height, width), where=str(root))
        pixels = shared_array((len(files), channels, height, width))

        def fill(index: int) -> bytes:
            image = decode(everything[index], wanted.size, channels)
            if image.shape != pixels.shape[1:]:
                raise UnusableImageError("its size is not the one that its header says")
            if index < len(files):
                pixels[index] = image
            return b"" if settled else hashlib.blake2b(image.tobytes(), digest_size=16).digest()

        digests, failures = each(fill, everything)
    if failures:
        raise _unreadable(failures, len(everything), root, settled=settled)
    if settled:  # what there is to say was said when the data set was read for the first time
        return Inputs(pixels, ())
    resized = ", once resized" if wanted.size else ""
    notes = list(_notes(headers, channels))
    if channels == 1 and coloured:
        notes.append(f"{coloured} of {len(checked)} test images have colours; they will be converted to grey")
    return Inputs(pixels, (*notes, *_darkness(pixels, root), *_repetitions(digests, resized)))


@contextmanager
def _decoder_warnings() -> Iterator[None]:
    """Pillow warns of damaged metadata, which do not matter here, and of bombs, which are refused."""
    from PIL import Image

    Image.init()  # its list of formats is filled on first use, and must not be filled by two threads
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _unreadable(failures: Sequence[Failure], count: int, root: Path, *, settled: bool) -> DataError:
    """The error for files that cannot be read; ``settled`` if the form is of a data set that was read before."""
    named = the_first(_NAMED, [f"{path.relative_to(root)} ({reason})" for path, reason in sorted(failures)])
    return DataError(
        f"{len(failures)} of {count} images cannot be read: {named}",
        where=str(root),
        hint="repair these files: without them it is another data set"
        if settled
        else "repair or remove these files; where a run on them has begun, repair them",
    )


def _common_size(headers: Sequence[Header], root: Path) -> tuple[int, int]:
    """Height and width of all images."""
    sizes = Counter((header.width, header.height) for header in headers)
    if len(sizes) > 1:
        # Most frequent first, then by size: the same message whatever the order of the files.
        ranked = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
        named = first_three([f"{width}x{height} ({count})" for (width, height), count in ranked])
        raise DataError(
            f"the images have {len(ranked)} different sizes: {named}",
            where=str(root),
            hint="use --resize N to bring all of them to N x N pixels",
        )
    (width, height) = next(iter(sizes))
    return height, width


def _notes(headers: Sequence[Header], channels: int) -> tuple[str, ...]:
    notes = []
    grey = sum(header.grey for header in headers)
    if channels == 3 and grey:
        notes.append(f"{grey} of {len(headers)} images are grey; they were converted to RGB")
    if channels == 1 and grey < len(headers):
        notes.append(f"{len(headers) - grey} of {len(headers)} images have colours; they were converted to grey")
    transparent = sum(header.transparent for header in headers)
    if transparent:
        notes.append(f"{transparent} of {len(headers)} images have an alpha channel; they were laid on white")
    return tuple(notes)


def _repetitions(digests: Sequence[bytes], resized: str) -> tuple[str, ...]:
    repeated = len(digests) - len(set(digests))
    if not repeated:
        return ()
    repeat, they = ("repeats", "it was") if repeated == 1 else ("repeat", "they were")
    told = f"{counted(repeated, 'image')} {repeat} another one{resized}, pixel for pixel; {they} kept"
    return (f"{told}, and the same image may be in several splits and classes",)


def _darkness(pixels: NDArray[np.uint8], root: Path) -> tuple[str, ...]:
    """What to say of images that use a small part of the range: 12-bit samples in 16-bit files, most often.

    Raises:
        DataError: they use none of it.
    """
    brightest = int(pixels.max())
    cure = "16-bit samples keep their upper 8 bits: stretch them to the full range beforehand"
    if brightest == 0:
        raise DataError("all images are black: there is nothing to learn from", where=str(root), hint=cure)
    if brightest >= _DARK:
        return ()
    shades = f"the brightest sample is {brightest} of 255, so there are {brightest + 1} shades at most"
    return (f"all images are dark: {shades} ({cure})",)
