"""A folder of images, a folder a class: which files belong to which class and split."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.delimited import is_delimited
from lemonade_es.trainer.data.labels import alike
from lemonade_es.trainer.data.names import first_three
from lemonade_es.trainer.data.pictures import read_pictures
from lemonade_es.trainer.data.source import PARTS, Inputs, Part, Source, Wanted
from lemonade_es.vocabulary import closest
from lemonade_es.wording import counted

EXTENSIONS = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
"""Of files that are taken for images, in any case: torchvision's list, and ``.jfif``, which is JPEG."""

_LARGEST_SIGN = 10
_SET = re.compile(r"[ _-]?sets?$")
_SIDE = re.compile("left|right", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]+")
_LAYOUTS = "the layouts are PATH/train/CLASS/* with PATH/test/CLASS/* or PATH/val/CLASS/* or both, and PATH/CLASS/*"


_Members = dict[Part, dict[str, list[str]]]
"""By split and class: the paths of the images, relative to the tree's root."""


@dataclass(slots=True)
class _Findings:
    """What a scan leaves out, for the notes; and by class, folders that are called like splits, or hold all images."""

    ignored: list[str] = field(default_factory=list)
    inside: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    seen_twice: list[str] = field(default_factory=list)
    stray: int = 0


@dataclass(frozen=True, slots=True)
class _Listing:
    """One folder: its device and inode, and the names in it, each kind sorted.

    Names, not paths, of which 60,000 take a second.
    """

    identity: tuple[int, int]
    folders: list[str]
    images: list[str]
    others: list[str]


def tree(root: Path) -> Source:
    """The images below ``root``, in one of three layouts.

    ``root/train/CLASS/*`` with ``root/test/CLASS/*``, ``root/val/CLASS/*`` (or ``valid``, ``validation``)
    or both, and ``root/CLASS/*`` without any split. Classes are sorted by name; their folders may have
    folders of their own. Hidden entries and files that are no images are left out, with a note.

    Raises:
        DataError: the folder is missing, cannot be read, or has no such layout; there are fewer than two
            classes with images; validation or test images have a class that training images have not.
    """
    findings = _Findings()
    folders = _part_folders(root, findings)
    members: _Members = {part: _classes(root, folder, findings) for part, folder in folders.items()}
    class_names = _class_names(members, root, folders["train"], findings)
    label_of = {name: label for label, name in enumerate(class_names)}

    keys: list[str] = []
    labels: list[int] = []
    parts: list[Part] = []
    for part, classes in members.items():
        for name, images in classes.items():
            keys.extend(images)
            labels.extend(label_of[name] for _ in images)
            parts.extend([part] * len(images))

    def read(_: Sequence[int], indexes: Sequence[int], wanted: Wanted) -> Inputs:
        files, checked = ([root / keys[index] for index in chosen] for chosen in (indexes, wanted.checked))
        return read_pictures(files, wanted, root=root, checked=checked)

    reason = _unmirrored(class_names)
    return Source(
        name=root.resolve().name or str(root),
        class_names=class_names,
        labels=labels,
        keys=keys,
        parts=parts,
        flip=not reason,
        read=read,
        notes=(*_notes(findings, members, class_names), *reason),
    )


def _unmirrored(class_names: Sequence[str]) -> tuple[str, ...]:
    """A note on why mirrored images would not keep their class; nothing if they keep it."""
    if all(map(_is_sign, class_names)):
        return ("the class names are letters or digits: images are not mirrored in training, as for writing",)
    cases = {name.lower(): name for name in class_names}
    for name in class_names:
        other = _SIDE.sub(lambda side: "right" if side[0].lower() == "left" else "left", name).lower()
        if other != name.lower() and other in cases:
            pair = f"{name!r} and {cases[other]!r}"
            return (f"classes are called like mirror images, {pair}: images are not mirrored in training",)
    return ()


def _is_sign(name: str) -> bool:
    """Whether a class has the name of a letter or a digit, for which 10 or 00 may stand as well."""
    return len(name) == 1 or (name.isdecimal() and int(name) <= _LARGEST_SIGN)


def folders_beside(folder: Path) -> list[str]:
    """The names of the folders in the same place as ``folder``, for suggestions; none if they cannot be seen."""
    try:
        return [path.name for path in folder.absolute().parent.iterdir() if path.is_dir()]
    except OSError:
        return []


def _part_folders(root: Path, findings: _Findings) -> dict[Part, str]:
    """The folder of each split, relative to ``root``; a tree without splits is all training."""
    listing = _list(root)
    named = {name: part for name in listing.folders if (part := _part(name)) is not None}
    training = [name for name, part in named.items() if part == "train"]
    only_parts = len(named) == len(listing.folders)
    if not named or not (only_parts or any(_list(root / name).folders for name in training)):
        _refuse_disguised(root, listing.folders)
        return {"train": ""}  # a class may well be called "train" or "test"
    if not training:
        there = ", ".join(f"{name}/" for name in named)
        raise DataError(f"there is {there} but no train/", where=str(root), hint=_LAYOUTS)
    _note_entries(listing, "", findings)
    findings.ignored += [name for name in listing.folders if name not in named]
    folders: dict[Part, str] = {}
    seen: dict[tuple[int, int], str] = {}
    for name, part in named.items():
        other = seen.setdefault(_list(root / name).identity, name)
        if other != name:
            raise DataError(
                f"{other}/ and {name}/ are the same folder: two splits must not share images",
                where=str(root),
                hint="remove one of the two; a split that is missing is taken from the training images",
            )
        if part in folders:
            raise DataError(
                f"{folders[part]}/ and {name}/ are both the {part} split", where=str(root), hint="keep one of the two"
            )
        folders[part] = name
    return {part: _innermost(root, name, part) for part, name in sorted(folders.items())}


def _part(name: str) -> Part | None:
    """The split that a folder is called after: ``train``, ``Test``, ``training_set``, ..."""
    return PARTS.get(_SET.sub("", name.lower()))


def _refuse_disguised(root: Path, folders: Sequence[str]) -> None:
    """Refuse splits that would be taken for classes: ``seg_train`` and ``seg_test``, ``train`` and ``test1``.

    They are called alike but for the split. Without any other word they may be classes, if others are beside them.
    """
    alike: dict[tuple[str, ...], dict[str, Part]] = {}
    for name in folders:
        words = [word.lower() for word in _WORD.findall(name)]
        said = [PARTS[word] for word in words if word in PARTS]
        if len(said) == 1:
            rest = tuple(word for word in words if word not in PARTS)
            alike.setdefault(rest, {})[name] = said[0]
    for rest, named in alike.items():
        parts = set(named.values())
        if "train" in parts and len(parts) > 1 and (rest or len(named) == len(folders)):
            raise DataError(
                f"the folders {first_three([repr(name) for name in named])} are called like splits, and would be taken "
                "for classes",
                where=str(root),
                hint="call them train, val and test, with a folder for each class in them; if they are classes, call "
                f"them otherwise; {_LAYOUTS}",
            )


def _innermost(root: Path, folder: str, part: Part) -> str:
    """The folder of a split where archives have it twice, as ``training_set/training_set``."""
    inside = _list(root / folder).folders
    if len(inside) == 1 and _part(inside[0]) == part and _list(root / folder / inside[0]).folders:
        return f"{folder}/{inside[0]}"
    return folder


def _classes(root: Path, part_folder: str, findings: _Findings) -> dict[str, list[str]]:
    """The images of each class folder of a split; empty classes have an empty list."""
    folder = root / part_folder
    listing = _list(folder)
    if not listing.folders:
        what = "holds images, but no folder for each class" if listing.images else "holds no images"
        hint = f"put the images of each class in a folder; {_LAYOUTS}"
        files = [name for name in listing.others if is_delimited(Path(name)) and not name.startswith(".")]
        if files and not listing.images:
            name = next((name for name in files if _part(Path(name).stem) == "train"), files[0])
            hint = f"did you mean {folder / name}? {hint}"
        if _part(PurePosixPath(part_folder).name) not in (None, "train"):
            hint += (
                "; if these have no labels, take them away: a split that is missing is taken from the training images"
            )
        raise DataError(f"the folder {what}", where=str(folder), hint=hint)
    prefix = f"{part_folder}/" if part_folder else ""
    _note_entries(listing, prefix, findings)
    for name in listing.folders:
        if not name.isprintable():
            raise DataError(
                f"the class folder {name!a} has a name that cannot be printed", where=str(folder), hint="rename it"
            )
    return {name: _images(root, prefix + name, findings) for name in listing.folders}


def _images(root: Path, class_folder: str, findings: _Findings) -> list[str]:
    """All images below a class folder; a folder that is met again (a symlink loop) is left out."""
    found: list[str] = []
    # a link up to a folder above would give this class the images of all others
    above = [(root / parent).stat() for parent in PurePosixPath(class_folder).parents]
    seen = {(status.st_dev, status.st_ino) for status in above}
    waiting = [class_folder]
    while waiting:
        current = waiting.pop()
        listing = _list(root / current)
        if listing.identity in seen:
            findings.seen_twice.append(current)
            continue
        seen.add(listing.identity)
        found += [f"{current}/{name}" for name in listing.images]
        findings.ignored += [f"{current}/{name}" for name in listing.others]
        waiting += [f"{current}/{name}" for name in reversed(listing.folders)]
        splits = [name for name in listing.folders if _part(name) is not None]
        if current == class_folder and len(splits) > 1:
            findings.inside[PurePosixPath(class_folder).name] = splits
        elif current == class_folder and len(listing.folders) > 1 and not listing.images:
            findings.below[PurePosixPath(class_folder).name] = listing.folders
    return found


def _note_entries(listing: _Listing, prefix: str, findings: _Findings) -> None:
    """Files where only folders have a meaning."""
    findings.stray += len(listing.images)
    findings.ignored += [prefix + name for name in listing.others]


def _list(folder: Path) -> _Listing:
    """The entries of a folder.

    Raises:
        DataError: it is missing, no folder, or must not be read.
    """
    try:
        status = folder.stat()
        listing = _Listing((status.st_dev, status.st_ino), [], [], [])
        with os.scandir(folder) as entries:
            for entry in entries:
                _bin(entry, listing).append(entry.name)
    except FileNotFoundError as error:
        raise DataError("there is no such folder", where=str(folder), hint=_neighbour(folder)) from error
    except NotADirectoryError as error:
        raise DataError("this is a file, not a folder of images", where=str(folder), hint=_LAYOUTS) from error
    except PermissionError as error:
        raise DataError(
            "no permission to read the folder", where=str(folder), hint="allow it with chmod, or choose another"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"the folder cannot be read: {reason}", where=str(folder), hint="choose another") from error
    for kind in (listing.folders, listing.images, listing.others):
        kind.sort()
    return listing


def _bin(entry: os.DirEntry[str], listing: _Listing) -> list[str]:
    """The list that an entry belongs to."""
    if entry.name.startswith("."):
        return listing.others
    try:
        if entry.is_dir():
            return listing.folders
        readable = entry.is_file()
    except OSError:  # a symlink to itself
        readable = False
    # A dangling symlink is kept, so that reading it reports it; a pipe or a device is not: it would block.
    extension = entry.name[entry.name.rfind(".") :].lower()
    if extension in EXTENSIONS and (readable or not Path(entry.path).exists()):
        return listing.images
    return listing.others


def _neighbour(folder: Path) -> str:
    """What may have been meant by a folder that is not there."""
    parent = folder.absolute().parent
    if not parent.is_dir():
        return f"its parent {parent} is missing, too"
    near = closest(folder.name, folders_beside(folder))
    return f"did you mean {folder.parent / near}?" if near else f"check the path; {_LAYOUTS}"


def _class_names(members: _Members, root: Path, training: str, findings: _Findings) -> tuple[str, ...]:
    """The classes that have training images; ``training`` is the folder that they are in, relative to ``root``."""
    class_names = tuple(name for name, images in members["train"].items() if images)
    if len(class_names) < 2:
        folders = list(members["train"])
        what = f"only the class {class_names[0]!r} has images" if class_names else "no class folder has images"
        other = _passed_over(findings)
        hint = f"a classifier needs two classes or more; {_LAYOUTS}"
        only = (class_names or folders)[0] if 1 in (len(class_names), len(folders)) else None
        inside = _list(root / training / only).folders if only is not None else []
        if only is not None and (len(inside) > 1 or any(_part(name) == "train" for name in inside)):
            folder = root / training / only
            hint = f"did you mean {folder}? {hint}"
            if training:
                hint = f"if the folders in {folder} are the classes, move them up into {folder.parent}; {_LAYOUTS}"
        elif other:
            hint = f"images are files that end in {' '.join(sorted(EXTENSIONS))}, others must be converted; {hint}"
        raise DataError(f"{what} (of {counted(len(folders), 'class folder')}){other}", where=str(root), hint=hint)
    for part, classes in members.items():
        unknown = [repr(name) for name, images in classes.items() if images and name not in class_names]
        if unknown:
            raise DataError(
                f"the {part} split has images of {counted(len(unknown), 'class')} without training images: "
                + first_three(unknown),
                where=str(root),
                hint="add training images of these classes, or remove their folders",
            )
    return class_names


def _passed_over(findings: _Findings) -> str:
    """How many files of which extension are no images here; nothing if there are none."""
    shown = (path for path in map(PurePosixPath, findings.ignored) if not path.name.startswith("."))
    counts = Counter(path.suffix.lower() for path in shown)
    del counts[""]
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f"; passed over: {first_three([f'{count} {ending}' for ending, count in ranked])}" if ranked else ""


def _notes(findings: _Findings, members: _Members, class_names: tuple[str, ...]) -> tuple[str, ...]:
    notes = [*alike(class_names)]
    if len(findings.inside) == len(class_names):
        named = first_three([f"{name!r} has {', '.join(found)}" for name, found in findings.inside.items()])
        notes.append(
            f"folders inside of classes are called like splits and are none, their images are taken together: {named} "
            "(splits are above the classes, as in train/CLASS and test/CLASS)"
        )
    if set(class_names) <= set(findings.below):
        named = first_three([f"{name!r} has {first_three(findings.below[name])}" for name in class_names])
        notes.append(
            f"all images are in folders inside of the classes, and taken together: {named} (if these are the classes, "
            "they must be where now the folders around them are)"
        )
    empty = [repr(name) for name, images in members["train"].items() if not images]
    if empty:
        were = "was" if len(empty) == 1 else "were"
        notes.append(f"{counted(len(empty), 'class folder')} without images {were} left out: {first_three(empty)}")
    if findings.stray:
        told = "belongs to no class and was" if findings.stray == 1 else "belong to no class and were"
        notes.append(f"{counted(findings.stray, 'image')} beside the class folders {told} ignored")
    if findings.ignored:
        notes.append(f"not part of the data set, and ignored: {first_three(findings.ignored)}")
    if findings.seen_twice:
        notes.append(f"folders that were met twice (symlinks) were left out: {first_three(findings.seen_twice)}")
    return tuple(notes)
