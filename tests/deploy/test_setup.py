"""infra/setup on machines that lack something: what it installs, or the line that it prints."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.serverless_devs import REPOSITORY

SETUP = REPOSITORY / "infra" / "setup"
OF_TESTS = ("chromium", "docker-registry", "npm", "skopeo", "xz")
COREUTILS = ("bash", "cat", "chmod", "dirname", "env", "sort", "true")
"""The commands that the script and the stand-ins below use."""


class Machine:
    """A folder of commands that represents a machine, and the calls of these commands.

    It begins as a new Debian: python3 without venv, apt-get, and the user root.
    """

    def __init__(self, folder: Path) -> None:
        self.commands = folder / "bin"
        self.called = folder / "called"
        self.commands.mkdir()
        for name in COREUTILS:
            (self.commands / name).symlink_to(shutil.which(name) or name)
        self.user(0)
        self.python((3, 11))
        self.apt_get()

    def has(self, name: str, script: str = "") -> None:
        file = self.commands / name
        file.write_text(f"#!{shutil.which('bash')}\n{script}\n", encoding="utf-8")
        file.chmod(0o755)

    def lacks(self, name: str) -> None:
        (self.commands / name).unlink()

    def user(self, number: int) -> None:
        self.has("id", f"echo {number}")

    def sudo(self, *, password: bool) -> None:
        does = "exit 1" if password else f'echo sudo "$@" >>{self.called}\n"${{@:2}}"'
        self.has("sudo", does)

    def python(
        self, version: tuple[int, int], *, name: str = "python3", venv: bool = False
    ) -> None:
        """A Python that reports its version, its packages and its modules to the script."""
        major, minor = version
        self.has(
            name,
            f"""case $2 in
            *version_info\\ \\<*) exit {int(version < (3, 10))} ;;
            *ensurepip*) exit {int(not venv)} ;;
            *) echo python{major}.{minor}-venv ;;
            esac""",
        )

    def apt_get(self, *, fails: str = "none") -> None:
        """`fails` names the operation that does not work: update or install."""
        self.has(
            "apt-get",
            f"""echo apt-get "$@" >>{self.called}
            if [ "$1" = {fails} ]; then echo "E: no network" >&2; exit 100; fi""",
        )

    def setup(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # our own script
            [SETUP, target],
            env={"PATH": str(self.commands), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.called.read_text("utf-8").splitlines() if self.called.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def installed(*packages: str) -> str:
    options = "-qq --no-install-recommends -o DPkg::Lock::Timeout=120"
    return f"apt-get install {options} {' '.join(packages)}"


def command(*packages: str) -> str:
    return f"apt-get update && apt-get install --no-install-recommends {' '.join(packages)}"


def test_nothing_is_installed_if_nothing_is_missing(machine: Machine) -> None:
    machine.python((3, 11), venv=True)
    for name in OF_TESTS:
        machine.has(name)
    done = machine.setup("test")
    assert (done.returncode, done.stdout, done.stderr, machine.calls()) == (0, "", "", [])


def test_for_root_the_missing_packages_are_installed(machine: Machine) -> None:
    machine.has("npm")  # from elsewhere: Debian's would conflict with it
    done = machine.setup("test")
    packages = ("chromium", "docker-registry", "python3.11-venv", "skopeo", "xz-utils")
    assert done.returncode == 0
    assert done.stderr == f"Installing Debian packages: {' '.join(packages)}\n"
    assert machine.calls() == ["apt-get update -qq", installed(*packages)]


def test_the_demo_needs_only_a_virtual_environment(machine: Machine) -> None:
    assert machine.setup("demo").returncode == 0
    assert machine.calls() == ["apt-get update -qq", installed("python3.11-venv")]


def test_for_a_user_with_sudo_packages_are_installed_with_sudo(machine: Machine) -> None:
    machine.user(1000)
    machine.sudo(password=False)
    assert machine.setup("demo").returncode == 0
    assert machine.calls() == [
        "sudo -n true",
        "sudo -n apt-get update -qq",
        "apt-get update -qq",
        f"sudo -n env DEBIAN_FRONTEND=noninteractive {installed('python3.11-venv')}",
        installed("python3.11-venv"),
    ]


def without_sudo(machine: Machine) -> None:
    machine.user(1000)


def with_a_password(machine: Machine) -> None:
    machine.user(1000)
    machine.sudo(password=True)


def without_apt(machine: Machine) -> None:
    machine.lacks("apt-get")


@pytest.mark.parametrize("kind", [without_sudo, with_a_password, without_apt])
@pytest.mark.parametrize(
    ("target", "packages"),
    [
        ("demo", ["python3.11-venv"]),
        ("test", ["chromium", "docker-registry", "npm", "python3.11-venv", "skopeo", "xz-utils"]),
    ],
)
def test_other_users_get_a_line_with_the_command(
    machine: Machine, kind: object, target: str, packages: list[str]
) -> None:
    assert callable(kind)
    kind(machine)
    done = machine.setup(target)
    assert (done.returncode, done.stdout, machine.calls()) == (2, "", [])
    assert done.stderr == (
        f"Packages are missing: {' '.join(packages)}. Install them as root: {command(*packages)}\n"
    )


@pytest.mark.parametrize("operation", ["update", "install"])
def test_a_failure_of_apt_is_shown_with_the_command(machine: Machine, operation: str) -> None:
    machine.apt_get(fails=operation)
    done = machine.setup("demo")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Installing Debian packages: python3.11-venv",
        "E: no network",
        f"apt-get failed: see above. To try again as root: {command('python3.11-venv')}",
    ]


def test_an_old_python_is_refused_before_anything_is_installed(machine: Machine) -> None:
    machine.python((3, 9))
    done = machine.setup("test")
    assert (done.returncode, machine.calls()) == (2, [])
    assert done.stderr == (
        "python3 is not Python 3.10 or newer. Name another one: make test PYTHON=python3.12\n"
    )


def test_a_missing_python_is_reported(machine: Machine) -> None:
    machine.lacks("python3")
    done = machine.setup("demo")
    assert (done.returncode, len(done.stderr.splitlines()), machine.calls()) == (2, 1, [])


def test_another_python_needs_its_own_package(machine: Machine) -> None:
    machine.python((3, 9))
    machine.python((3, 12), name="python3.12")
    assert machine.setup("demo", PYTHON="python3.12").returncode == 0
    assert machine.calls()[-1] == installed("python3.12-venv")


def test_an_unknown_target_is_refused(machine: Machine) -> None:
    done = machine.setup("bench")
    assert (done.returncode, done.stderr) == (2, "Usage: infra/setup demo|test\n")


class TestMakefile:
    """The targets on a machine that lacks everything and whose user may not install anything."""

    @pytest.mark.parametrize("target", ["demo", "test", "check"])
    def test_the_line_comes_before_anything_else(
        self, machine: Machine, tmp_path: Path, target: str
    ) -> None:
        machine.user(1000)
        (machine.commands / "make").symlink_to(shutil.which("make") or "make")
        (tmp_path / "infra").mkdir()
        shutil.copy(SETUP, tmp_path / "infra")
        for name in ("Makefile", "requirements-dev.txt"):
            shutil.copy(REPOSITORY / name, tmp_path)
        done = self._make(machine, tmp_path, target)
        assert done.returncode == 2
        assert done.stdout == ""
        first, *rest = done.stderr.splitlines()
        assert first.startswith("Packages are missing: ")
        assert all(line.startswith("make: ***") for line in rest)

    def test_make_without_a_target_prints_the_targets(self, machine: Machine) -> None:
        for name in ("make", "awk"):
            (machine.commands / name).symlink_to(shutil.which(name) or name)
        done = self._make(machine, REPOSITORY)
        lines = done.stdout.splitlines()
        assert (done.returncode, done.stderr) == (0, "")
        assert {"demo", "test", "bench", "check"} <= {line.split()[1] for line in lines}
        assert all(len(line.split()) > 3 for line in lines)
        assert max(len(line) for line in lines) <= 100

    def _make(
        self, machine: Machine, folder: Path, *targets: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MAKE")
        }
        return subprocess.run(  # noqa: S603  # our own targets
            ["make", *targets],  # noqa: S607  # it is where PATH says
            cwd=folder,
            env={**environment, "PATH": str(machine.commands)},
            capture_output=True,
            text=True,
            check=False,
        )


def test_the_packages_are_listed_once() -> None:
    for name in ("Makefile", ".ci/run"):
        text = (REPOSITORY / name).read_text("utf-8")
        assert "infra/setup test" in text
        assert not [package for package in OF_TESTS if package in text]
