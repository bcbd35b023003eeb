from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lemonade_es.trainer.data.decoding import UnusableImageError, decode, read_header, resized

HALF_RED = [[[255, 0, 0], [0, 0, 255]]]  # one row: red, blue


def saved(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def picture_of(pixels: object, mode: str | None = None) -> Image.Image:
    picture = Image.fromarray(np.array(pixels, dtype=np.uint8))
    return picture if mode is None else picture.convert(mode)


def rows(path: Path, channels: int = 3) -> list[object]:
    """The pixels as (H, W, C) lists."""
    return decode(path, None, channels).transpose(1, 2, 0).tolist()


def test_colours_keep_their_place(tmp_path):
    assert rows(saved(picture_of(HALF_RED), tmp_path / "a.png")) == HALF_RED


def test_a_palette_gives_its_colours(tmp_path):
    path = saved(picture_of(HALF_RED, "P"), tmp_path / "a.png")
    assert not read_header(path).grey
    assert rows(path) == HALF_RED


def test_transparent_pixels_become_white_whatever_colour_they_hide(tmp_path):
    path = saved(picture_of([[[255, 0, 0, 255], [0, 0, 255, 0]]]), tmp_path / "a.png")
    assert read_header(path).transparent
    assert rows(path) == [[[255, 0, 0], [255, 255, 255]]]


def test_a_transparent_palette_colour_becomes_white(tmp_path):
    palette = picture_of(HALF_RED).quantize(2)
    blue = int(np.asarray(palette)[0, 1])
    path = saved(palette, tmp_path / "a.png", transparency=blue)
    assert rows(path) == [[[255, 0, 0], [255, 255, 255]]]


def test_grey_with_alpha_stays_grey(tmp_path):
    path = saved(picture_of([[[7, 255], [7, 0]]], None), tmp_path / "a.png")
    header = read_header(path)
    assert header.grey
    assert header.transparent
    assert rows(path, channels=1) == [[[7], [255]]]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bits_keep_their_upper_eight(tmp_path, name):
    samples = np.array([[0, 256, 0x1234, 0xFFFF]], dtype=np.uint16)
    path = saved(Image.fromarray(samples), tmp_path / name)
    assert read_header(path).grey
    assert rows(path, channels=1) == [[[0], [1], [0x12], [255]]]


def test_big_endian_sixteen_bits_keep_their_upper_eight(tmp_path):
    samples = np.array([[0, 256, 0x1234, 0xFFFF]], dtype=">u2")
    picture = Image.frombytes("I;16B", (4, 1), samples.tobytes())
    assert rows(saved(picture, tmp_path / "a.tif"), channels=3) == [[[0] * 3, [1] * 3, [0x12] * 3, [255] * 3]]


def test_bilevel_images_are_grey(tmp_path):
    path = saved(picture_of([[0, 255]], "1"), tmp_path / "a.png")
    assert read_header(path).grey
    assert rows(path, channels=1) == [[[0], [255]]]


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(picture_of(np.full((8, 8, 3), (255, 0, 0)), "CMYK"), tmp_path / "a.jpg", quality=100)
    assert not read_header(path).grey
    red, green, blue = decode(path, None, 3)[:, 4, 4]
    assert red > 240
    assert max(green, blue) < 15


def test_colours_become_grey_where_grey_is_wanted(tmp_path):
    assert rows(saved(picture_of(HALF_RED), tmp_path / "a.png"), channels=1) == [[[76], [29]]]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_the_exif_orientation_is_followed(tmp_path, name):
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:, :16] = 255  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise: white on top
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(Image.fromarray(pixels), tmp_path / name, exif=exif, **options)
    header = read_header(path)
    assert (header.width, header.height) == (16, 32)
    turned = decode(path, None, 1)[0]
    assert turned.shape == (32, 16)
    assert turned[4].min() > 250
    assert turned[-4].max() < 5


def test_floating_point_samples_are_refused(tmp_path):
    path = saved(Image.fromarray(np.array([[0.0, 1.0]], dtype=np.float32)), tmp_path / "a.tif")
    with pytest.raises(UnusableImageError, match="floating-point"):
        read_header(path)


def test_samples_of_32_bits_are_refused_even_if_they_would_fit_fewer(tmp_path):
    path = saved(Image.fromarray(np.array([[0, 255]], dtype=np.int32)), tmp_path / "a.tif")
    with pytest.raises(UnusableImageError, match="32 bits"):
        read_header(path)
    narrow = saved(Image.fromarray(np.array([[0, 0xFF00]], dtype=np.uint16)), tmp_path / "b.tif")
    read_header(narrow)
    assert decode(narrow, None, 1).tolist() == [[[0, 255]]]


def test_samples_of_unknown_range_are_refused(tmp_path):
    path = saved(Image.fromarray(np.array([[0, 70_000]], dtype=np.int32)), tmp_path / "a.tif")
    with pytest.raises(UnusableImageError, match="more than 16 bits"):
        decode(path, None, 1)


def test_a_format_is_recognised_by_its_content_not_its_name(tmp_path):
    content = io.BytesIO()
    picture_of(HALF_RED).save(content, "PNG")
    (tmp_path / "a.jpg").write_bytes(content.getvalue())
    assert rows(tmp_path / "a.jpg") == HALF_RED


def test_other_formats_are_no_images_whatever_their_name(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    with pytest.raises(UnusableImageError, match="no readable image"):
        read_header(tmp_path / "a.png")


def test_resizing_averages_over_what_it_leaves_out(tmp_path):
    checkers = np.indices((64, 64)).sum(axis=0) % 2 * 255
    path = saved(picture_of(checkers), tmp_path / "a.png")
    small = decode(path, (8, 8), 1)
    assert small.shape == (1, 8, 8)
    assert small.min() > 110
    assert small.max() < 145


def test_a_large_jpeg_shrunk_early_looks_as_one_shrunk_late(tmp_path):
    ramp = np.linspace(0, 255, 1024)[None].repeat(1024, axis=0)
    path = saved(picture_of(ramp), tmp_path / "a.jpg", quality=95)
    small = decode(path, (32, 32), 1).astype(int)
    late = np.asarray(picture_of(ramp).resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert abs(small[0] - late).max() <= 2


def test_arrays_are_resized_as_files_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12, 3), dtype=np.uint8)
    path = saved(Image.fromarray(pixels), tmp_path / "a.png")
    assert np.array_equal(resized(pixels.transpose(2, 0, 1)[None], (8, 8))[0], decode(path, (8, 8), 3))
