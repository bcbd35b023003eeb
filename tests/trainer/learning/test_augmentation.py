"""Augmentation: pixel for pixel torchvision's, and drawn from its distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from lemonade_es.trainer.learning.augmentation import Augmentation, Draws
from lemonade_es.trainer.recipe import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe()


def images(count, channels=3, height=32, width=32):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(1, 256, (count, channels, height, width), generator=generator, dtype=torch.uint8)


def augmentation(recipe=RECIPE, height=32, width=32, flip=True):
    return Augmentation(recipe, height, width, flip=flip, device=CPU)


def drawn(recipe=RECIPE, count=4000, flip=True, size=32):
    return augmentation(recipe, size, size, flip).draw(count, torch.Generator().manual_seed(3))


def by_torchvision(image, angle, mirrored, top, left, padding):
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    picture = functional.rotate(picture, angle)
    picture = functional.hflip(picture) if mirrored else picture
    picture = functional.pad(picture, padding)
    picture = functional.crop(picture, top, left, *image.shape[1:])
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)


@pytest.mark.parametrize(("height", "width", "padding"), [(32, 32, 4), (8, 8, 1), (24, 16, 2)])
def test_the_result_is_torchvisions_on_pil_images(height, width, padding):
    batch = images(64, height=height, width=width)
    augment = augmentation(height=height, width=width)
    draws = augment.draw(64, torch.Generator().manual_seed(2))
    result = augment.apply(batch, draws)
    wrong = 0
    for index in range(64):
        parameters = (draws.mirrored[index], int(draws.tops[index]), int(draws.lefts[index]), padding)
        expected = by_torchvision(batch[index], math.degrees(draws.angles[index]), *parameters)
        wrong += int((result[index] != expected).any(0).sum())
    # PIL rotates with 16-bit fixed-point numbers: a pixel centre on an edge may fall to the other side
    assert wrong <= 64 * height * width // 1000


def test_angles_are_uniform_within_ten_degrees():
    angles = drawn().angles * 180 / math.pi
    assert angles.abs().max() <= 10
    assert angles.mean().abs() < 0.4
    assert angles.std().item() == pytest.approx(20 / math.sqrt(12), rel=0.05)


def test_every_crop_offset_is_about_equally_frequent():
    draws = drawn()
    for offsets in (draws.tops, draws.lefts):
        counts = torch.bincount(offsets.long(), minlength=9)
        assert len(counts) == 9
        assert ((counts - 4000 / 9).abs() < 5 * math.sqrt(4000 / 9)).all()


def test_half_of_the_images_are_flipped_independently_of_the_crop():
    draws = drawn()
    assert draws.mirrored.float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert abs(np.corrcoef(draws.mirrored.float(), draws.tops)[0, 1]) < 0.06


def test_a_batch_has_one_draw_for_each_image():
    same = images(1).expand(16, -1, -1, -1)
    augment = augmentation()
    result = augment.apply(same, augment.draw(16, torch.Generator().manual_seed(0)))
    assert len({bytes(image.numpy()) for image in result}) == 16


def test_no_flips_for_data_whose_labels_do_not_survive_them():
    assert drawn(flip=False).mirrored is None
    assert drawn(Recipe(flip=False)).mirrored is None


def test_a_recipe_without_transforms_changes_nothing():
    augment = augmentation(Recipe(rotation=0, flip=False, crop=False))
    batch = images(4)
    assert not augment.changes_anything
    assert torch.equal(augment.apply(batch, augment.draw(4, torch.Generator())), batch)


def test_the_default_padding_is_an_eighth_of_the_side():
    assert drawn(size=8).tops.unique().tolist() == [0, 1, 2]
    assert drawn(Recipe(crop_padding=2)).tops.max() == 4


def test_a_smaller_window_is_cut_inside_the_image_and_scaled_back():
    augment = augmentation(Recipe(rotation=0, flip=False, crop_size=16))
    assert augment.draw(4000, torch.Generator().manual_seed(0)).tops.unique().tolist() == list(range(17))
    batch = images(1)
    result = augment.apply(batch, Draws(None, None, torch.tensor([3.0]), torch.tensor([5.0])))
    expected = batch[:, :, 3:19, 5:21].repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(result, expected)


def test_the_size_of_a_window_is_nothing_without_one():
    augment = augmentation(Recipe(rotation=0, crop=False, crop_size=16), flip=False)
    batch = images(4)
    assert torch.equal(augment.apply(batch, augment.draw(4, torch.Generator())), batch)
    turned = augmentation(Recipe(crop=False, crop_size=16)).apply(
        batch, Draws(None, torch.tensor([True] * 4), None, None)
    )
    assert torch.equal(turned, batch.flip(3))


def test_grey_images_and_the_input_are_left_intact():
    batch = images(3, channels=1, height=8, width=8)
    before = batch.clone()
    augment = augmentation(height=8, width=8)
    assert augment.apply(batch, augment.draw(3, torch.Generator())).shape == (3, 1, 8, 8)
    assert torch.equal(batch, before)
