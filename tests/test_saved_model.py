"""SavedModel folders and TensorFlow checkpoints against what the TensorFlow that wrote them computes."""

import zipfile

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward.graph import leaves
from npforward.verify import difference

PACKED = sorted((FIXTURES / "saved_models").glob("*/*.zip"))
WHOLE = [path for path in PACKED if path.stem != "subclassed"]
name = lambda path: f"{path.parent.name}/{path.stem}"  # noqa: E731 - an id for pytest


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """The folder of a packed model."""

    def unpack(path):
        folder = tmp_path_factory.getbasetemp() / "saved_models" / path.parent.name / path.stem
        if not folder.exists():
            with zipfile.ZipFile(path) as file:
                file.extractall(folder)
        return folder

    return unpack


def golden(folder):
    with np.load(folder / "golden.npz") as arrays:
        inputs = {k.removeprefix("inputs/"): v for k, v in arrays.items() if k[:7] == "inputs/"}
        return inputs, {k: v for k, v in arrays.items() if k[:7] != "inputs/"}


def agrees(model, folder):
    inputs, want = golden(folder)
    trace = model.trace(inputs)
    assert set(want) <= set(trace)
    found = {address: difference(trace[address], want[address]) for address in want}
    wrong = {address: d for address, d in found.items() if not d.within}
    assert not wrong, f"first: {next(iter(wrong.items()))} of {list(wrong)}"


@pytest.mark.parametrize("path", WHOLE, ids=name)
def test_every_layer_agrees(path, unpacked):
    folder = unpacked(path)
    agrees(npf.load_model(folder / "model"), folder)
    agrees(npf.load_model(folder / "model" / "saved_model.pb"), folder)


@pytest.mark.parametrize("path", WHOLE, ids=name)
def test_a_checkpoint_gives_weights_to_an_architecture(path, unpacked):
    folder = unpacked(path)
    for architecture in "architecture.json", "model":
        for checkpoint in "ckpt", "ckpt.index":
            agrees(
                npf.load_model(folder / architecture, weights=folder / "checkpoint" / checkpoint),
                folder,
            )
    agrees(npf.load_model(folder / "architecture.json", weights=folder / "model"), folder)
