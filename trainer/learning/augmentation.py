"""Rotation, crop and flip on a whole batch of images at once, with one random draw for each image.

torchvision's batch transforms draw one set of parameters for the whole batch; its per-image ones run Python
for each image. Here the three are one nearest-neighbour gather on uint8, pixel for pixel what
``RandomRotation``, ``RandomHorizontalFlip`` and ``RandomCrop`` on PIL images give for the same draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lemonade_es.trainer.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Draws:
    """The random parameters of a batch, one of each for each image.

    Attributes:
        angles: rotation in radians, counterclockwise, ``(N,)``; ``None`` for no rotation.
        mirrored: whether the image is flipped left to right, bool ``(N,)``; ``None`` for no flips.
        tops: upper edge of the crop in the padded image, ``(N,)``; ``None`` for no crop.
        lefts: left edge of the crop, likewise.
    """

    angles: Tensor | None
    mirrored: Tensor | None
    tops: Tensor | None
    lefts: Tensor | None


class Augmentation:
    """The augmentation of a recipe for images of one size.

    Args:
        recipe: which transforms, how strong.
        height: of the images, in pixels.
        width: likewise.
        flip: whether a mirrored image keeps its label; the recipe's flip counts only then.
        device: where the batches lie.
    """

    def __init__(self, recipe: Recipe, height: int, width: int, *, flip: bool, device: torch.device) -> None:
        self._height, self._width = height, width
        self._radians = math.radians(recipe.rotation)
        self._flip = recipe.flip and flip
        self._crop = recipe.crop
        side = recipe.crop_size if recipe.crop else None
        usual = 0 if side else min(height, width) // 8
        self._padding = usual if recipe.crop_padding is None else recipe.crop_padding
        self._window = (
            min(side or height, height + 2 * self._padding),
            min(side or width, width + 2 * self._padding),
        )
        self._device = device
        # Pixel centres of the result, as positions in the crop: a smaller window is scaled back.
        rows = (torch.arange(height, device=device) + 0.5) * (self._window[0] / height)
        columns = (torch.arange(width, device=device) + 0.5) * (self._window[1] / width)
        self._rows = rows.floor_().add_(0.5).view(1, height, 1)
        self._columns = columns.floor_().add_(0.5).view(1, 1, width)

    @property
    def changes_anything(self) -> bool:
        """Whether any transform is on."""
        return bool(self._radians or self._flip or self._crop)

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw for ``count`` images: angles uniform in +-rotation, fair flips, uniform crop offsets."""
        unit = torch.rand(4, count, generator=generator, device=self._device)
        spare = (
            self._height + 2 * self._padding - self._window[0] + 1,
            self._width + 2 * self._padding - self._window[1] + 1,
        )
        return Draws(
            angles=(unit[0] * 2 - 1) * self._radians if self._radians else None,
            mirrored=unit[1] < 0.5 if self._flip else None,
            tops=(unit[2] * spare[0]).floor_() if self._crop else None,
            lefts=(unit[3] * spare[1]).floor_() if self._crop else None,
        )

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Rotate, then flip, then crop; what comes from outside the image is black, as in torchvision.

        Args:
            images: uint8 ``(N, C, H, W)``.
            draws: for the ``N`` images.

        Returns:
            uint8 ``(N, C, H, W)``.
        """
        rows, columns, inside = self._rows, self._columns, None
        if draws.tops is not None and draws.lefts is not None:
            rows = rows + (draws.tops - self._padding).view(-1, 1, 1)
            columns = columns + (draws.lefts - self._padding).view(-1, 1, 1)
            if self._padding:
                inside = self._inside(rows, columns)
        if draws.mirrored is not None:
            columns = torch.where(draws.mirrored.view(-1, 1, 1), self._width - columns, columns)
        if draws.angles is not None:
            cosine, sine = draws.angles.cos().view(-1, 1, 1), draws.angles.sin().view(-1, 1, 1)
            down, right = rows - self._height / 2, columns - self._width / 2
            rows = (cosine * down + (sine * right + self._height / 2)).floor_()
            columns = (cosine * right - (sine * down - self._width / 2)).floor_()
            inside = self._inside(rows, columns) if inside is None else inside & self._inside(rows, columns)
        return self._gather(images, rows, columns, inside)

    def _inside(self, rows: Tensor, columns: Tensor) -> Tensor:
        return ((rows >= 0) & (rows < self._height)) & ((columns >= 0) & (columns < self._width))

    def _gather(self, images: Tensor, rows: Tensor, columns: Tensor, inside: Tensor | None) -> Tensor:
        count, channels = images.shape[:2]
        rows, columns = rows.long(), columns.long()
        if inside is not None:
            rows, columns = rows.clamp_(0, self._height - 1), columns.clamp_(0, self._width - 1)
        index = (rows * self._width + columns).expand(count, self._height, self._width)
        flat = index.reshape(count, 1, -1).expand(count, channels, self._height * self._width)
        taken = images.reshape(count, channels, -1).gather(2, flat).view(images.shape)
        return taken if inside is None else taken.mul_(inside.unsqueeze(1))
