"""The two entry scripts as Gradescope and people call them; Python itself is a stand-in."""

import http.server
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
ROWS = ["1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3", "T"]
SCRIPTS = ["setup.sh", "run_autograder", ".ci/run", "tests/container.sh"]

# Stands for an interpreter, outside an environment and inside: notes how it is called, and makes
# "environments" that hold a copy of itself.
STAND_IN = """#!/bin/bash
printf '%s\\n' "$*" >>"$CALLS"
case "$*" in
  '-c import ensurepip, venv') [ "${NO_VENV-}" = "" ] || [ -e "$NO_VENV" ] ;;
  '-c import torchvision') exit "${TORCHVISION-0}" ;;
  '-m venv'*) for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
  '-m pip'*) exit "${PIP-0}" ;;
  '-m compileall'*) ;;
  *) exec "PYTHON" "$@" ;;
esac
"""

has_nvidia = any(map(os.path.exists, ["/proc/driver/nvidia/version", "/dev/dxg", "/usr/bin/nvidia-smi"]))
without_nvidia = pytest.mark.skipif(has_nvidia, reason="this machine has an NVIDIA driver")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="CPU-only wheels are a matter of Linux")


def write_script(path: Path, text: str) -> Path:
    """Make an executable file, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# --- What is in the files ---


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_sound(name: str) -> None:
    """A script is executable, has no CRLF, and shellcheck finds nothing to say about it."""
    path = ROOT / name
    assert path.stat().st_mode & stat.S_IXUSR
    assert b"\r" not in path.read_bytes()
    shellcheck = Path(sys.executable).parent / "shellcheck"
    found = subprocess.run([shellcheck, path], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_constraints_cover_each_python(python: str) -> None:
    """For each Python, each dependency but torch's pair has exactly one version, an acceptable one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        Requirement(line)
        for lines in [project["dependencies"], *project["optional-dependencies"].values()]
        for line in lines
        if not line.startswith(("vae-autograder[", "torch"))
    ]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    in_force = [pin for pin in pins if not pin.marker or pin.marker.evaluate(environment)]

    assert len(wanted) > 20
    for requirement in wanted:
        versions = [str(pin.specifier)[2:] for pin in in_force if pin.name == requirement.name.lower()]
        assert len(versions) == 1, requirement.name
        assert requirement.specifier.contains(versions[0]), requirement.name
    assert not [pin for pin in pins if pin.name.startswith(("torch", "nvidia", "triton"))]


# --- setup.sh ---


class Setup:
    """A copy of the project's set-up files and the means to run them with the stand-in."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a project"
        (self.root / "autograder").mkdir(parents=True)
        for name in ("setup.sh", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root)
        self.calls = folder / "calls"
        self.tools = folder / "tools"
        self.tools.mkdir()
        self.python = write_script(folder / "python", STAND_IN.replace("PYTHON", sys.executable))
        self.environment = {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "CALLS": str(self.calls),
            "PYTHON": str(self.python),
            "TORCH_CPU_INDEX": "",
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run setup.sh and remember only the calls of this run."""
        self.calls.write_text("")
        return subprocess.run(
            [self.root / "setup.sh", *arguments],
            env=self.environment | environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    def installs(self) -> list[str]:
        """Return what the last run asked pip for."""
        calls = self.calls.read_text().splitlines()
        return [call.partition(" install ")[2] for call in calls if call.startswith("-m pip")]


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """Set up a project that has no environment yet."""
    return Setup(tmp_path)


GRADE = ["--constraint constraints.txt --editable ."]
DEV = ["--constraint constraints.txt --editable .[dev]"]


def test_setup_installs_once(setup: Setup) -> None:
    """The second run calls neither pip nor venv."""
    assert setup.run().returncode == 0
    assert setup.installs() == GRADE
    second = setup.run()
    assert second.returncode == 0
    assert "is up to date" in second.stdout
    assert "-m" not in setup.calls.read_text()


def test_setup_says_what_it_takes(setup: Setup) -> None:
    """Time and size are told before the first installation, and pip tells its errors alone."""
    lines = setup.run().stdout.splitlines()
    assert "takes some minutes" in next(line for line in lines if "GB" in line)
    calls = [call for call in setup.calls.read_text().splitlines() if " install " in call]
    assert all("-m pip --quiet " in call for call in calls)


def test_setup_dev_includes_the_rest(setup: Setup) -> None:
    """--dev adds the test tools to an environment, which a later run without it leaves alone."""
    setup.run()
    setup.run("--dev")
    assert setup.installs() == DEV
    setup.run()
    assert setup.installs() == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_setup_notices_a_change(setup: Setup, name: str) -> None:
    """A change of what is to be installed is installed, into the same environment."""
    setup.run()
    with (setup.root / name).open("a") as file:
        file.write("# changed\n")
    setup.run()
    assert setup.installs() == GRADE
    assert "--clear" not in setup.calls.read_text()


def test_setup_makes_a_moved_environment_anew(setup: Setup) -> None:
    """An environment that was moved or copied with its folder still names the old one, and is made anew."""
    setup.run()
    setup.root = setup.root.rename(setup.root.with_name("moved"))
    setup.run()
    assert f"-m venv --clear {setup.root}/.venv" in setup.calls.read_text()
    assert setup.installs() == GRADE


def test_setup_follows_another_python(setup: Setup) -> None:
    """PYTHON of another version makes the environment anew; of the same version it does not."""
    setup.run()
    text = setup.python.read_text().replace("'-m pip'*)", "*%d.%d*) echo 3.99 ;;\n'-m pip'*)")
    other = write_script(setup.root / "other", text)
    setup.run()
    assert setup.installs() == []
    setup.run(PYTHON=str(other))
    assert f"-m venv --clear {setup.root}/.venv" in setup.calls.read_text()


@pytest.mark.parametrize(
    ("broken", "told"),
    [({"PIP": "1"}, ""), ({"TORCHVISION": "1"}, "torch and torchvision do not fit together")],
    ids=["pip fails", "a mixed pair"],
)
def test_setup_fails_loudly(setup: Setup, broken: dict[str, str], told: str) -> None:
    """A step that fails ends the run with an error, and the next run tries again."""
    failed = setup.run(**broken)
    assert failed.returncode != 0
    assert told in failed.stderr
    assert "done" not in failed.stdout
    assert setup.run().returncode == 0
    assert setup.installs() == GRADE


@pytest.mark.parametrize("arguments", [["--dve"], ["--dev", "--dev"]])
def test_setup_refuses_other_options(setup: Setup, arguments: list[str]) -> None:
    """An unknown option installs nothing."""
    refused = setup.run(*arguments)
    assert refused.returncode != 0
    assert "usage" in refused.stderr
    assert setup.calls.read_text() == ""


def test_setup_tells_what_it_does(setup: Setup) -> None:
    """With --help it says what there is, and installs nothing."""
    told = setup.run("--help")
    assert told.returncode == 0
    assert "./setup.sh --dev" in told.stdout
    assert setup.calls.read_text() == ""


def test_setup_refuses_an_old_python(setup: Setup) -> None:
    """PYTHON that is too old, or no Python at all, is named."""
    refused = setup.run(PYTHON="/bin/false")
    assert refused.returncode != 0
    assert "/bin/false is not a Python of version 3.10" in refused.stderr


def test_setup_installs_venv_as_root(setup: Setup, tmp_path: Path) -> None:
    """As root on Debian or Ubuntu, a missing venv comes from apt, after an update of its lists."""
    for name in ("python3.13", "python3.12", "python3.11", "python3.10"):
        write_script(setup.tools / name, "#!/bin/sh\nexit 1\n")
    setup.python.rename(setup.tools / "python3")
    write_script(setup.tools / "id", "#!/bin/sh\necho 0\n")
    write_script(
        setup.tools / "apt-get", '#!/bin/sh\necho "apt $DEBIAN_FRONTEND $*" >>"$CALLS"\n>"$NO_VENV"\n'
    )
    done = setup.run(PYTHON="", NO_VENV=str(tmp_path / "installed"))
    assert done.returncode == 0, done.stderr
    update, install = [line for line in setup.calls.read_text().splitlines() if line.startswith("apt")]
    version = "{}.{}".format(*sys.version_info)
    assert "update" in update
    assert install.startswith("apt noninteractive install -y")
    assert f" python{version}-venv " in install
    assert setup.installs() == GRADE


def test_setup_names_the_package_to_a_user(setup: Setup, tmp_path: Path) -> None:
    """A user who is not root is told which package is missing."""
    write_script(setup.tools / "id", "#!/bin/sh\necho 1000\n")
    refused = setup.run(NO_VENV=str(tmp_path / "never"))
    assert refused.returncode != 0
    assert "install python{}.{}-venv".format(*sys.version_info) in refused.stderr


@pytest.fixture
def index() -> Iterator[str]:
    """Serve on loopback something that answers as an index of wheels would."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/whl/cpu/torch/" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/whl/cpu"
        server.shutdown()


@linux_only
@without_nvidia
def test_setup_takes_both_cpu_wheels(setup: Setup, index: str) -> None:
    """Where the index answers, torch and torchvision come from it together, before the rest."""
    done = setup.run(TORCH_CPU_INDEX=index)
    assert f"CPU wheels from {index}" in done.stdout
    assert setup.installs() == [f"--index-url {index} torch torchvision", *GRADE]


@linux_only
@without_nvidia
def test_setup_falls_back_to_ordinary_wheels(setup: Setup) -> None:
    """Where the index does not answer, one line says so, and both come from the registry."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = setup.run(TORCH_CPU_INDEX=closed)
    assert f"setup.sh: {closed} does not answer: taking PyTorch's ordinary wheels" in done.stdout
    assert done.stderr == ""
    assert setup.installs() == GRADE


@linux_only
def test_setup_sees_an_nvidia_driver(setup: Setup, index: str) -> None:
    """With an NVIDIA driver the ordinary wheels are taken, even where the index answers."""
    write_script(setup.tools / "nvidia-smi", "#!/bin/sh\n")
    done = setup.run(TORCH_CPU_INDEX=index)
    assert "NVIDIA driver found" in done.stdout
    assert setup.installs() == GRADE


# --- run_autograder ---


class Project:
    """A project whose .venv holds an interpreter of the test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "autograder").mkdir(parents=True)
        (root / "autograder" / "__main__.py").write_text("")
        self.script = root / "run_autograder"
        shutil.copy(ROOT / "run_autograder", self.script)

    def with_python(self, body: str) -> "Project":
        """Let the interpreter be this Bash script."""
        write_script(self.root / ".venv" / "bin" / "python", f"#!/bin/bash\n{body}\n")
        (self.root / ".venv" / "stamp").write_text(f"{self.root}\nmore lines\n")
        return self


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Set up a project in a folder with a space in its name."""
    return Project((tmp_path / "a project").resolve())


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, as the person who calls the script does."""
    folder = tmp_path / "some where"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run(script: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the script."""
    return subprocess.run([script, *arguments], capture_output=True, text=True, check=False)


def read_last_resort(path: Path) -> dict[str, Any]:
    """Read results.json and check that it is complete, without points, and blames nobody."""
    results: dict[str, Any] = json.loads(path.read_text())
    assert set(results) == {"score", "output", "output_format", "tests"}
    assert results["score"] == 0
    assert results["output_format"] == "text"
    assert "no fault of yours" in results["output"]
    assert [test["number"] for test in results["tests"]] == ROWS
    *scored, training = results["tests"]
    assert all((test["score"], test["max_score"], test["status"]) == (0, 1, "failed") for test in scored)
    assert "score" not in training
    assert all("the autograder itself failed" in test["output"] for test in results["tests"])
    assert not path.with_name(path.name + ".part").exists()
    return results


@pytest.mark.parametrize(
    ("python", "code"),
    [
        pytest.param("echo 'Fatal Python error' >&2; exit 1", 1, id="does not start"),
        pytest.param("kill -KILL $$", 137, id="is killed"),
        pytest.param("kill -SEGV $$", 139, id="crashes"),
        pytest.param("printf '{\"score\": 12' >results.json.tmp; exit 70", 70, id="half a result"),
    ],
)
def test_last_resort(project: Project, elsewhere: Path, python: str, code: int) -> None:
    """A grader that dies without results leaves the script's own, and its exit code is passed on."""
    ended = run(project.with_python(python).script, "submission")
    assert ended.returncode == code
    results = read_last_resort(elsewhere / "results.json")
    assert f"exit code {code}" in results["output"]
    assert f"exit code {code}" in ended.stderr


def test_last_resort_replaces_old_results(project: Project, elsewhere: Path) -> None:
    """An earlier submission's results do not stand for this one's."""
    (elsewhere / "results.json").write_text('{"score": 12}')
    run(project.with_python("exit 1").script, "submission")
    read_last_resort(elsewhere / "results.json")


@pytest.mark.parametrize("name", ["results.json", "results.json.part"])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_last_resort_follows_no_link(project: Project, elsewhere: Path, name: str, kind: str) -> None:
    """In a student's folder, nothing is written where a link leads."""
    outside = project.root / "outside"
    if kind == "file":
        outside.write_text("mine")
    elif kind == "folder":
        outside.mkdir()
    (elsewhere / name).symlink_to(outside)
    run(project.with_python("exit 1").script, "submission")
    read_last_resort(elsewhere / "results.json")
    assert not (elsewhere / "results.json").is_symlink()
    assert outside.exists() == (kind != "nothing")
    assert (
        [*outside.iterdir()] == [] if kind == "folder" else kind == "nothing" or outside.read_text() == "mine"
    )


def test_last_resort_without_an_environment(project: Project, elsewhere: Path) -> None:
    """Before setup.sh has run, or in a copied folder, the message names the remedy."""
    ended = run(project.script, "submission")
    assert ended.returncode != 0
    assert "run setup.sh there first" in ended.stderr
    read_last_resort(elsewhere / "results.json")

    copy = project.with_python("exit 0").root.with_name("copy")
    shutil.copytree(project.root, copy)
    ended = run(copy / "run_autograder", "submission")
    assert ended.returncode != 0
    assert "run setup.sh there first" in ended.stderr


def test_last_resort_is_valid(project: Project, elsewhere: Path) -> None:
    """The last-resort results obey Gradescope's rules: documented keys and types only."""
    run(project.with_python("exit 1").script, "submission")
    results = read_last_resort(elsewhere / "results.json")
    documented = {"number": str, "name": str, "score": int, "max_score": int, "status": str, "output": str}
    for test in results["tests"]:
        assert {key: type(value) for key, value in test.items()}.items() <= documented.items()


@pytest.mark.parametrize("code", [0, 2, 3])
def test_the_graders_word_counts(project: Project, elsewhere: Path, code: int) -> None:
    """Results that the grader wrote stay, whatever its exit code, and the code is passed on."""
    (elsewhere / "results.json").write_text("old")
    ended = run(project.with_python(f"echo new >results.json; exit {code}").script, "submission")
    assert ended.returncode == code
    assert (elsewhere / "results.json").read_text() == "new\n"


def test_unusable_arguments_leave_no_results(project: Project, elsewhere: Path) -> None:
    """For unusable arguments there is nothing to report, and old results stay."""
    project.with_python("exit 2")
    assert run(project.script, "nonsense").returncode == 2
    assert list(elsewhere.iterdir()) == []
    (elsewhere / "results.json").write_text("old")
    assert run(project.script, "nonsense").returncode == 2
    assert (elsewhere / "results.json").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["submission", "--results", "out/my results.json"], "out/my results.json"),
        (["--results", "mine.json", "submission"], "mine.json"),
        (["--results=mine.json", "submission"], "mine.json"),
        (["submission", "--train", "never"], "results.json"),
        (["--train", "never"], "results.json"),
    ],
)
def test_results_file(project: Project, elsewhere: Path, arguments: list[str], expected: str) -> None:
    """The last-resort results go where the grader's would have gone."""
    (elsewhere / "submission").mkdir()
    run(project.with_python("exit 1").script, *arguments)
    read_last_resort(elsewhere / expected)


def test_gradescopes_copy(tmp_path: Path, elsewhere: Path) -> None:
    """A copy of the script beside source/ runs what is in there, and its results go to results/."""
    container = (tmp_path / "container").resolve()
    project = Project(container / "source").with_python("exit 1")
    copy = shutil.copy(project.script, container / "run_autograder")
    run(copy)
    read_last_resort(container / "results" / "results.json")
    (elsewhere / "submission").mkdir()
    run(copy, "submission")
    read_last_resort(elsewhere / "results.json")


def test_called_through_a_link(project: Project, elsewhere: Path) -> None:
    """Through a symbolic link the arguments arrive as they are, in the caller's own folder."""
    project.with_python('printf "%s\\n" "$PWD" "$@"')
    link = elsewhere / "grade it"
    link.symlink_to(project.script)
    ended = run(link, "../a folder/vae.py", "--results", "$x *.json")
    lines = ended.stdout.splitlines()
    assert lines[0] == str(elsewhere)
    call = "from autograder.__main__ import run_autograder; run_autograder()"
    assert lines[-5:] == ["-c", call, "../a folder/vae.py", "--results", "$x *.json"]


def test_nothing_is_imported_from_the_callers_folder(project: Project, elsewhere: Path) -> None:
    """A student's folder as the current one, or PYTHONPATH, plants no module in the grader."""
    write_script(elsewhere / "autograder" / "__main__.py", "print('planted')\n")
    write_script(elsewhere / "sitecustomize.py", "print('planted')\n")
    project.with_python(f"export PYTHONPATH=.; exec '{sys.executable}' \"$@\"")
    assert "planted" not in run(project.script, "submission").stdout


def test_interruption_is_no_fault(project: Project, elsewhere: Path) -> None:
    """Ctrl-C ends the run with 130 and leaves no results."""
    project.with_python(">started; sleep 30; exit 1")
    with subprocess.Popen([project.script, "submission"], start_new_session=True) as process:
        deadline = time.monotonic() + 20
        while not (elsewhere / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert not (elsewhere / "results.json").exists()
