"""What is in the images, and what a user is told who starts without passwords."""

import json
import re
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.settings import ROOT
from tests.docker.compose import PASSWORDS, Compose

#: What lies in many a working folder and is nobody else's business.
PLANTED = "C4n4ry-that-is-in-no-image"
STRAY = (
    *(".env", ".env.production", "limpet/.env", "tasks/server.pem", "proxies/id.key"),
    *("id_rsa", "proxies.txt", "dump.sql", ".limpet/limpet.db", "tests/secret.py"),
    *("proxies/list.txt", "proxies/proxies.csv", "sessions/sessions.jsonl"),
    *("results/pages.json", "tasks/upkeep/limpet.db", "monitor/static/notes.txt"),
)
#: Names that no layer of ours may have.
FORBIDDEN = re.compile(r"(^|/)(\.git|\.env[^/]*|id_rsa|[^/]*\.key|tests|\.limpet)(/|$)")


@pytest.fixture
def compose(tmp_path: Path, host_environment: dict[str, str]) -> Compose:
    return Compose(tmp_path, f"limpet-test-{secrets.token_hex(4)}", host_environment)


@pytest.fixture(scope="module")
def code(
    tmp_path_factory: pytest.TempPathFactory, host_environment: dict[str, str]
) -> Iterator[Path]:
    """Build the code of an image where secrets lie about; return its archive."""
    folder = tmp_path_factory.mktemp("code")
    context = folder / "context"
    listed = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (ROOT / name).is_file():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, context / name)
    for name in STRAY:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(PLANTED)
    archive = folder / "code.tar"
    built = subprocess.run(
        [
            *("docker", "buildx", "build", "--quiet", "--target", "code"),
            *("--output", f"type=tar,dest={archive}", str(context)),
        ],
        env=host_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    yield archive
    archive.unlink()


def test_what_lies_about_gets_into_no_image(code: Path) -> None:
    ours, found = 0, []
    with tarfile.open(code) as archive:
        for member in archive:
            inside = member.name.startswith("app/")
            # Outside of the code, what was planted is known by its size.
            if not member.isfile() or not (inside or member.size == len(PLANTED)):
                continue
            ours += inside
            content = archive.extractfile(member)
            assert content is not None
            bad_name = inside and FORBIDDEN.search(member.name)
            if bad_name or PLANTED.encode() in content.read():
                found.append(member.name)

    assert ours > 100
    assert found == []


def test_an_image_has_all_of_the_code(code: Path) -> None:
    packages = {one.parent.name for one in ROOT.glob("*/__init__.py")} - {"lab"}
    folders = [*sorted(packages), "migrations"]
    listed = ["git", "-C", str(ROOT), "ls-files", "--", "*.py", *folders]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    ours = re.compile(rf"({'|'.join(folders)})/|[^/]*$")
    with tarfile.open(code) as archive:
        there = {one.removeprefix("app/") for one in archive.getnames()}

    assert {name for name in names.splitlines() if ours.match(name)} <= there


@pytest.mark.parametrize("image", ["limpet-worker", "limpet-render"])
def test_an_image_says_nothing_secret_and_is_nobody_s_root(
    image: str, compose: Compose
) -> None:
    [found] = json.loads(compose.docker("image", "inspect", image))
    history = compose.docker("image", "history", "--no-trunc", image)

    config = found["Config"]
    assert config["User"] == "limpet"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "limpet.pulse"]
    names = {line.split("=")[0] for line in config["Env"]}
    assert not any(re.search("PASSWORD|SECRET|TOKEN|_KEYS", name) for name in names)
    assert not any(word in history for word in PASSWORDS.values())


def test_only_the_image_for_browser_jobs_has_a_browser(compose: Compose) -> None:
    look = "command -v chromium-headless-shell; python -c 'import playwright'"
    found = {
        image: subprocess.run(
            ["docker", "run", "--rm", "--network", "none", image, "sh", "-ec", look],
            capture_output=True,
            check=False,
        ).returncode
        for image in ("limpet-worker", "limpet-render")
    }

    assert found["limpet-render"] == 0
    assert found["limpet-worker"] != 0


def test_the_browser_shows_a_page_in_a_container_like_the_shipped_one(
    compose: Compose,
) -> None:
    page = "data:text/html,<script>document.write(6*7)</script>"
    shown = compose.docker(
        *("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp"),
        *("--cap-drop", "ALL", "--shm-size", "512m", "--init", "limpet-render"),
        *("chromium-headless-shell", "--no-sandbox", "--dump-dom", page),
    )

    assert ">42<" in shown.replace("</script>", "") or "</script>42" in shown


def test_no_part_of_the_worker_image_is_a_tool_of_development(compose: Compose) -> None:
    look = "import importlib.util as u; print([n for n in %r if u.find_spec(n)])"
    names = ["pytest", "mypy", "ruff", "moto", "flask", "lab", "tests", "pip", "uv"]

    found = compose.docker(
        *("run", "--rm", "--network", "none", "limpet-worker"),
        *("python", "-c", look % names),
    )

    assert found.strip() == "[]"


@pytest.mark.parametrize("name", sorted(PASSWORDS))
def test_a_password_that_is_not_set_is_asked_for_by_name(
    name: str, compose: Compose
) -> None:
    compose.write(**{**PASSWORDS, name: ""})

    told = compose.run("up", "--detach")

    assert told.returncode != 0
    assert f"required variable {name} is missing a value: put " in told.stderr
    assert compose.left() == []


@pytest.mark.parametrize(("internal", "ways_out"), [("true", 0), ("false", 1)])
def test_servers_elsewhere_are_reached_only_where_that_is_said(
    internal: str, ways_out: int, compose: Compose
) -> None:
    compose.set(STORES_INTERNAL=internal)
    show = ("cat", "/proc/net/route")
    try:
        shown = compose.do("run", "--rm", "--no-deps", "migrate", *show)
    finally:
        compose.do("down", "--volumes", "--timeout", "5")

    routes = [route.split()[1] for route in shown.splitlines()[1:]]
    assert routes.count("00000000") == ways_out
