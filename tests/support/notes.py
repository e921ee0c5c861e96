"""The example extension, as somebody would have it who has installed it: beside a server of ours, on the path of its processes."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from secureapi.plugins import GROUP
from support.live import ROOT, Live

EXAMPLE = ROOT / "examples" / "notes"


def installed(folder: Path) -> dict[str, str]:
    """The environment in which the example is an installed package: what an installer would write of it lies in `folder`."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"][GROUP].items())
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{points}")
    path = [str(EXAMPLE), str(folder), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONDONTWRITEBYTECODE": "1"}


def flask(live: Live, *arguments: str, **environment: str) -> str:
    """Run a command of ours as the server would run, with a different environment where said; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=ROOT,
        env=live.environment | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
