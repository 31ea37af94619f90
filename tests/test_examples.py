"""Every example runs in an empty folder, prints what it says and leaves the files it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
# What each prints, and the files that it makes.
KNOWN = {
    "dump_activations_to_disk": ("Dumped to activations.json.", ["activations.json"]),
    "heat_map": ("", ["heat_maps/0_conv1.png", "merged/0_conv1.png"]),
    "inception_v3": ("block1_add (1, ", ["inception_v3_activations/0_picture.png"]),
    "mnist": (
        "conv1/kernel:0 (",
        ["mnist_activations/0_picture.png", "mnist_gradients/0_conv1.png"],
    ),
    "model_in_model": ("subnet/conv2d_1 (8, 8, 8, 12)", []),
    "multi_inputs": ("SINGLE-INPUT MODEL", []),
    "multi_outputs": ("o2/bias:0", []),
    "recurrent": ("lstm:forget_gate (128, 9, 5)", []),
    "vgg16": ("conv2 (1, ", ["vgg16_activations/0_conv1.png", "vgg16_activations/1_conv2.png"]),
}


def test_every_example_is_known():
    assert {path.stem for path in EXAMPLES.glob("*.py")} - {"utils"} == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_an_example_runs(name, tmp_path):
    said, files = KNOWN[name]
    path = os.pathsep.join([str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    made = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert set(files) <= made
    assert bool(made) == bool(files)
