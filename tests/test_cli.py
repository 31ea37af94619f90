"""The command line from end to end: what it prints, writes and answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import FIXTURES
from PIL import Image

from npforward import arrays
from npforward.cli import main

MODELS = Path("weights_fixtures/models")
DIGITS = str(MODELS / "digits_cnn/model.keras")
SEVEN = str(MODELS / "digits_cnn/seven.png")
THREE = str(MODELS / "digits_cnn/three.png")
LABELS = str(MODELS / "digits_cnn/labels.txt")
TWO_INPUTS = str(MODELS / "siamese/model.keras")


@pytest.fixture
def run(capsys):
    """Run a command; returns exit code, stdout and stderr."""

    def run(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_main_job(run, tmp_path):
    code, out, err = run("activations", DIGITS, SEVEN, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("seven.png: 32x32 gray, values 0 to 255 not scaled\n")
    assert "seven.png: digit: 7 (" in out and "conv1" in out
    assert files(tmp_path / "out") == ["activations.npz", "activations.pdf", "statistics.json"]
    found = arrays.load(tmp_path / "out/activations.npz")
    assert next(iter(found)) == "picture" and found["digit"].argmax() == 7
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert list(statistics) == list(found)


def test_several_pictures_make_a_batch(run, tmp_path):
    code, out, _ = run(
        "activations", DIGITS, SEVEN, "--plot", "png", THREE, "--out", tmp_path, "--sample", 1,
        "--labels", LABELS, "--top", 1, "--format", "npy", "--layers", "conv*", "--layers", "digit",
    )  # fmt: skip
    assert code == 0
    labels = Path(LABELS).read_text().split("\n")
    assert f"seven.png: digit: {labels[7]} (" in out and f"three.png: digit: {labels[3]} (" in out
    assert files(tmp_path) == [
        "activations/000_conv1.npy", "activations/001_conv2.npy", "activations/002_digit.npy",
        "activations/index.json", "pictures/000_conv1.png", "pictures/001_conv2.png",
        "pictures/002_digit.png", "statistics.json",
    ]  # fmt: skip


def test_inner_values_and_stopping_early(run, tmp_path):
    code, _, _ = run(
        "activations", DIGITS, SEVEN, "--out", tmp_path, "--until", "conv2", "--inner",
        "--format", "h5", "--plot", "none",
    )  # fmt: skip
    assert code == 0
    found = arrays.load(tmp_path / "activations.h5")
    assert list(found)[-1] == "conv2" and "conv1:pre" in found


def test_json_is_all_that_is_printed(run):
    code, out, _ = run("activations", DIGITS, SEVEN, "--json", "--top", 2)
    report = json.loads(out)
    assert code == 0 and report["files"] == []
    assert report["top"]["digit"][0][0]["index"] == 7
    assert len(report["top"]["digit"][0]) == 2
    assert report["statistics"]["conv1"]["type"] == "Conv2D"
    assert report["inputs"][0].startswith("seven.png")


def test_preprocessing_is_done_and_said(run, tmp_path):
    big = tmp_path / "big.png"
    with Image.open(SEVEN) as picture:
        picture.resize((64, 64)).convert("RGB").save(big)
    code, out, _ = run("activations", DIGITS, big, "--scale", "1/255", "--mean", "0.5")
    assert code == 0
    assert "64x64 rgb, taken as gray, resized to 32x32 (bilinear), multiplied by 0.00392" in out
    assert "minus 0.5" in out


def test_models_with_several_inputs(run, tmp_path):
    x = np.random.default_rng(0).random((2, 12, 12, 1))
    left, right, both = tmp_path / "l.npy", tmp_path / "r.npy", tmp_path / "both.npz"
    np.save(left, x)
    np.save(right, x)
    np.savez(both, left=x, right=x)
    one = run("activations", TWO_INPUTS, "--input", f"left={left}", "--input", f"right={right}")
    assert one[0] == 0 and "left = l.npy" in one[1] and "right = r.npy" in one[1]
    two = run("activations", TWO_INPUTS, both)
    assert two[0] == 0 and two[1].split("\n\n")[1] == one[1].split("\n\n")[1]
    code, _, err = run("activations", TWO_INPUTS, left)
    assert code == 2 and "give --input left=FILE --input right=FILE" in err
    code, _, err = run("activations", TWO_INPUTS, "--input", f"left={left}")
    assert code == 2 and "no file for the input 'right'" in err
    code, _, err = run("activations", TWO_INPUTS, "--input", f"lefft={left}")
    assert code == 2 and "Did you mean 'left'?" in err
    code, _, err = run("activations", TWO_INPUTS, left, "--input", f"left={left}")
    assert code == 2 and "give all files with --input" in err


def test_summary(run):
    code, out, _ = run("summary", DIGITS)
    assert code == 0 and "conv1 (Conv2D)" in out and "Total params" in out
    code, out, _ = run("summary", DIGITS, "--json")
    assert json.loads(out)["total"] > 0
    code, out, _ = run("summary", TWO_INPUTS, "--nested")
    assert code == 0


def test_weights(run, tmp_path):
    code, out, _ = run("weights", DIGITS)
    assert code == 0 and "conv1/kernel" in out and "(3, 3, 1, 8)" in out
    code, out, _ = run("weights", DIGITS, "--json")
    kernel = {"shape": [3, 3, 1, 8], "dtype": "float32", "bytes": 288}
    assert json.loads(out)["conv1/kernel"] == kernel
    for name in ("w.npz", "w.h5", "w"):
        code, out, _ = run("weights", DIGITS, "--out", tmp_path / name)
        assert code == 0 and str(tmp_path / name) in out
        assert arrays.load(tmp_path / name)["conv1/kernel"].shape == (3, 3, 1, 8)
    code, _, err = run("weights", DIGITS, "--out", tmp_path / "w.zip")
    assert code == 2 and "there are npz, h5, npy" in err


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("apart/torch.safetensors", ["features.0.weight  (2, 1, 3, 3)  float32     72", "86 num"]),
        ("files/sequential.weights.h5", ["layers/conv2d/vars/0", "4 arrays"]),
        ("files/old_sequential_weights.h5", ["conv/conv/kernel:0"]),
        ("layers/Dense.npz", ["float32"]),
        ("broken/not_keras.h5", ["data    (4, 2)  float32", "1 array, 8 numbers, 32 bytes\n"]),
        ("broken/subclassed.keras", ["layers/dense/vars/0", "The model cannot be read", "a Mine"]),
    ],
)
def test_weights_lists_any_file_of_arrays(file, words, run):
    code, out, _ = run("weights", Path("weights_fixtures") / file)
    assert code == 0 and all(word in out for word in words), out
    code, out, _ = run("weights", Path("weights_fixtures") / file, "--json")
    assert code == 0 and all(entry["bytes"] >= 0 for entry in json.loads(out).values())


def test_weights_of_what_has_none(run):
    code, out, err = run("weights", "weights_fixtures/files/nested.json")
    assert code == 2 and not out and "holds an architecture only, no weights" in err
    code, out, err = run("weights", "weights_fixtures/broken/truncated.h5")
    assert code == 2 and "truncated or damaged" in err
    code, out, err = run("weights", "weights_fixtures/apart/torch.safetensors", "--limit", "rank=3")
    assert code == 4 and "rank = 3" in err


def test_plots(run, tmp_path):
    code, out, _ = run("plot", DIGITS, "--histograms", SEVEN, "--out", tmp_path / "h.pdf")
    assert code == 0 and out.endswith(f"written: {tmp_path / 'h.pdf'}\n")
    code, out, _ = run("plot", DIGITS, "--weights", "--out", tmp_path / "w")
    assert code == 0 and files(tmp_path / "w")[0] == "000_conv1%2Fkernel.png"
    code, out, _ = run(
        "plot", DIGITS, SEVEN, "--out", tmp_path / "p", "--layers", "conv1", "--normalize", "layer",
        "--cmap", "gray",
    )  # fmt: skip
    assert code == 0 and files(tmp_path / "p") == ["000_conv1.png"]
    code, _, err = run("plot", DIGITS, "--weights", SEVEN, "--out", tmp_path / "x")
    assert code == 2 and "takes no INPUT" in err
    code, _, err = run("plot", DIGITS, SEVEN, "--out", tmp_path / "x.svg")
    assert code == 2 and "NAME.pdf" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["summary", "none.keras"], 2, "none.keras"),
        (["summary", SEVEN], 2, "seven.png"),
        (["activations", DIGITS], 2, "no file for the input 'picture'"),
        (["activations", DIGITS, "none.png"], 2, "none.png: there is no such file"),
        (["activations", DIGITS, DIGITS], 2, "model.keras"),
        (["activations", DIGITS, SEVEN, "--layers", "konv1"], 2, "Did you mean 'conv1'"),
        (["activations", DIGITS, SEVEN, "--until", "konv1"], 2, "Did you mean 'conv1'"),
        (["activations", DIGITS, SEVEN, "--resize", "9"], 2, "--resize 9"),
        (["activations", DIGITS, SEVEN, "--resize", "9x9"], 2, "axis 1: 9, not 32"),
        (["activations", DIGITS, SEVEN, "--scale", "1/0"], 2, "--scale 1/0"),
        (["activations", DIGITS, SEVEN, "--channels", "rgb"], 2, "Leave out --channels"),
        (["activations", DIGITS, SEVEN, "--labels", "none.txt"], 2, "none.txt"),
        (["activations", DIGITS, SEVEN, "--labels", "pyproject.toml"], 2, "labels, but 'digit'"),
        (["activations", DIGITS, SEVEN, "--top", "-1"], 2, "--top -1"),
        (["activations", DIGITS, SEVEN, "--limit", "image_pixels=10"], 4, "image_pixels"),
        (["activations", DIGITS, SEVEN, "--limit", "pixels=10"], 2, "no limit 'pixels'"),
        (["summary", DIGITS, "--limit", "layers=2"], 4, "layers"),
        (["activations", DIGITS, SEVEN, "--out", "pyproject.toml"], 2, "cannot be written"),
        (["activations", DIGITS, SEVEN, "--nonsense"], 2, "unrecognized arguments: --nonsense"),
        (["weights", DIGITS, "extra"], 2, "unrecognized arguments: extra"),
        (["nonsense"], 2, "invalid choice"),
        ([], 2, "VERB"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(run, arguments, code, message):
    found, out, err = run(*arguments)
    assert found == code and message in err and out == ""
    assert "Traceback" not in err
    assert err.startswith(("npforward: ", "usage: "))


def test_sample_and_cmap_are_checked_before_anything_is_drawn(run, tmp_path):
    code, _, err = run("activations", DIGITS, SEVEN, "--out", tmp_path, "--sample", 3)
    assert code == 2 and "no sample 3; there are 1" in err
    code, _, err = run("plot", DIGITS, SEVEN, "--out", tmp_path / "x", "--cmap", "virid")
    assert code == 2 and "'viridis'" in err and not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "verb",
    "summary activations plot weights costs receptive-field dead nonfinite ablate".split(),
)
def test_help_shows_an_example(run, verb):
    code, out, _ = run(verb, "--help")
    assert code == 0 and f"npforward {verb} " in out.split("example:")[1]


def shell(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "npforward", *arguments],
        capture_output=True,
        timeout=60,
        check=False,
        **options,
    )


def test_an_ascii_terminal_is_enough():
    done = shell("summary", DIGITS, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and b"conv1 (Conv2D)" in done.stdout
    assert b"\\u" not in done.stdout and done.stderr == b""


def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "npforward", "summary", DIGITS],
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_control_c(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("npforward.model.load_model", interrupted)
    assert run("summary", DIGITS) == (130, "", "npforward: interrupted\n")


def test_progress_only_on_a_terminal(run, monkeypatch, tmp_path):
    _, _, err = run("plot", DIGITS, SEVEN, "--out", tmp_path, "--layers", "conv1")
    assert err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, _, err = run("plot", DIGITS, SEVEN, "--out", tmp_path, "--layers", "conv1")
    assert "drawing 1/1" in err and err.endswith("\x1b[K")


def test_heavy_imports_wait_until_they_are_needed():
    code = (
        "import sys; from npforward.cli import main\n"
        f"main(['weights', {DIGITS!r}, '--json'])\n"
        "heavy = {'matplotlib', 'llvmlite', 'h5py', 'PIL'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "[]\n"


def test_convert_says_what_it_changed_and_wrote(tmp_path, capsys):
    out = tmp_path / "new" / "model.keras"
    assert main(["convert", str(FIXTURES / "files" / "old_curved.h5"), str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "changed: bend: kernel and bias are scaled by 1.2, for today's hard_sigmoid",
        "changed: bend_again: its activation is a small model: today's hard_sigmoid after a "
        "scaling by 1.2",
        f"written: {out} (2 arrays)",
    ]
    assert main(["summary", str(out)]) == 0
    assert main(["convert", str(out), str(tmp_path / "again.keras"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.split("Non-trainable params: 0\n")[1]) == {
        "path": str(tmp_path / "again.keras"),
        "arrays": 2,
        "changes": [],
    }


def test_convert_takes_an_architecture_and_weights(tmp_path, capsys):
    files = FIXTURES / "files"
    out = tmp_path / "new.keras"
    architecture, weights = files / "old_sequential.json", files / "old_sequential_weights.h5"
    assert main(["convert", str(architecture), str(out)]) == 2
    assert "holds an architecture only" in capsys.readouterr().err
    assert main(["convert", str(architecture), str(out), "--weights-from", str(weights)]) == 0
    assert main(["convert", str(out), str(out), "--limit", "layers=1"]) == 4
    assert "the limit layers = 1" in capsys.readouterr().err


def test_convert_refuses_with_code_3_and_writes_nothing(tmp_path, capsys):
    out = tmp_path / "new.keras"
    assert main(["convert", str(FIXTURES / "custom" / "model.keras"), str(out)]) == 3
    assert "layer 'bent_dense' (Dense): its activation 'shop>bent'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


OLD = FIXTURES / "old"


@pytest.mark.parametrize("verb", ["summary", "weights", "activations", "plot", "convert"])
def test_every_verb_takes_an_architecture_with_its_weights(verb, tmp_path, capsys):
    path = OLD / "keras-2.0.8" / "small.yaml"
    with np.load(path.with_suffix(".npz")) as arrays:
        x = next(array for name, array in arrays.items() if name.startswith("inputs/"))
    np.save(tmp_path / "x.npy", x)
    more = {
        "activations": [str(tmp_path / "x.npy")],
        "plot": [str(tmp_path / "x.npy"), "--out", str(tmp_path / "x.pdf")],
        "convert": [str(tmp_path / "x.keras")],
    }
    command = [verb, str(path), *more.get(verb, [])]
    assert main(command) == 2
    assert "holds an architecture only, no weights" in capsys.readouterr().err
    assert main([*command, "--weights-from", str(path.with_suffix(".weights.h5"))]) == 0


def test_the_backend_and_names_can_be_said(capsys):
    path = OLD / "keras-1.2.2-theano" / "signal.h5"
    assert main(["summary", str(path), "--backend", "theano"]) == 0
    assert main(["summary", str(path), "--backend", "thea"]) == 2
    assert "backend='thea', expected one of 'tensorflow', 'theano'" in capsys.readouterr().err
    assert main(["summary", str(path), "--by-name"]) == 2
    assert "by_name and mapping are for weights=" in capsys.readouterr().err
