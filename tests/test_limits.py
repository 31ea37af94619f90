"""Every limit: a file that hits it, an error that says its name, and a way to raise it."""

import argparse
import dataclasses
import io
import math
import signal
import threading
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import npforward as npf
from npforward import cli, formats
from npforward.errors import LimitExceeded
from npforward.formats import hdf5, kur
from npforward.formats.kur import pickled
from npforward.inputs import read_batch
from npforward.limits import Limits

FIXTURES = Path(__file__).parents[1] / "weights_fixtures"
FILES = FIXTURES / "files"


def opened(file):
    return lambda limits, folder: npf.load_model(FILES / file, limits=limits)


def arrays(file):
    return lambda limits, folder: formats.arrays(FILES / file, limits)


def zip_bomb(limits, folder):
    formats.read(FIXTURES / "broken" / "zip_bomb.keras", limits=limits)


def deflated(limits, folder):
    source = zipfile.ZipFile(FILES / "sequential.keras")
    with zipfile.ZipFile(folder / "deflated.keras", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    formats.read(folder / "deflated.keras", limits=limits)


def vocabulary(limits, folder):
    npf.load_model(FIXTURES / "models" / "text_classifier" / "model.keras", limits=limits)


def value(limits, folder):
    model = opened("sequential.keras")(limits, folder)
    model.trace(np.zeros((100, 6, 6, 1)))


def picture(limits, folder):
    digits = FIXTURES / "models" / "digits_cnn"
    model = npf.load_model(digits / "model.keras")
    read_batch([digits / "seven.png"], model.inputs[0], limits=limits)


def by_the_library(limits, folder):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file.create_dataset("x", (2**24,), "f8", chunks=(2**16,), compression="gzip")[0] = 1
    hdf5.File(memoryview(buffer.getvalue()), "made.h5", limits).stored("x").read()


def checkpoint(limits, folder):
    with zipfile.ZipFile(FIXTURES / "saved_models" / "tf215" / "kinds.zip") as file:
        file.extractall(folder)
    formats.arrays(next(folder.rglob("*.index")), limits)


def architecture(limits, folder):
    path = next((FIXTURES / "old").rglob("*.yaml"))
    npf.load_model(path, path.with_suffix(".weights.h5"), limits=limits)


def kurfile(text):
    def hit(limits, folder):
        (folder / "o.yml").write_text("settings: {z: 0}")
        (folder / "Kurfile.yml").write_text(text)
        kur.read(folder / "Kurfile.yml", limits)

    return hit


def batch(limits, folder):
    pickled.loads(b"\x80\x02]K\x01a.", "data_batch_1", limits)


def slowly(limits, folder):
    with limits.loading("model.h5"):
        started = time.perf_counter()
        while time.perf_counter() - started < 20:
            pass


HITS = {
    "load_seconds": (0, slowly),
    "file_bytes": (100, opened("sequential.keras")),
    "member_bytes": (100, opened("sequential.keras")),
    "archive_bytes": (3000, deflated),
    "zip_ratio": (100, zip_bomb),
    "zip_members": (2, opened("sequential.keras")),
    "config_bytes": (100, opened("sequential.h5")),
    "asset_bytes": (10, vocabulary),
    "depth": (5, opened("sequential.keras")),
    "model_depth": (0, opened("nested.keras")),
    "name_bytes": (4, opened("sequential.keras")),
    "layers": (3, opened("sequential.keras")),
    "edges": (3, opened("nested.keras")),
    "hdf5_depth": (2, opened("sequential.keras")),
    "hdf5_objects": (5, opened("sequential.h5")),
    "attribute_bytes": (100, opened("sequential.h5")),
    "hdf5_library_bytes": (300 * 2**20, by_the_library),
    "hdf5_library_seconds": (0, by_the_library),
    "protobuf_fields": (3, checkpoint),
    "checkpoint_arrays": (3, checkpoint),
    "yaml_nodes": (10, architecture),
    "include_files": (1, kurfile("include: o.yml")),
    "template_steps": (10, kurfile("settings: {a: '{{ range(99) | list }}'}")),
    "template_bytes": (10, kurfile("settings: {a: \"{{ 'a' * 99 }}\"}")),
    "template_repeats": (0, kurfile("settings: {a: b}")),
    "pickle_steps": (1, batch),
    "rank": (2, opened("sequential.keras")),
    "tensor_elements": (10, opened("sequential.keras")),
    "weights_bytes": (100, arrays("sequential.h5")),
    "value_bytes": (1000, value),
    "image_pixels": (10, picture),
}


def test_every_limit_is_hit_by_a_test():
    assert set(HITS) == {field.name for field in dataclasses.fields(Limits)}


@pytest.mark.parametrize("name", HITS)
def test_a_limit_says_its_name(name, tmp_path):
    bound, hit = HITS[name]
    started = time.perf_counter()
    with pytest.raises(LimitExceeded, match=rf"limit {name}\b.*--limit {name}=") as caught:
        hit(Limits(**{name: bound}), tmp_path)
    assert caught.value.exit_code == 4
    assert time.perf_counter() - started < 10


def test_every_limit_can_be_set_on_the_command_line():
    for name in HITS:
        assert getattr(Limits.parse([f"{name}=7"]), name) == 7
    assert Limits().load_seconds == math.inf
    assert Limits.parse([]).load_seconds == 120


def tasks(grammar):
    """What stands for one of several things to do, by name."""
    kinds = (action for action in grammar._actions)
    return dict(
        next(kind for kind in kinds if isinstance(kind, argparse._SubParsersAction)).choices
    )


def test_every_verb_takes_limits():
    verbs = tasks(cli.parser())
    assert set(verbs) >= {"summary", "activations", "plot", "weights"}
    verbs |= {f"kur {name}": task for name, task in tasks(verbs.pop("kur")).items()}
    for name, verb in verbs.items():
        assert ("--limit" in verb.format_help()) == (name != "warmup"), name  # which reads no file


@pytest.mark.parametrize("verb", ["summary", "weights"])
def test_a_model_that_takes_too_long_ends_with_code_4(verb, capsys, monkeypatch):
    def read(*_, **__):
        time.sleep(0.2)
        while True:
            pass

    monkeypatch.setattr(formats, "read", read)
    started = time.perf_counter()
    assert cli.main([verb, str(FILES / "sequential.keras"), "--limit", "load_seconds=0"]) == 4
    assert "takes longer to open than the limit load_seconds = 0" in capsys.readouterr().err
    assert time.perf_counter() - started < 5


@pytest.fixture
def interruptible():
    """SIGINT as Python has it in front of a person; in the background shells let it be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupts_pass_through_and_are_as_before_afterwards():
    with pytest.raises(KeyboardInterrupt), Limits(load_seconds=100).loading("model.h5"):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_is_not_bounded_and_may_load():
    found = []
    limits = Limits(load_seconds=100)

    def load():
        found.append(npf.load_model(FILES / "sequential.keras", limits=limits))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert len(found) == 1
