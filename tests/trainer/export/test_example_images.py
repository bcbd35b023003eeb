"""Images that the exported example reads: it has the pixels that training had."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lemonade_es.trainer.data.decoding import BROKEN, UnusableImageError, decode, read_header
from tests.trainer.export.folder import Places, exported

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def turned(folder, picture):
    """The picture in files that say in several ways how it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "exif.jpg", exif=exif)
    picture.save(folder / "exif.png", exif=exif)
    picture.save(folder / "exif.webp", exif=exif, lossless=True)
    picture.save(folder / "tag.tiff", tiffinfo={0x0112: 6})
    picture.save(folder / "xmp.jpg", xmp=XMP)
    note = PngInfo()
    note.add_itxt("XML:com.adobe.xmp", XMP.decode())
    picture.save(folder / "xmp.png", pnginfo=note)
    picture.save(folder / "damaged.png", exif=b"Exif\0\0no metadata")
    return sorted(path.name for path in folder.glob("*.*"))


def test_the_example_has_the_pixels_that_training_had(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    names = turned(tmp_path, Image.fromarray(colours))
    Image.fromarray(colours[..., 0] * np.uint16(257)).save(tmp_path / "deep.png")
    Image.fromarray(colours[..., 1] * np.uint16(257)).save(tmp_path / "deep.tiff")
    Image.fromarray(colours[..., :2]).save(tmp_path / "clear.png")
    names += ["deep.png", "deep.tiff", "clear.png"]
    shape, scale = [3, 4, 6], {"mean": 0, "std": 1}
    done = exported(tmp_path, "image", Places(), input={"shape": shape}, target=scale)(*names)
    assert done.returncode == 0, done.stderr
    places = np.arange(1, np.prod(shape) + 1)
    wanted = [int((decode(tmp_path / name, (4, 6), 3).ravel() * places).sum()) for name in names]
    assert done.stdout.splitlines() == [f"{name}: {total}" for name, total in zip(names, wanted, strict=True)]
    assert len(set(wanted)) > 4


@pytest.mark.parametrize("name", ["deep.tiff", "wide.tiff", "float.tiff", "picture.gif", "damaged.png"])
def test_an_image_that_training_refuses_gets_no_answer(tmp_path, name):
    picture = Image.new("L", (2, 2))
    Image.fromarray(np.full((2, 2), 70_000, dtype=np.int32)).save(tmp_path / "deep.tiff")
    Image.fromarray(np.full((2, 2), 255, dtype=np.int32)).save(tmp_path / "wide.tiff")
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "float.tiff")
    picture.save(tmp_path / "picture.gif")
    picture.save(tmp_path / "damaged.png")
    content = (tmp_path / "damaged.png").read_bytes()
    (tmp_path / "damaged.png").write_bytes(content.replace(b"IDAT", b"IDAX"))
    with pytest.raises((*BROKEN, UnusableImageError)):
        read_header(tmp_path / name), decode(tmp_path / name, (2, 2), 1)
    done = exported(tmp_path, "image")(name)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"error: {re.escape(name)}: .+\n", done.stderr)
