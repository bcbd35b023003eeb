"""The layout that packaging, imports and readers rely on."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path, PurePath

import lemonade_es
from lemonade_es import errors


def test_each_root_folder_is_linked_into_the_package_and_nothing_else_is(repository):
    assert repository.links() == {
        "cli.py": "../../cli.py",
        "commands": "../../commands",
        "engine": "../../engine",
        "llm": "../../llm",
        "report": "../../report",
        "rulebooks": "../../rulebooks",
        "rules": "../../rules",
        "trainer": "../../trainer",
    }


def test_each_folder_with_modules_is_a_package(repository):
    folders = {path.parent for path in repository.python_files() if path.name != "cli.py"}
    assert [folder for folder in folders if not (repository.root / folder / "__init__.py").exists()] == []


def test_each_data_file_is_declared_as_package_data(repository):
    declared = tomllib.loads((repository.root / "pyproject.toml").read_text())
    patterns = declared["tool"]["setuptools"]["package-data"]
    undeclared = []
    for path in repository.files():
        if path.suffix == ".py":
            continue
        package = next(folder for folder in path.parents if (repository.root / folder / "__init__.py").exists())
        dotted = ".".join(["lemonade_es", *package.parts]).replace("lemonade_es.src.", "")
        inside = path.relative_to(package)
        if not any(_matches(inside, pattern) for pattern in patterns.get(dotted, [])):
            undeclared.append(f"{path} is not in package-data of {dotted}")
    assert undeclared == []


def _matches(path: PurePath, pattern: str) -> bool:
    return len(path.parts) == len(PurePath(pattern).parts) and path.match(pattern)


def test_no_file_of_the_packages_is_longer_than_400_lines(repository):
    lengths = {path: len(_text(repository, path).splitlines()) for path in repository.python_files()}
    assert {str(path): lines for path, lines in lengths.items() if lines > 400} == {}


def test_imports_are_absolute_and_name_the_package(repository):
    bare = {"engine", "llm", "report", "rulebooks", "rules", "trainer", "cli", "commands"}
    wrong = []
    for path in repository.python_files():
        for node in ast.walk(ast.parse(_text(repository, path))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = ["." * node.level + (node.module or "")]
            wrong += [
                f"{path}:{node.lineno} imports {name}"
                for name in names
                if name.startswith(".") or name.partition(".")[0] in bare
            ]
    assert wrong == []


def test_everything_public_has_a_docstring(repository):
    silent = []
    for path in repository.python_files():
        tree = ast.parse(_text(repository, path))
        if not ast.get_docstring(tree):
            silent.append(f"{path}:1 the module")
        silent += [f"{path}:{node.lineno} {node.name}" for node in _public(tree) if not ast.get_docstring(node)]
    assert silent == []


def _public(tree: ast.Module | ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inherits_its_text = {"overload", "override", "setter"} & {
                name for decorator in node.decorator_list for name in re.findall(r"\w+", ast.unparse(decorator))
            }
            if node.name.startswith("_") or inherits_its_text:
                continue
            found.append(node)
            if isinstance(node, ast.ClassDef):
                found += _public(node)
    return found


def test_the_tree_drawn_in_errors_is_the_tree_of_its_classes():
    drawn: dict[str, str | None] = {}
    open_at: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"[ |`-]*(\w+Error)\b", line)
        if match:
            column, name = match.start(1), match[1]
            open_at = [item for item in open_at if item[0] < column]
            drawn[name] = open_at[-1][1] if open_at else None
            open_at.append((column, name))
    own = {name: kind for name, kind in vars(errors).items() if getattr(kind, "__module__", "") == errors.__name__}
    classes = {name: kind for name, kind in own.items() if isinstance(kind, type)}
    real = {
        name: None if kind is errors.LemonadeError else kind.__bases__[0].__name__ for name, kind in classes.items()
    }
    assert drawn == real


def test_no_error_joins_the_tree_outside_of_errors(repository):
    tree = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    strays = [
        f"{path}:{node.lineno} {node.name}"
        for path in repository.python_files()
        if path != Path("src/lemonade_es/errors.py")
        for node in ast.walk(ast.parse(_text(repository, path)))
        if isinstance(node, ast.ClassDef) and tree & {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    ]
    assert strays == []


def test_package_and_distribution_have_the_same_version(repository):
    declared = tomllib.loads((repository.root / "pyproject.toml").read_text())
    assert declared["project"]["version"] == lemonade_es.__version__


def _text(repository, path: Path) -> str:
    return (repository.root / path).read_text(encoding="utf-8")
