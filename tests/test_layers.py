"""What import-linter cannot see: it only looks inside packages."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return names | {
        str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }


def test_the_beat_schedule_names_tasks_and_imports_none() -> None:
    roots = {name.split(".")[0] for name in _imports(ROOT / "beat_schedule.py")}

    assert roots <= {"typing", "limpet"}


def test_packages_under_tests_do_not_shadow_ours() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_an_init_only_re_exports() -> None:
    for package in (
        "limpet",
        "proxies",
        "sessions",
        "history",
        "results",
        "extraction",
        "health",
        "tasks",
        "monitor",
        "cli",
        "lab",
    ):
        tree = ast.parse((ROOT / package / "__init__.py").read_text("utf-8"))
        docstring, *rest = tree.body
        assert isinstance(docstring, ast.Expr)
        assert all(isinstance(node, ast.ImportFrom | ast.Assign) for node in rest)
