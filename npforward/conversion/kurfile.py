"""Graph -> a Kurfile and a folder of weights, as Kur 0.7 has them on Keras and TensorFlow."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from npforward import addresses
from npforward.conversion.architecture import Tensors, calls
from npforward.conversion.kur_layers import Elsewhere, Read, Source, Step
from npforward.conversion.meanings import ARRAYS
from npforward.conversion.recorded import recorded, tensors
from npforward.errors import BadInput, UnsupportedLayer
from npforward.formats import idx
from npforward.formats.kur.backends import BACKENDS, Backend
from npforward.formats.kur.literals import literal
from npforward.graph import Graph, Layer, Node, Ref, leaves
from npforward.limits import Limits
from npforward.model import Model
from npforward.weights import Bound, bind
from npforward.writing import new_folder

FOLDER = "weights"
# Windows has none in names; there it is escaped, which npforward takes, and Kur does not run.
COLON = "%3A" if os.name == "nt" else ":"
LONGEST = 64  # characters of a name, which is up to three times in that of a file
HEAD = """\
# {source}, converted by npforward for Kur 0.7 on {backend}.
# Kur looks for the folder of weights where it is run: run it here.  Before `kur evaluate`, say
# where the data are: evaluate.data, with a source for each input by its name.
"""


def written(model: Model, out: Path, limits: Limits | None) -> tuple[int, tuple[str, ...]]:
    """Write a Kurfile and its weights; how many arrays, and what is otherwise than in the model."""
    if out.parent == Path():
        raise BadInput(
            f"{out}: a Kurfile has a folder of weights beside it. Give both a folder that is not "
            f"there yet: {FOLDER}_of_kur/{out}"
        )
    network = _network(model, limits)
    if not network.arrays:
        raise BadInput(
            f"{network.source}: has no arrays, and a Kurfile without a folder of them is none that "
            "could be evaluated. There is nothing to convert."
        )
    with new_folder(out.parent) as folder:
        (folder / out.name).write_text(network.text(), encoding="utf-8", newline="\n")
        (folder / FOLDER).mkdir()
        for name, read in network.arrays.items():
            idx.write_idx(folder / FOLDER / f"{name.replace(':', COLON)}{idx.KUR}", read())
    return len(network.arrays), tuple(dict.fromkeys(network.said))


def _network(model: Model, limits: Limits | None) -> Network:
    """The model for Keras 1, or if that cannot have it for Keras 2."""
    for spec in model.inputs:
        if spec.shape is None:
            raise UnsupportedLayer(
                f"input {spec.name!r}: the file does not say its shape. Say it: "
                f"shapes={{{spec.name!r}: (28, 28, 1)}}, on the command line "
                f"--shape {spec.name}=28,28,1 (as an example)"
            )
    small, large = recorded(model.graph, limits)
    for at, masks in small.masks.items():
        if masks:
            raise UnsupportedLayer(
                f"layer {at!r} ({small.layer_of(at).type}): it has a mask, of which Kur has none. "
                f"{ARRAYS}"
            )
    bounds, known = bind(model.graph), tensors(small, large)
    refusals = []
    for library in ("keras1", "keras2"):
        backend = next(b for b in BACKENDS if (b.library, b.runs_on) == (library, "tensorflow"))
        try:
            return Network(model.graph, bounds, known, backend)
        except Elsewhere as error:
            refusals.append(str(error))
    raise UnsupportedLayer("; and\n".join(refusals))


class Network:
    """The containers of a Kurfile, and the arrays that they need."""

    def __init__(
        self, graph: Graph, bounds: Mapping[Any, Bound], known: Tensors, backend: Backend
    ) -> None:
        self.bounds, self.known, self.backend = bounds, known, backend
        self.source = graph.source or graph.name
        self.entries: dict[str, dict[str, Any]] = {}  # by name
        self.arrays: dict[str, Read] = {}
        self.said: list[str] = []
        self.done: dict[Layer, list[Step]] = {}
        self.names: set[str] = set()
        self.fed: set[str] = set()  # containers that others take
        self.last = ""
        nodes = {node.address: node for node in graph.nodes}
        inputs = [self.input(nodes[address]) for address in leaves(graph.inputs)]
        for name in self.model(graph, "", inputs):
            if name in self.fed:
                self.entries[name]["sink"] = True

    def text(self) -> str:
        """The Kurfile."""
        import yaml

        content = {
            "settings": {"backend": {"name": "keras", "backend": "tensorflow"}},
            "model": list(self.entries.values()),
            "evaluate": {"weights": FOLDER},
        }
        source = " ".join(self.source.split())
        head = HEAD.format(source=source, backend=self.backend.title)
        body = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
        return f"{head}{body}"

    def name(self, wanted: str) -> str:
        """A name that Kur, TensorFlow and file systems take, and that nothing else has."""
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", addresses.unescape(wanted))
        if not re.match("[A-Za-z0-9.]", plain) or not isinstance(literal(plain), str):
            plain = f"layer_{plain}"
        if len(plain) > LONGEST:
            plain = f"{plain[: LONGEST - 9]}_{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        found, n = plain, 1
        while found.lower() in self.names:
            n += 1
            found = f"{plain}_{n}"
        self.names.add(found.lower())
        return found

    # ---- the walk -----------------------------------------------------------------------------

    def input(self, node: Node) -> str:
        tensor = self.known[node.address]
        who = f"input {node.layer.name!r}"
        if len(tensor.shape) < 2:
            raise UnsupportedLayer(f"{who}: Kur has no input of single numbers. {ARRAYS}")
        if tensor.dtype != "float32" and "int" not in tensor.dtype:
            raise UnsupportedLayer(f"{who}: it takes {tensor.dtype}, Kur float32. {ARRAYS}")
        name = self.name(node.layer.name)
        args: dict[str, Any] = {"shape": list(tensor.shape[1:])}
        if tensor.dtype != "float32":
            args["type"] = tensor.dtype
        self.add(Step(name, "input", args), [])
        self.called(node.address, node.layer.name, name)
        return name

    def model(self, graph: Graph, at: str, inputs: Sequence[str]) -> list[str]:
        """The containers of a model; the names of those that give its outputs."""
        names = dict(zip(leaves(graph.inputs), inputs, strict=True))
        values = {Ref(address): name for address, name in names.items()}
        needed = {node.address for made in calls(graph).values() for node in made}
        for node in graph.nodes:
            if node.address in names:
                continue
            address = addresses.join(at, node.address)
            if node.address not in needed:
                self.said.append(f"{address}: left out, as no output depends on it")
                continue
            refs = self.refs(node, address)
            sources = [values[ref] for ref in refs]
            if isinstance(node.layer, Graph):
                for i, name in enumerate(self.model(node.layer, address, sources)):
                    values[Ref(node.address, i)] = name
                continue
            values[Ref(node.address)] = self.layer(node.layer, address, sources, [
                addresses.join(at, ref.node) + (f"#{ref.output}" if ref.output else "")
                for ref in refs
            ])  # fmt: skip
        return [values[ref] for ref in leaves(graph.outputs)]

    def refs(self, node: Node, address: str) -> list[Ref]:
        """What a call takes: values of the model, and nothing else."""
        more = [key for key, tree in node.kwargs.items() if any(leaf for leaf in leaves(tree))]
        found = list(leaves(node.args))
        constants = [leaf for leaf in found if not isinstance(leaf, Ref)]
        if more or constants:
            what = more[0] if more else repr(constants[0])
            raise UnsupportedLayer(
                f"layer {address!r} ({node.layer.type}): it is called with {what} as well, which "
                f"Kur cannot say. {ARRAYS}"
            )
        return found

    def layer(self, layer: Layer, address: str, sources: list[str], given: list[str]) -> str:
        """The containers of one call of a layer; the name of the last."""
        name = self.name(address)
        taken = [self.known[at] for at in given]
        source = Source(layer, address, taken, self.backend, self.bounds, name, self.name)
        for tensor in (*taken, self.known[address]):
            whole = layer.type == "Embedding" and "int" in tensor.dtype
            if tensor.dtype != "float32" and not whole:
                raise source.refused(f"it has to do with {tensor.dtype}, and Kur with float32")
        steps = source.steps()
        if not steps:
            self.names.discard(name.lower())
            self.said.append(f"{address}: left out, as it changes nothing")
            return sources[0]
        first = self.done.setdefault(layer, steps)
        for step, before in zip(steps, first, strict=True):
            if step is not before and before.arrays:
                step = replace(step, type="reuse", args=before.name, arrays={})
            self.add(step, sources)
            sources = [step.name]
        self.called(address, address, name)
        if steps[-1].name != name:
            self.said.append(f"{address}: what it gives is that of {steps[-1].name!r} in Kur")
        return steps[-1].name

    def add(self, step: Step, sources: list[str]) -> None:
        entry = step.entry
        if sources and sources != [self.last]:
            entry["inputs"] = sources[0] if len(sources) == 1 else sources
        self.fed.update(sources)
        self.entries[step.name] = entry
        self.arrays |= step.arrays
        self.last = step.name

    def called(self, address: str, before: str, name: str) -> None:
        if name != before:
            self.said.append(f"{address}: is called {name!r} in Kur")
