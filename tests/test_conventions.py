"""The conventions of the tree, held over its syntax: imports, types, sizes, names."""

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from webapp import errors
from webapp.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = [ROOT / "wsgi.py", ROOT / "gunicorn.conf.py"]
SHIPPED = sorted([*ROOT.glob("webapp/**/*.py"), *ROOT.glob("logger_lib/**/*.py"), *PROGRAMS])
TYPED = sorted([*SHIPPED, *ROOT.glob("tests/**/*.py"), *ROOT.glob("typings/**/*.pyi")])
TYPED = [path for path in TYPED if "node_modules" not in path.parts]
MAX_LINES = 450
VAGUE = re.compile(r"_*(utils?|helpers?|common|misc|managers?)")

EVENTLET = {"patching.py", "worker.py", "offload.py", "drain.py", "start.py"}
OPTIONAL = {
    "flask": "logger_lib/flask.py",
    "werkzeug": "logger_lib/flask.py",
    "pymongo": "logger_lib/destinations/mongodb*.py",
    "bson": "logger_lib/destinations/mongodb*.py",
    "sqlalchemy": "logger_lib/*sql*.py",
    "sentry_sdk": "logger_lib/destinations/sentry.py",
}
# The roots of the two kinds of process; a destination of a third party has variables of its own.
# The package itself only tells eventlet, which reads it at its import, to go without its resolver.
READS_ENVIRONMENT = {
    "webapp/app.py",
    "webapp/collect/worker.py",
    "webapp/destinations.py",
    "gunicorn.conf.py",
    "webapp/__init__.py",
}
KNOWS_NO_CAPABILITY = {
    "settings",
    "environment",
    "setting_values",
    "errors",
    "capacity",
    "offload",
    "json_body",
    "json_object",
    "names",
    "acknowledgement",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def imports_of(path: Path) -> set[str]:
    """Return every module that ``path`` imports, anywhere in it, by its full name."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    imported: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            imported |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return imported


def imports_any_of(path: Path, *modules: str) -> set[str]:
    """Return what ``path`` imports of ``modules`` and of what is in them."""
    return {
        imported
        for imported in imports_of(path)
        for module in modules
        if imported == module or imported.startswith(f"{module}.")
    }


def offenders(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: what for name, what in found.items() if what}


def test_the_library_stands_alone() -> None:
    """``logger_lib`` never imports ``webapp``."""
    library = [path for path in SHIPPED if "logger_lib" in path.parts]
    assert library
    assert offenders({name_of(path): imports_any_of(path, "webapp") for path in library}) == {}


def test_optional_packages_stay_in_their_destination() -> None:
    """Whoever imports ``logger_lib`` needs none of the packages of its destinations."""
    for package, home in OPTIONAL.items():
        importing = {
            name_of(path)
            for path in SHIPPED
            if "logger_lib" in path.parts and imports_any_of(path, package)
        }
        assert all(fnmatch(name, home) for name in importing), package


PARTS = (
    "accessing",
    "collecting",
    "connecting",
    "destinations",
    "owning",
    "presenting",
    "publishing",
    "recovering",
    "serving",
)
"""What the composition root has put into files of their own; they may build on each other."""


def test_nobody_imports_the_composition_root() -> None:
    """``webapp.app`` is imported by the package's ``create_app`` alone, and its parts within it."""
    importing = {name_of(path) for path in SHIPPED if imports_any_of(path, "webapp.app")}
    assert importing == {"webapp/__init__.py"}
    root = {"webapp/app.py", *(f"webapp/{part}.py" for part in PARTS)}
    for part in PARTS:
        importing = {name_of(path) for path in SHIPPED if imports_any_of(path, f"webapp.{part}")}
        assert importing, part
        assert importing <= root, part


def test_only_the_composition_root_names_destinations() -> None:
    """Which concrete loggers there are is known in one place of the app."""
    importing = {
        name_of(path)
        for path in SHIPPED
        if "webapp" in path.parts and imports_any_of(path, "logger_lib.destinations")
    }
    assert importing == {"webapp/destinations.py"}


def test_storage_and_the_ground_know_no_capability() -> None:
    """Settings, errors and storage import nothing of what is built on them."""
    capabilities = {f"webapp.{path.parent.name}" for path in ROOT.glob("webapp/*/__init__.py")} - {
        "webapp.storage"
    }
    assert "webapp.events" in capabilities
    ground = [
        path
        for path in SHIPPED
        if path.parent.name == "storage"
        or (path.parent == ROOT / "webapp" and path.stem in KNOWS_NO_CAPABILITY)
    ]
    found = {name_of(path): imports_any_of(path, *capabilities) for path in ground}
    assert offenders(found) == {}


def test_imports_point_one_way() -> None:
    """No two packages of the app import each other, directly or around a corner."""
    packages = {path.parent.name for path in ROOT.glob("webapp/*/__init__.py")}
    edges: dict[str, set[str]] = {package: set() for package in packages}
    for path in ROOT.glob("webapp/*/*.py"):
        for imported in imports_any_of(path, "webapp"):
            target = imported.split(".")[1:2]
            edges[path.parent.name] |= {*target} & packages - {path.parent.name}
    while removable := [package for package, targets in edges.items() if not targets]:
        for package in removable:
            del edges[package]
        for targets in edges.values():
            targets -= set(removable)
    assert edges == {}, "these packages import each other in a circle"


def test_few_files_know_about_eventlet() -> None:
    """Leaving eventlet one day changes the worker, its sockets, the drain and the fan-out."""
    importing = [path for path in SHIPPED if imports_any_of(path, "eventlet")]
    elsewhere = {
        name_of(path)
        for path in importing
        if path.parent != ROOT / "webapp" / "realtime"
        and not (path.parent == ROOT / "webapp" and path.name in EVENTLET)
    }
    assert elsewhere == {"webapp/http/stream.py"}


def test_the_environment_is_read_in_one_place() -> None:
    """Only what makes the ``Settings`` looks at the environment."""
    reading = {
        name_of(path)
        for path in SHIPPED
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert reading == READS_ENVIRONMENT
    importing = {
        name_of(path)
        for path in SHIPPED
        if imports_any_of(path, "os.environ", "os.getenv", "os.environb")
    }
    assert importing == set()


def types_in(text: str) -> Iterator[ast.AST]:
    """Yield the syntax of ``text`` where it is a type that was written as a string."""
    try:
        yield from ast.walk(ast.parse(text.strip(), mode="eval"))
    except SyntaxError:
        return


def annotations_of(node: ast.AST) -> list[ast.expr]:
    """Return the parts of one syntax node in which a type may stand as a string."""
    match node:
        case ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns):
            return [returns] if returns else []
        case ast.arg(annotation=ast.expr() as annotation):
            return [annotation]
        case ast.AnnAssign(annotation=annotation, value=value):
            is_alias = "TypeAlias" in ast.dump(annotation)
            return [annotation, value] if is_alias and value else [annotation]
        case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType"), args=arguments):
            return arguments
        case ast.Subscript(slice=inner):
            return [inner]
    return []


def vague_types(tree: ast.Module) -> Iterator[str]:
    """Yield where ``Any`` is named at all, and ``object`` other than to make or to call one."""
    made = {
        id(used)
        for node in ast.walk(tree)
        for used in (
            [node.func]
            if isinstance(node, ast.Call)
            else [node.value]
            if isinstance(node, ast.Attribute)
            else []
        )
    }
    strings = [
        inner
        for node in ast.walk(tree)
        for annotation in annotations_of(node)
        for part in ast.walk(annotation)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        for inner in types_in(part.value)
    ]
    for node in [*ast.walk(tree), *strings]:
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id="Any") | ast.Attribute(attr="Any") | ast.alias(name="Any"):
                yield f"{line}: Any"
            case ast.Name(id="object") if id(node) not in made:
                yield f"{line}: object"


def test_no_type_is_left_unknown() -> None:
    """The seed's restriction: neither ``Any`` nor ``object``, in no annotation, cast or alias."""
    assert TYPED
    assert offenders({name_of(path): {*vague_types(tree_of(path))} for path in TYPED}) == {}


@pytest.mark.parametrize(
    "source",
    [
        "from typing import Any",
        "import typing\nx: typing.Any = 1",
        "def f(a: 'list[Any]') -> None: ...",
        "def f(*a: object) -> None: ...",
        "def f() -> 'dict[str, object]': ...",
        "x = cast('object', y)",
        "x = cast(object, y)",
        "A: TypeAlias = 'dict[str, object]'",
        "A = dict[str, object]",
        "class A(Generic[object]): ...",
        "x: 'object | None' = None",
        "x = field[list['object']]()",
    ],
)
def test_the_search_finds_them(source: str) -> None:
    """Every place in which a type may be left unknown is searched."""
    assert list(vague_types(ast.parse(source)))


def test_the_search_finds_nothing_else() -> None:
    """The word in a text, and the making of a sentinel, are no types."""
    innocent = "x = object()\n'''Any object.'''\nobject.__setattr__(x, 'Any', 'object')"
    assert list(vague_types(ast.parse(innocent))) == []


def test_every_setting_is_used() -> None:
    """What the operator can set has an effect: some part of the program reads each field."""
    (settings,) = [
        node
        for node in tree_of(ROOT / "webapp" / "settings.py").body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    fields = {
        node.target.id
        for node in settings.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    used = {
        node.attr
        for path in SHIPPED
        if "webapp" in path.parts or path in PROGRAMS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings")
    }
    assert fields
    assert fields - used == set()


def test_the_tree_of_errors_is_whole() -> None:
    """Every error that a caller can see is in the drawing, with the status that it has."""
    for path in SHIPPED:
        if "webapp" in path.parts:
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    drawn = re.findall(r"─ (\w+) +(\d+)  ", errors.__doc__ or "")
    waiting, found = [errors.HeraldError], set()
    while waiting:
        children = waiting.pop().__subclasses__()
        waiting += children
        found |= {(child.__name__, str(child.status)) for child in children}
    assert {*drawn} == found
    assert len(drawn) == len(found)


def test_the_version_is_one() -> None:
    """What runs says the version that the package has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_files_can_be_read_at_a_sitting() -> None:
    """No file is over 450 lines."""
    long = {
        name_of(path): lines
        for path in TYPED
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_names_say_what_is_inside() -> None:
    """No folder and no module has a name under which anything fits."""
    vague = {
        name_of(path)
        for path in TYPED
        for part in path.relative_to(ROOT).with_suffix("").parts
        if VAGUE.fullmatch(part)
    }
    # The stub has the name of the module that it describes.
    assert vague <= {"typings/socketio/manager.pyi"}
