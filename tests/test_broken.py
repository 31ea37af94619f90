"""Files that must fail, each with the exact error; and that nothing else happens meanwhile."""

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import npforward as npf
from npforward import arrays, errors, formats
from npforward.errors import LimitExceeded, MissingFile

FIXTURES = Path(__file__).parents[1] / "weights_fixtures"
BROKEN = FIXTURES / "broken"
FAULTS = json.loads((FIXTURES / "faults.json").read_text())


def beside(fault):
    return BROKEN / fault["weights"] if "weights" in fault else None


def inputs(model):
    return [np.zeros([n or 2 for n in spec.shape]).astype(spec.dtype) for spec in model.inputs]


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_file_says_what_is_wrong(name):
    fault = FAULTS[name]
    started = time.perf_counter()
    if fault["error"] is None:  # it is read as any other, and does no harm
        model = npf.load_model(BROKEN / name, beside(fault))
        assert len(model.trace(inputs(model))) == 2
        return
    kind = getattr(errors, fault["error"])
    if fault.get("at") == "run":
        model = npf.load_model(BROKEN / name, beside(fault))
        assert str(model.summary())
        with pytest.raises(kind, match=fault["says"]) as caught:
            model.trace(inputs(model))
    else:
        with pytest.raises(kind, match=fault["says"]) as caught:
            npf.load_model(BROKEN / name, beside(fault))
        assert name in str(caught.value)
    assert type(caught.value) is kind
    assert time.perf_counter() - started < 5


def test_every_broken_file_has_its_fault():
    assert {path.name for path in BROKEN.iterdir()} == set(FAULTS)


def test_there_is_no_such_file():
    with pytest.raises(MissingFile, match=r"absent\.keras: no such file or folder"):
        formats.read(BROKEN / "absent.keras")


def test_a_lambda_in_any_format_takes_the_callers_function():
    for name in ("lambda.keras", "lambda.h5", "named_lambda.h5", "lambda.json"):
        model = npf.load_model(
            BROKEN / name, beside(FAULTS[name]), custom_layers={"code": lambda x: 2 * x}
        )
        np.testing.assert_array_equal(
            model.predict(np.ones((1, 4), "float32")), 2 * np.ones((1, 4))
        )


def test_nothing_in_any_of_them_is_executed_imported_or_opened():
    """All of them, through every door, in a process that is watched."""
    files = [(str(BROKEN / name), fault.get("weights")) for name, fault in FAULTS.items()]
    files = [(path, weights and str(BROKEN / weights)) for path, weights in files]
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fuzz.target import Watch, tried
files = {files!r}
watch = Watch()
good = {str(FIXTURES / "files" / "nested.keras")!r}, {str(FIXTURES / "files" / "nested.h5")!r}
for path in good:
    tried(watch, path, None)
for path, weights in files:  # what Python itself loads to say what is wrong
    tried(watch, path, weights)
modules = set(sys.modules)
for path, weights in files:
    answer = tried(watch, path, weights)
    assert not answer["finding"], (path, answer)
assert set(sys.modules) == modules
"""
    # Compiled kernels are files too, of ours.
    env = {**os.environ, "NPFORWARD_KERNELS": "numpy"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=env)
    assert not Path("/tmp/pickle_ran").exists()


def test_names_that_lead_out_stay_in_the_folder(tmp_path):
    model = npf.load_model(BROKEN / "outside_name.keras")
    arrays.save(model.trace(inputs(model)).items(), tmp_path / "a" / "b", "npy")
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.npy")]
    assert len(written) == 2
    assert {path.parts[:2] for path in written} == {("a", "b")}


# What is large is made here.


def archive(path, **members):
    with zipfile.ZipFile(BROKEN / "pickle_beside.keras") as source:
        held = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in (held | members).items():
            target.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_bomb_in_any_member(name, tmp_path):
    path = archive(tmp_path / "bomb.keras", **{name: bytes(2**26)})
    assert path.stat().st_size < 100_000
    with pytest.raises(LimitExceeded, match=rf"'{name}'.* exceeds the limit zip_ratio = 100"):
        npf.load_model(path)


def test_a_bomb_among_the_assets(tmp_path):
    """Nothing but the vocabularies of layers that the model has is unpacked at all."""
    path = archive(tmp_path / "bomb.keras", **{"assets/layers/a/vocabulary.txt": bytes(2**27)})
    npf.load_model(path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_three_thousand_groups_in_each_other(libver, tmp_path):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        group = file.create_group("layers")
        for _ in range(3000):
            group = group.create_group("g")
    (tmp_path / "deep.weights.h5").write_bytes(buffer.getvalue())
    with pytest.raises(LimitExceeded, match="hdf5_depth = 32"):
        formats.arrays(tmp_path / "deep.weights.h5")


def changed(tmp_path, old, new):
    text = json.loads((BROKEN / "architecture_only.json").read_text())
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(text).replace(old, new))
    return path


def test_models_in_models_in_models(tmp_path):
    model = json.loads((BROKEN / "architecture_only.json").read_text())
    first = model["config"]["layers"][0]
    call = [{"args": model["config"]["layers"][1]["inbound_nodes"][0]["args"], "kwargs": {}}]
    for depth in range(20):
        inner = {**model, "name": f"m{depth}", "inbound_nodes": call}
        ends = {"output_layers": [f"m{depth}", 1, 0], "name": f"m{depth + 1}"}
        model = {**model, "config": {**model["config"], **ends, "layers": [first, inner]}}
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(model))
    with pytest.raises(LimitExceeded, match=r"limit (model_)?depth"):
        npf.load_model(path, BROKEN / "weights_only.weights.h5")


def test_a_name_without_end(tmp_path):
    path = changed(tmp_path, '"dense"', f'"{"n" * 5000}"')
    with pytest.raises(LimitExceeded, match="5,000 exceeds the limit name_bytes = 1,024"):
        npf.load_model(path, BROKEN / "weights_only.weights.h5")
