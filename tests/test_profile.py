"""What a profile says of a model's steps, and what compiling ahead of time leaves behind."""

import itertools
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from cases import FIXTURES

import npforward as npf
from npforward import kernels
from npforward.cli import main
from npforward.profile import samples
from npforward.run import carry_out, plan, run

MODELS = FIXTURES / "models"
DIGITS, SEVEN = MODELS / "digits_cnn" / "model.keras", MODELS / "digits_cnn" / "seven.png"

compiling = pytest.mark.skipif(kernels.compiled() is None, reason="no compiled kernels here")


@pytest.fixture
def cli(capsys):
    def call(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def few_kernels(monkeypatch, tmp_path):
    """A library of two small kernels, kept in a folder that is empty; gives the folder."""
    import npforward.run.lowering  # noqa: F401 - enters the kernels of programs
    from npforward.kernels.native import library, limits, threads  # noqa: F401

    folder = tmp_path / "kept" / "here"
    fresh = library.Library(library.Target.host(), folder)
    few = {kernel.name: kernel for kernel in (limits.copy, limits.multiply_adds)}
    monkeypatch.setattr(library, "library", lambda: fresh)
    monkeypatch.setattr(library, "KERNELS", few)
    return folder


def profiled(name, **options):
    return npf.load_model(MODELS / name / "model.keras").profile(repeats=2, **options)


# ---- profile -----------------------------------------------------------------------------------


@compiling
def test_every_layer_is_in_a_row_with_its_share():
    found = profiled("digits_cnn", batch=3)
    named = {name for row in found.rows for name in row.layers.split(" + ")}
    assert {"conv1", "pool1", "conv2", "dense1", "digit"} <= named
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    assert found.inputs == {"picture": (3, 32, 32, 1)}
    assert all(row.compiled and row.seconds > 0 and row.efficiency > 0 for row in found.rows)
    assert found.roof.threads >= 1 and found.roof.flops > 1e9 and found.roof.nbytes > 1e8


@compiling
def test_operations_and_bytes_are_those_of_the_layer():
    rows = {row.layers: row for row in profiled("digits_cnn").rows if row.kernel == "conv"}
    shapes = npf.load_model(DIGITS).trace(np.zeros((1, 32, 32, 1)))
    first = shapes["conv1"]
    assert rows["conv1"].flops == 2 * first.size * 9
    assert rows["conv1"].nbytes == 4 * (32 * 32 + first.size + 9 * first.shape[-1])


@compiling
@pytest.mark.parametrize("name", ["norms", "quantized", "text_lstm"])
def test_models_with_steps_of_numpy_between_kernels(name):
    found = profiled(name)
    kinds = [row.compiled for row in found.rows]
    assert sum(a != b for a, b in itertools.pairwise(kinds)) > 2
    assert all(row.efficiency is None and row.seconds > 0 for row in found.rows if not row.compiled)
    lines = str(found).splitlines()
    assert len(lines) == len(kinds) + 4
    assert sum("numpy: " in line for line in lines) == kinds.count(False)


def test_numpy_alone():
    with kernels.numpy_only():
        found = profiled("mlp")
    assert found.roof is None and not any(row.compiled for row in found.rows)
    assert {row.kernel for row in found.rows} >= {"dense", "softmax"}
    assert str(found).endswith("numpy alone: no step is compiled")
    assert json.loads(found.to_json())["roof"] is None


def test_a_profile_changes_nothing():
    model = npf.load_model(MODELS / "stateful_lstm" / "model.keras")
    x = next(iter(samples(model.inputs, 2).values()))
    before = model.predict(x)
    again = model.predict(x)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x), before)
    model.profile(x, repeats=1)
    np.testing.assert_array_equal(model.predict(x), again)


def test_who_watches_a_run_sees_each_part_once():
    model = npf.load_model(MODELS / "unet_small" / "model.keras")
    feeds = model.feeds(samples(model.inputs, 1))
    chosen = plan(model._record(feeds), model.outputs, library=kernels.compiled())
    seen = []

    def watched(part, *rest):
        seen.append(part)
        carry_out(part, *rest)

    def weight(var):
        return model._weight(chosen.recording, var)

    (_, y), *more = run(chosen, feeds, weight, watched=watched)
    assert seen == chosen.instructions and not more
    np.testing.assert_allclose(y, model.predict(feeds[0]), rtol=1e-4, atol=1e-5)


def test_what_is_made_up_for_inputs():
    def one(shape, dtype):
        spec = SimpleNamespace(name="x", shape=shape, dtype=np.dtype(dtype))
        return samples([spec], 2)["x"]

    assert one((None, None, 3), "float32").shape == (2, 224, 3)
    assert one((5, 3), "float16").dtype == "float16" and one((5, 3), "float16").shape == (5, 3)
    assert set(one((None, 50), "int32").ravel()) == {0, 1}
    assert one((None, 1), "U").tolist() == [["word"], ["word"]]
    np.testing.assert_array_equal(one((None, 3), "float64"), one((None, 3), "float64"))
    with pytest.raises(npf.NpforwardError, match="does not say its shape"):
        one(None, "float32")


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"batch": 0}])
def test_counts_begin_at_one(wrong):
    with pytest.raises(npf.NpforwardError, match="expected at least 1"):
        npf.load_model(MODELS / "mlp" / "model.keras").profile(**wrong)


@compiling
def test_on_the_command_line(cli, monkeypatch):
    monkeypatch.setenv("NPFORWARD_THREADS", "2")
    code, out, err = cli("profile", DIGITS, SEVEN, "--threads", 1, "--repeats", 1)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "seven.png: 32x32 gray, values 0 to 255 not scaled"
    assert lines[2].split() == ["layers", "kernel", "ms", "share", "GFLOP/s", "GB/s", "efficiency"]
    assert "limits of 1 thread here and now" in lines[-1]
    code, out, _ = cli("profile", DIGITS, "--batch", 2, "--repeats", 1, "--json")
    report = json.loads(out)
    assert code == 0 and report["inputs"] == {"picture": [2, 32, 32, 1]}
    assert report["roof"]["threads"] == 2  # as it was before
    assert {"layers", "kernel", "seconds", "share", "flops", "nbytes"} < set(report["rows"][0])


def test_what_does_not_go_together(cli):
    code, _, err = cli("profile", DIGITS, SEVEN, "--batch", 2)
    assert code == 2 and "--batch 2: it is for random input" in err
    for option in ("--batch", "--repeats", "--threads"):
        code, _, err = cli("profile", DIGITS, option, 0)
        assert code == 2 and f"{option} 0: give 1 or more" in err


# ---- warmup ------------------------------------------------------------------------------------


@compiling
def test_all_kernels_are_compiled_and_kept():
    """In a process of its own, where nothing else has entered kernels."""
    from npforward.kernels.native.library import KERNELS
    from npforward.kernels.native.limits import copy
    from npforward.kernels.native.threads import TEAM
    from npforward.run.lowering import RULES

    command = [sys.executable, "-m", "npforward", "warmup", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    report = json.loads(done.stdout)
    assert report["kernels"] == len(KERNELS) and report["without"] == ""
    assert RULES and {copy, *TEAM} <= set(KERNELS.values())
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert json.loads(done.stdout)["compiled"] == []


@compiling
def test_a_second_time_there_is_nothing_to_do(cli, few_kernels):
    code, out, err = cli("warmup")
    assert (code, err) == (0, "")
    assert "2 of them compiled in" in out and out.endswith(f"kept in {few_kernels}\n")
    assert sorted(file.name for file in few_kernels.iterdir()) == ["copy.o", "multiply_adds.o"]
    code, out, _ = cli("warmup")
    assert code == 0 and "all compiled before" in out
    code, out, _ = cli("warmup", "--json")
    assert json.loads(out)["kernels"] == 2 and json.loads(out)["compiled"] == []


@compiling
def test_compiling_is_shown_on_a_terminal(cli, few_kernels, monkeypatch):
    from npforward.kernels.native.library import listeners

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    code, _, err = cli("warmup")
    assert code == 0 and "compiling for this CPU, once: copy (1 of 2)" in err
    assert err.endswith("\r\x1b[K") and not listeners


@compiling
def test_a_folder_that_cannot_be_written(cli, few_kernels):
    few_kernels.parent.mkdir()
    few_kernels.write_text("a file")
    code, out, err = cli("warmup")
    assert (code, out) == (2, "")
    assert f"{few_kernels}: compiled kernels cannot be kept there" in err
    assert "NPFORWARD_CACHE" in err


@compiling
def test_a_folder_that_is_nobodys(cli, monkeypatch, tmp_path):
    from npforward.kernels.native import library

    fresh = library.Library(library.Target.host(), None)
    monkeypatch.setattr(library, "library", lambda: fresh)
    monkeypatch.setenv("NPFORWARD_CACHE", str(tmp_path / "elsewhere"))
    code, _, err = cli("warmup")
    assert code == 2 and f"{tmp_path / 'elsewhere'}: compiled kernels cannot be kept" in err


def test_where_nothing_is_compiled_that_is_said(cli, monkeypatch):
    monkeypatch.setenv("NPFORWARD_KERNELS", "numpy")
    code, out, _ = cli("warmup")
    assert code == 0
    assert out.startswith("nothing to compile: compiled kernels are switched off")
    code, out, _ = cli("warmup", "--json")
    assert code == 0 and json.loads(out)["kernels"] == 0
    monkeypatch.delenv("NPFORWARD_KERNELS")
    monkeypatch.setattr("npforward.kernels.registry._installed", lambda: False)
    assert "llvmlite" in kernels.warm_up().without
