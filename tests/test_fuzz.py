"""A short run of the fuzzer in `tests/fuzz`, and what longer runs have found."""

import functools
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from fuzz import campaign, mutations, target
from fuzz.seeds import FIXTURES, Seed, reads, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

import npforward as npf
from npforward.errors import NpforwardError
from npforward.limits import Limits

FILES = 250  # takes seconds; for more: PYTHONPATH=tests python -m fuzz --files 100000


def test_changed_files_do_nothing_but_give_a_model_or_our_own_error(tmp_path):
    figures = campaign.run(campaign.chances(FILES, seed=0), keep=tmp_path / "findings")
    assert not figures.findings, figures.examples
    assert figures.files == FILES
    assert figures.slowest < campaign.SECONDS
    assert figures.peak < target.MEMORY
    assert figures.outcomes["read"] > FILES / 10
    assert figures.outcomes["BadFile"] > FILES / 10


@functools.cache
def config(path):
    """The architecture in a model file, as JSON that says which Keras wrote it."""
    said, version, backend, _ = npf.formats._format(path).architecture(path, Limits())
    return said | {"keras_version": version, "backend": backend}


@functools.cache
def whole():
    """Every small genuine model, not read before the test runs."""
    alone = [seed.path for seed in seeds() if seed.weights is None and not seed.broken]
    of_keras = [p for p in alone if hasattr(npf.formats._format(p), "architecture")]
    return [path for path in of_keras if reads(npf.formats.read, path)]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(path=st.deferred(lambda: st.sampled_from(whole())), chance=st.randoms(use_true_random=False))
def test_a_changed_config_gives_results_or_our_own_error(path, chance, tmp_path_factory):
    """What hypothesis finds it makes small, which chance alone does not."""
    changed = tmp_path_factory.mktemp("changed") / "config.json"
    changed.write_text(json.dumps(mutations.tree_changed(config(path), chance)))
    try:
        target.opened(str(changed), str(path))
    except NpforwardError as error:
        assert str(error)


def test_every_format_is_among_the_seeds():
    """A new format joins by its fixtures alone."""
    good = [seed for seed in seeds() if not seed.broken]
    found = {npf.formats._format(seed.path) for seed in good}
    assert found == set(npf.formats.FORMATS)


def test_the_watch_sees_what_it_is_there_for(tmp_path):
    """The oracle itself: each of these is a finding."""
    code = f"""
import os, socket, subprocess, sys
from fuzz.target import Watch
given = {str(tmp_path / "given.txt")!r}
open(given, "w").close()
watch = Watch()
deeds = {{
    "open": lambda: open({str(tmp_path / "other.txt")!r}, "w"),
    "open'": lambda: open(given, "r+"),
    "import": lambda: __import__("this_is_not_there"),
    "exec": lambda: exec("pass"),
    "os.": lambda: os.mkdir({str(tmp_path / "made")!r}),
    "os.system": lambda: os.system("true"),
    "socket": lambda: socket.socket(),
    "subprocess": lambda: subprocess.run([sys.executable, "--version"]),
    "pickle": lambda: __import__("pickle").loads(b"cos\\nsystem\\n."),
}}
import pickle
for event, deed in deeds.items():
    watch.allowed, watch.seen = (given,), []
    try:
        deed()
    except ImportError:
        pass
    watch.allowed = None
    assert any(seen.startswith(event.rstrip("'")) for seen in watch.seen), (event, watch.seen)
watch.allowed, watch.seen = (given,), []
open(given).close()
watch.allowed = None
assert not watch.seen
"""
    tests = str(Path(__file__).parent)
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r})\n{code}"], check=True
    )


def test_a_process_that_dies_or_hangs_is_a_finding(monkeypatch):
    good = str(FIXTURES / "files" / "sequential.keras"), None
    opener = campaign.Opener([])
    for outcome, deed in (("death", "kill"), ("hang", "sleep")):
        assert [answer["outcome"] for answer in opener([good, good])] == ["read", "read"]
        if deed == "kill":
            opener.process.kill()
            opener.process.join()
        monkeypatch.setattr(opener.pipe, "send", lambda tasks: None)  # so it waits for ever
        monkeypatch.setattr(campaign, "SECONDS", 1)
        outcomes = [answer["outcome"] for answer in opener([good, good])]
        assert outcomes == [outcome, "read"], "another process takes the rest"
        monkeypatch.undo()
    opener.close()


# What was found: a change to a config, by its path in it, and what must come of it.

IMAGE = ("config", "layers", 0, "config")
FOUND = [
    # numpy's TypeError and ValueError from the summary
    ("sequential", (*IMAGE, "batch_shape"), [None, [6], 6, 1], "batch_shape of layer 'image'"),
    ("sequential", (*IMAGE, "batch_shape"), [None, 2**70, 6, 1], None),
    ("sequential", (*IMAGE, "batch_shape"), [None] * 8, None),
    # UnicodeEncodeError from numpy
    ("sequential", (*IMAGE, "dtype"), "\ud800", "surrogates not allowed"),
    # Python's parser, which numpy lets look at a dtype of several parts
    ("sequential", (*IMAGE, "dtype"), "1.2.2", "dtype policy '1.2.2' is not known"),
    # ValueError from zip: a model without inputs
    ("nested", ("config", "input_layers"), [[]], "input_layers of the model is [[]]"),
    ("nested", ("config", "output_layers"), {"a": []}, "output_layers of the model is {'a': []}"),
]


@pytest.mark.parametrize(("name", "path", "value", "words"), FOUND)
def test_what_the_fuzzer_found(name, path, value, words, tmp_path):
    files = FIXTURES / "files"
    said = json.loads((files / f"{name}.json").read_text())
    mutations.at(said, path[:-1])[path[-1]] = value
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(said))
    try:
        target.opened(str(changed), str(files / f"{name}.weights.h5"))
    except NpforwardError as error:
        assert words is None or words in str(error)
    else:
        assert words is None


def test_a_seed_gives_the_same_file_again(tmp_path):
    seed = Seed(FIXTURES / "files" / "nested.keras")
    for number in range(20):
        one, other = (
            seed.changed(Random(number), tmp_path / f"{number}{place}").read_bytes()
            for place in "ab"
        )
        assert one == other
