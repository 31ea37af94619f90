"""What genuine Kur makes of data files of each kind: weights_fixtures/kur_data.

    python weights_fixtures/make/kurdata.py

Needs Kur 0.7.0 and what it imports, on Python 3.6.  The files hold seeded numbers in small; Kur's
own suppliers and provider read them.
"""

import gzip
import io
import json
import os
import pickle
import shutil
import sys
import tarfile
from pathlib import Path

sys.path = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent]

import numpy as np
from kur.engine import JinjaEngine
from kur.kurfile import Kurfile
from kur.utils import idx
from kur.utils.network import get_hash
from kur.version import __version__

OUT = Path(__file__).resolve().parents[1] / "kur_data"
RANDOM = np.random.RandomState(8)

KURFILE = """---
# Each set is what one supplier, or two of them, give.
settings:
  parts: [2, 1]

validate:
  provider:
    batch_size: 7
  data:
    mnist:
      - mnist:
          images: images.gz
          labels:
            path: labels
            checksum: {labels}
    mnist_twice:
      - mnist: [labels, {{path: images.gz}}]
      - mnist: {{images: images.gz, labels: labels}}
        when: "{{{{ parts | length > 1 }}}}"
      - pickle: never.pkl
        when: no
    cifar:
      - cifar:
          url: http://somewhere/cifar.tar.gz
          path: .
          parts: "{{{{ parts }}}}"
    cifar_test:
      - cifar: {{path: cifar.tar.gz, checksum: {cifar}, parts: test}}
    jsonl:
      - jsonl: lines.jsonl
    csv:
      - csv: {{path: commas.csv}}
    csv_semicolons:
      - csv:
          path: semicolons.txt
          header: no
    csv_told:
      - csv:
          path: told.csv
          format: {{delimiter: "|", quote: "'"}}
    merged:
      - csv: commas.csv
      - jsonl: lines.jsonl

evaluate:
  provider:
    batch_size: 4
    num_batches: 2
  data:
    - csv: commas.csv

test:
  provider:
    batch_size: 4
    force_batch_size: yes
  data:
    - csv: commas.csv

model:
  - input: images
  - flatten:
  - dense: 10
  - activation: softmax
    name: labels
...
"""


def smooth(*shape):
    """Bytes that pack well."""
    steps = RANDOM.randint(0, 4, shape).cumsum(axis=-1)
    return (steps % 256).astype("uint8")


def packed(name, mode):
    return gzip.GzipFile(name, mode, mtime=0)  # the same bytes whenever it is made


def batch(rows, name):
    labels = [int(label) for label in RANDOM.randint(0, 10, rows)]
    names = [f"{name}_{n}.png" for n in range(rows)]
    held = {"batch_label": name, "labels": labels, "data": smooth(rows, 3072), "filenames": names}
    return pickle.dumps(held, protocol=2)


def written():
    """All data files."""
    images, labels = smooth(17, 5, 4), RANDOM.randint(0, 10, 17).astype("uint8")
    for name, array, opener in (("images.gz", images, packed), ("labels", labels, open)):
        with opener(name, "wb") as file:
            file.write(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes())
            file.write(array.tobytes())
    assert (idx.load("images.gz") == images).all()
    with packed("cifar.tar.gz", "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        for name, rows in (("data_batch_1", 3), ("data_batch_2", 5), ("test_batch", 4)):
            content = batch(rows, name)
            member = tarfile.TarInfo("cifar-10-batches-py/" + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with Path("lines.jsonl").open("w") as file:
        for n in range(11):
            row = {"in": RANDOM.normal(size=(3, 2)).round(3).tolist(), "n": n, "ids": [n, 2 * n]}
            file.write(json.dumps(row) + "\n")
    table = RANDOM.normal(size=(9, 3)).round(4)
    for name, mark, head in (
        ("commas.csv", ",", '"height",width,"depth"\n'),
        ("semicolons.txt", ";", ""),
        ("told.csv", "|", "'a|b'|c|d\n"),
    ):
        with Path(name).open("w") as file:
            file.write(head)
            file.writelines(mark.join(f"{x:g}" for x in row) + "\n" for row in table)


def read(kurfile, section):
    """Every batch that Kur hands out, of each data set of a section."""
    for name, provider in kurfile.get_provider(section, accept_many=True).items():
        provider.randomize = False
        batches = list(provider)
        sizes = [len(next(iter(one.values()))) for one in batches]
        key = section if name == "default" else f"{section}.{name}"
        yield key + ":sizes", np.array(sizes)
        for source in batches[0]:
            yield key + ":" + source, np.concatenate([one[source] for one in batches])


def main():
    shutil.rmtree(str(OUT), ignore_errors=True)
    OUT.mkdir()
    os.chdir(str(OUT))
    written()
    sums = {"labels": get_hash("labels"), "cifar": get_hash("cifar.tar.gz").upper()}
    Path("Kurfile.yml").write_text(KURFILE.format(**sums))
    kurfile = Kurfile("Kurfile.yml", JinjaEngine())
    kurfile.parse()
    found = {}
    for section in ("evaluate", "test", "validate"):
        found.update(read(kurfile, section))
    found["versions"] = np.array(f"kur {__version__}, numpy {np.__version__}")
    np.savez_compressed("expected.npz", **found)


if __name__ == "__main__":
    main()
