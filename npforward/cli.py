"""The command line: `npforward summary`, `activations`, `plot` and the other verbs."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import npforward
from npforward import reports
from npforward.errors import (
    BadInput,
    LimitExceeded,
    NpforwardError,
    UnknownName,
    WeightsOnly,
    nearest,
)
from npforward.limits import Limits
from npforward.tables import printable

if TYPE_CHECKING:
    from npforward.model import Model, Trace, Weights

INTERRUPTED, BROKEN_PIPE, NO_MEMORY = 130, 141, 4
DIFFERS = 1

# Methods of attribution: the function behind each, and which options it alone takes.
METHODS = {
    "grad-cam": ("grad_cam", ()),
    "grad-cam++": ("grad_cam_plus_plus", ()),
    "saliency": ("saliency", ()),
    "integrated-gradients": ("integrated_gradients", ("steps", "baseline", "progress")),
    "smoothgrad": ("smoothgrad", ("samples", "noise", "seed", "progress")),
    "gradient-x-input": ("gradient_times_input", ()),
    "occlusion": ("occlusion", ("window", "stride", "value", "progress")),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code.

    0 fine, 1 differs or found, 2 bad input, 3 unsupported layer, 4 a limit was hit.

    Examples
    --------
    >>> main(["summary", "no_such_model.keras"])
    2
    """
    codecs.register_error("npforward", plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="npforward")
    try:
        arguments = parsed(argv)
        with shown_while_compiling():
            code = arguments.run(arguments)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse: --help, or a usage error that it has printed
        return stop.code if isinstance(stop.code, int) else 2
    except NpforwardError as error:
        return failed(str(error), error.exit_code)
    except KeyboardInterrupt:
        return failed("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except MemoryError:
        return failed(
            "not enough memory. Ask for fewer values (--layers, --until) or samples.", NO_MEMORY
        )
    return code or 0


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; argparse alone takes no INPUT after an option."""
    grammar = parser()
    arguments, rest = grammar.parse_known_args(argv)
    unknown = [text for text in rest if text.startswith("-") or "inputs" not in arguments]
    if unknown:
        grammar.error(f"unrecognized arguments: {' '.join(unknown)}")
    if rest:
        arguments.inputs += map(Path, rest)
    return arguments


def failed(message: str, code: int) -> int:
    clear()
    sys.stdout.flush()
    print("npforward:", *map(printable, message.split("\n")), file=sys.stderr)
    return code


def say(text: object = "") -> None:
    """Print to stdout, with what a terminal would obey as escapes."""
    clear()
    print("\n".join(map(printable, str(text).split("\n"))))


def plain(error: UnicodeError) -> tuple[str, int]:
    """What an ASCII terminal gets for characters that it lacks: lines for lines, else escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    replaced = "".join(
        "-" if c in "─━═" else "|" if c in "│┃║" else "+" if "─" <= c <= "╿" else
        "x" if c == "\u00d7" else c.encode("unicode_escape").decode("ascii")
        for c in error.object[error.start : error.end]
    )  # fmt: skip
    return replaced, error.end


def show(text: str) -> None:
    """A line on stderr in the place of the one before, if somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{printable(text)} ", end="", file=sys.stderr, flush=True)


def clear() -> None:
    """Take away the line that `show` left."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def progress(items: Iterable[Any], doing: str, total: int) -> Iterator[Any]:
    """`items`, counted on stderr."""
    try:
        for number, item in enumerate(items, 1):
            show(f"{doing} {number}/{total}")
            yield item
    finally:
        clear()


@contextlib.contextmanager
def shown_while_compiling() -> Iterator[None]:
    """Show on stderr which kernel is being compiled."""
    from npforward.kernels.native.library import listeners

    listeners.append(show)
    try:
        yield
    finally:
        listeners.remove(show)
        clear()


# The grammar -----------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The whole grammar: one verb each."""
    top = argparse.ArgumentParser(
        prog="npforward",
        description="Open a saved neural network and see every number it computes.",
        epilog="Each verb has its own help: npforward activations --help",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"npforward {npforward.__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Any, about: str, example: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        one.set_defaults(run=run)
        return one

    def of_model(name: str, run: Any, about: str, example: str) -> argparse.ArgumentParser:
        one = verb(name, run, about, example)
        one.add_argument("model", type=Path, metavar="MODEL", help="a saved model")
        add_limit(one)
        group = one.add_argument_group("what the file does not say")
        group.add_argument(
            "--weights-from",
            type=Path,
            metavar="FILE",
            help="the weights, where MODEL is an architecture alone (JSON or YAML)",
        )
        group.add_argument(
            "--by-name", action="store_true", help="give them to layers by name, and not in order"
        )
        group.add_argument(
            "--backend", metavar="NAME", help="that the Keras 1 or 2 ran on: tensorflow or theano"
        )
        return one

    summary = of_model(
        "summary",
        run_summary,
        "List the layers, output shapes and parameters of a model.",
        "npforward summary cnn.keras",
    )
    summary.add_argument("--nested", action="store_true", help="also layers of nested models")
    add_json(summary)

    activations = of_model(
        "activations",
        run_activations,
        "Compute every layer's output for an input: table, arrays and pictures.",
        "npforward activations cnn.keras cat.png --out out --layers 'conv*' --scale 1/255",
    )
    add_inputs(activations, "*")
    add_selection(activations)
    add_written(activations)
    activations.add_argument(
        "--top",
        type=int,
        default=5,
        metavar="N",
        help="classes of a softmax to print (%(default)s)",
    )
    add_look(activations)
    add_json(activations)

    plot = of_model(
        "plot",
        run_plot,
        "Draw feature maps, histograms or the filters of a model.",
        "npforward plot cnn.keras cat.png --out maps.pdf\n"
        "  npforward plot cnn.keras --weights --out filters/",
    )
    add_inputs(plot, "*")
    plot.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="NAME.pdf, or a folder for PNGs"
    )
    what = plot.add_mutually_exclusive_group()
    what.add_argument("--histograms", action="store_true", help="how each layer's values spread")
    what.add_argument("--weights", action="store_true", help="kernels; needs no INPUT")
    add_selection(plot)
    add_look(plot)

    epochs = of_model(
        "epochs",
        run_epochs,
        "Draw what layers and weights become while a model is trained: strips and animations.",
        "npforward epochs model.keras digit.npy --checkpoints runs/ --layers conv1 --out out\n"
        "  npforward epochs Kurfile.yml --checkpoints epoch_*/ --layers '*dense*' --out out",
    )
    add_inputs(epochs, "*")
    epochs.add_argument(
        "--checkpoints",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="a folder of them; or files or Kur's folders of weights, in any order",
    )
    epochs.add_argument(
        "--layers",
        action="append",
        metavar="GLOB",
        help="layers, or weights as conv1/kernel; may be repeated (default: all)",
    )
    epochs.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    group = add_colours(
        epochs,
        "none",
        "colours over all checkpoints: from least to most, or by mean and deviation of each "
        "channel or layer (%(default)s)",
    )
    group.add_argument(
        "--most", type=int, default=16, metavar="N", help="channels of each (%(default)s)"
    )
    add_json(epochs)

    weights = of_model(
        "weights",
        run_weights,
        "List the arrays of a model, or of any file that holds some, or save them.",
        "npforward weights cnn.keras --out weights.npz\n  npforward weights model.safetensors",
    )
    weights.add_argument(
        "--out", type=Path, metavar="FILE", help="NAME.npz, NAME.h5, or a folder for .npy"
    )
    add_json(weights)

    convert = of_model(
        "convert",
        run_convert,
        "Write a model of any age as a .keras file that Keras 3.15 opens and computes the same, as "
        "a Kurfile with its folder of weights, or its arrays alone.",
        "npforward convert model_of_2016.h5 model.keras\n"
        "  npforward convert architecture.json model.keras --weights-from weights.h5\n"
        "  npforward convert Kurfile.yml model.keras --shape images=28,28,1\n"
        "  npforward convert model.keras for_kur/Kurfile.yml",
    )
    convert.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="where to write: NAME.keras; NEW_FOLDER/NAME.yml for Kur 0.7; NAME.npz",
    )
    convert.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="[INPUT=]SIZES",
        help="of a sample, where the file does not say it: 28,28,1, with ? for any size",
    )
    add_json(convert)

    profile = of_model(
        "profile",
        run_profile,
        "Time each step of a forward pass, and hold it against what this CPU can do.",
        "npforward profile cnn.keras --batch 16\n  npforward profile cnn.keras cat.png --threads 1",
    )
    add_inputs(profile, "*")
    group = profile.add_argument_group("what to time")
    add_batch(group, "random samples, where there is no INPUT (default: 1)")
    group.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="the median counts (%(default)s)"
    )
    group.add_argument(
        "--threads", type=int, metavar="N", help="for compiled kernels (default: all CPUs)"
    )
    add_json(profile)

    costs = of_model(
        "costs",
        run_costs,
        "Count parameters, operations and bytes of every layer, without running anything.",
        "npforward costs cnn.keras --batch 16\n  npforward costs cnn.keras cat.png --json",
    )
    add_inputs(costs, "*")
    add_batch(costs, "samples, where there is no INPUT (default: 1)")
    add_json(costs)

    field = of_model(
        "receptive-field",
        run_receptive_field,
        "Tell which part of the inputs can influence one position of a value.",
        "npforward receptive-field cnn.keras block3_conv1 --position 7,7",
    )
    field.add_argument("address", metavar="ADDRESS", help="of the value, as conv1 or lstm:cell")
    field.add_argument(
        "--position",
        metavar="I[,J...]",
        help="an index for each axis after the samples, without channels (default: the centre)",
    )
    add_json(field)

    dead = of_model(
        "dead",
        run_dead,
        "Find channels that are never active over a data set, or always at their bounds.",
        "npforward dead cnn.keras pictures/*.png --layers 'conv*'\n"
        "  npforward dead mlp.keras rows.npy --threshold 1e-6",
    )
    add_inputs(dead, "*")
    dead.add_argument(
        "--layers", action="append", metavar="GLOB", help="only these, as 'conv*'; may be repeated"
    )
    dead.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        metavar="X",
        help="what an active number exceeds in absolute value (%(default)s)",
    )
    add_batch(dead, "files or samples at a time (default: 32, or what a Kurfile says)")
    add_json(dead)

    nonfinite = of_model(
        "nonfinite",
        run_nonfinite,
        "Find where the first NaN or infinity arises; exit code 1 if there is one.",
        "npforward nonfinite cnn.keras cat.png --scale 1/255",
    )
    add_inputs(nonfinite, "*")
    add_json(nonfinite)

    ablate = of_model(
        "ablate",
        run_ablate,
        "Set each channel of a layer to zero in turn, and tell how the score of a class changes.",
        "npforward ablate cnn.keras cat.png --layer conv3 --class 7",
    )
    add_inputs(ablate, "*")
    group = ablate.add_argument_group("what to change, and what to watch")
    group.add_argument("--layer", required=True, metavar="ADDRESS", help="whose channels")
    group.add_argument(
        "--class", required=True, type=int, dest="of", metavar="N", help="of the output, from 0"
    )
    group.add_argument(
        "--value",
        default="0",
        metavar="X",
        help="what channels are set to: a number, or 'mean', their own (%(default)s)",
    )
    add_json(ablate)

    gradients = of_model(
        "gradients",
        run_gradients,
        "Differentiate a class, a value or a loss for every value and weight of a model.",
        "npforward gradients cnn.keras cat.png --of 3 --out out\n"
        "  npforward gradients cnn.keras cat.png --of 'conv1[5]' --layers 'conv*'\n"
        "  npforward gradients cnn.keras cat.png --of sparse_categorical_crossentropy --y 3",
    )
    add_inputs(gradients, "*")
    add_of(gradients, "a class, a layer, NAME[CHANNEL], or with --y a loss")
    gradients.add_argument(
        "--y",
        action="append",
        default=[],
        metavar="FILE|VALUES",
        help="targets of a loss: a file, or as 3,5 or [0,1,0]; NAME=... of one of several outputs",
    )
    add_selection(gradients, until=False)
    add_written(gradients)
    add_look(gradients)
    add_json(gradients)

    attribute = of_model(
        "attribute",
        run_attribute,
        "Show what in an input speaks for a class: arrays, a picture or table of each sample.",
        "npforward attribute cnn.keras cat.png --method grad-cam --class 3 --out out\n"
        "  npforward attribute text.keras lines.txt --method integrated-gradients "
        "--layer embedding --out out",
    )
    add_inputs(attribute, "*")
    attribute.add_argument(
        "--method", choices=METHODS, default="grad-cam", help="(default: %(default)s)"
    )
    add_of(attribute, "a class or NAME[CHANNEL] (default: the class of the highest score)")
    attribute.add_argument(
        "--layer", metavar="NAME", help="look at its output: of texts, embedding"
    )
    attribute.add_argument("--over", metavar="NAME", help="of several inputs, the one to explain")
    attribute.add_argument(
        "--logits", action="store_true", help="explain the score before the softmax or sigmoid"
    )
    attribute.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    group = attribute.add_argument_group("of some methods")
    group.add_argument("--steps", type=int, metavar="N", help="gradients of integrated-gradients")
    group.add_argument(
        "--baseline", type=float, metavar="X", help="where integrated-gradients begins (default: 0)"
    )
    group.add_argument("--samples", type=int, metavar="N", help="noisy copies of smoothgrad")
    group.add_argument("--noise", type=float, metavar="X", help="of smoothgrad: share of the range")
    group.add_argument("--seed", type=int, metavar="N", help="of the noise")
    group.add_argument("--window", type=int, metavar="N", help="of occlusion: side of what covers")
    group.add_argument("--stride", type=int, metavar="N", help="of occlusion (default: window / 2)")
    group.add_argument("--value", type=float, metavar="X", help="of occlusion: what it covers with")
    attribute.add_argument("--cmap", metavar="NAME", help="colour map of matplotlib")
    attribute.add_argument("--labels", type=Path, metavar="FILE", help="class names, one a line")
    add_json(attribute)

    maximise = of_model(
        "maximise",
        run_maximise,
        "Make an input that a class or channel has a high score for, by gradient ascent.",
        "npforward maximise cnn.keras --of 3 --logits --out three.png\n"
        "  npforward maximise cnn.keras --of 'conv3[7]' --steps 500 --out seven.png",
    )
    add_of(maximise, "a class, or NAME[CHANNEL]", required=True)
    maximise.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="NAME.png, NAME.npz or NAME.h5"
    )
    maximise.add_argument("--steps", type=int, default=200, metavar="N", help="(%(default)s)")
    maximise.add_argument(
        "--range",
        default="0,255",
        metavar="LOW,HIGH",
        help="of the input's values (%(default)s, of a model that scales pixels itself)",
    )
    maximise.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    maximise.add_argument("--jitter", type=int, default=2, metavar="N", help="(%(default)s)")
    maximise.add_argument(
        "--logits", action="store_true", help="the score before the softmax or sigmoid"
    )
    add_json(maximise)

    kur = verb(
        "kur",
        None,
        "Work with models that Kur 0.7 describes in a Kurfile.",
        "npforward kur dump Kurfile.yml",
    )
    tasks = kur.add_subparsers(dest="task", required=True, metavar="TASK")
    about = "Print a Kurfile with its includes and without its templates, as `kur dump` does: JSON."
    dump = tasks.add_parser(
        "dump",
        help=about,
        description=about,
        epilog="example:\n  npforward kur dump Kurfile.yml -p",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    dump.set_defaults(run=run_kur_dump)
    dump.add_argument("kurfile", type=Path, metavar="KURFILE", help=".yml, .yaml or .json")
    dump.add_argument(
        *("-p", "--pre-parse"), action="store_true", help="only merge what it includes"
    )
    add_limit(dump)

    warmup = verb(
        "warmup",
        run_warmup,
        "Compile every kernel for this CPU, so that no model has to wait for it.",
        "npforward warmup",
    )
    add_json(warmup)
    return top


def add_of(verb: argparse.ArgumentParser, about: str, required: bool = False) -> None:
    verb.add_argument(
        *("--of", "--class"), dest="of", required=required, metavar="N|NAME", help=about
    )


def add_limit(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="raise a limit on what the file may ask of this machine",
    )


def add_json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print JSON instead of a table")


def add_batch(group: Any, about: str) -> None:
    group.add_argument("--batch", type=int, metavar="N", help=about)


def add_inputs(verb: argparse.ArgumentParser, count: str) -> None:
    verb.add_argument(
        "inputs",
        type=Path,
        nargs=count,
        metavar="INPUT",
        help="picture (PNG, JPEG, BMP, GIF), .npy, .npz, .csv or .txt; several make a batch",
    )
    group = verb.add_argument_group("inputs")
    group.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="file for one of several model inputs; repeat for each",
    )
    group.add_argument(
        "--data",
        metavar="SECTION[:N]",
        help="instead of files, what MODEL, a Kurfile, names in its section evaluate, test, "
        "validate or train; or its batch N alone, from 0",
    )
    group.add_argument("--resize", metavar="HxW", help="size of pictures (default: the model's)")
    group.add_argument("--scale", metavar="X", help="multiply values, as 1/255 (default: leave)")
    group.add_argument("--mean", metavar="X[,X...]", help="subtract, one number or one a channel")
    group.add_argument("--std", metavar="X[,X...]", help="then divide by")
    group.add_argument(
        "--channels",
        choices=("rgb", "bgr", "gray", "rgba"),
        help="of pictures (default: the model's)",
    )


def add_selection(verb: argparse.ArgumentParser, until: bool = True) -> None:
    group = verb.add_argument_group("which values")
    group.add_argument(
        "--layers", action="append", metavar="GLOB", help="only these, as 'conv*'; may be repeated"
    )
    if until:
        group.add_argument("--until", metavar="ADDRESS", help="compute no further than this layer")
    group.add_argument(
        "--inner", action="store_true", help="also values inside layers, as conv1:pre"
    )


def add_written(command: argparse.ArgumentParser) -> None:
    """Where arrays and pictures go, and as what."""
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write to; without it, only print"
    )
    command.add_argument(
        "--format", choices=("npz", "h5", "npy"), default="npz", help="of the arrays (%(default)s)"
    )
    command.add_argument(
        "--plot",
        choices=("pdf", "png", "none"),
        default="pdf",
        help="one paged PDF, or a PNG for each layer (%(default)s)",
    )


def add_look(verb: argparse.ArgumentParser) -> None:
    about = "colours by mean and deviation of each channel or layer, or raw (%(default)s)"
    group = add_colours(verb, "channel", about)
    group.add_argument("--labels", type=Path, metavar="FILE", help="class names, one a line")


def add_colours(verb: argparse.ArgumentParser, normalize: str, about: str) -> Any:
    """The options of pictures, to which more may be added."""
    group = verb.add_argument_group("pictures")
    group.add_argument(
        "--sample", type=int, default=0, metavar="N", help="of the batch, from 0 (%(default)s)"
    )
    group.add_argument(
        "--normalize", choices=("channel", "layer", "none"), default=normalize, help=about
    )
    group.add_argument("--cmap", metavar="NAME", help="colour map of matplotlib")
    return group


# The verbs -------------------------------------------------------------------------------------


def opened(arguments: argparse.Namespace) -> tuple[Model, Limits]:
    from npforward.model import load_model

    limits = Limits.parse(arguments.limit)
    model = load_model(
        arguments.model,
        arguments.weights_from,
        by_name=arguments.by_name,
        backend=arguments.backend,
        limits=limits,
    )
    return model, limits


def run_summary(arguments: argparse.Namespace) -> None:
    model, _ = opened(arguments)
    summary = model.summary(nested=arguments.nested)
    say(dumped(summary.to_dict()) if arguments.json else summary)


def dumped(data: Any) -> str:
    return json.dumps(reports.plain(data), indent=2, allow_nan=False)


def run_weights(arguments: argparse.Namespace) -> None:
    from npforward import arrays
    from npforward.tables import table

    weights, why = listed(arguments)
    shapes, dtypes, sizes = weights.shapes, weights.dtypes, weights.nbytes
    written = None
    if arguments.out:
        items = ((name, weights[name]) for name in weights)
        written = arrays.save(progress(items, "writing", len(weights)), arguments.out)
    if arguments.json:
        said = {
            name: {"shape": list(shapes[name]), "dtype": str(dtypes[name]), "bytes": sizes[name]}
            for name in weights
        }
        say(dumped(said))
        return
    rows = [[name, str(shapes[name]), dtypes[name], f"{sizes[name]:,}"] for name in weights]
    say(table(["weight", "shape", "dtype", "bytes"], rows))
    count = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes.values())
    many = "" if len(weights) == 1 else "s"
    say(f"{len(weights)} array{many}, {count:,} numbers, {sum(sizes.values()):,} bytes")
    if why:
        say(why)
    if written:
        say(f"written: {written}")


def listed(arguments: argparse.Namespace) -> tuple[Weights, str]:
    """The arrays of a model by address; of any other file by their names in it, and why so."""
    from npforward import formats
    from npforward.model import Weights

    try:
        return opened(arguments)[0].weights, ""
    except LimitExceeded:
        raise
    except NpforwardError as error:
        try:
            found = formats.arrays(arguments.model, Limits.parse(arguments.limit))
        except NpforwardError:
            raise error from None
        if not found:
            raise
        if isinstance(error, WeightsOnly):
            return Weights(found), "There is no model in it: the names are the file's own."
        return Weights(found), f"The model cannot be read: the names are the file's own.\n{error}"


def run_kur_dump(arguments: argparse.Namespace) -> None:
    from npforward.formats import kur

    limits = Limits.parse(arguments.limit)
    with limits.loading(str(arguments.kurfile)):
        if arguments.pre_parse:
            say(kur.dumped(kur.merged(arguments.kurfile, limits)))
        else:
            say(kur.read(arguments.kurfile, limits).dump())


def run_convert(arguments: argparse.Namespace) -> None:
    from npforward.conversion import convert

    model, limits = opened(arguments)
    shapes = dict(shape_of_input(text, model) for text in arguments.shape)
    done = convert(model, arguments.out, shapes=shapes, limits=limits)
    if arguments.json:
        say(dumped({**dataclasses.asdict(done), "path": str(done.path)}))
        return
    for change in done.changes:
        say(f"changed: {change}")
    say(f"written: {done.path} ({done.arrays} arrays)")


def shape_of_input(text: str, model: Model) -> tuple[str, tuple[int | None, ...]]:
    """The input and the sizes that `--shape` gives: "images=28,28,1"; "?" is any size."""
    name, told, sizes = text.rpartition("=")
    if not told and len(model.inputs) != 1:
        names = ", ".join(spec.name for spec in model.inputs)
        raise BadInput(f"--shape {text}: say of which input, as NAME={text}; there are {names}.")
    found = sizes.split(",")
    if not all(size == "?" or size.isdecimal() for size in found):
        raise BadInput(f"--shape {text}: {sizes!r} are no sizes, like 28,28,1 or ?,64.")
    shape = tuple(None if size == "?" else int(size) for size in found)
    return name if told else model.inputs[0].name, shape


def run_profile(arguments: argparse.Namespace) -> None:
    for option in ("batch", "repeats", "threads"):
        count = getattr(arguments, option)
        if count is not None and count < 1:
            raise BadInput(f"--{option} {count}: give 1 or more.")
    model, x, lines = fed_or_drawn(arguments)
    with threads_set(arguments.threads):
        found = model.profile(x, arguments.repeats, batch=arguments.batch or 1)
    answered(arguments, found, lines)


def fed_or_drawn(arguments: argparse.Namespace) -> tuple[Model, Any, list[str]]:
    """The model, what files give for its inputs (None without any), and a line on each file."""
    model, limits = opened(arguments)
    if not fed_anything(arguments):
        return model, None, []
    if arguments.batch is not None:
        raise BadInput(f"--batch {arguments.batch}: it is for random input; leave it out.")
    x, lines, _ = fed(model, arguments, limits)
    return model, x, lines


def run_costs(arguments: argparse.Namespace) -> None:
    if arguments.batch is not None and arguments.batch < 1:
        raise BadInput(f"--batch {arguments.batch}: give 1 or more.")
    model, x, lines = fed_or_drawn(arguments)
    found = model.costs(x, batch=arguments.batch or 1)
    answered(arguments, found, lines)


def answered(arguments: argparse.Namespace, found: Any, lines: list[str]) -> None:
    """Print what was found, as a table below a line on each file, or as JSON."""
    if arguments.json:
        say(dumped({"model": str(arguments.model), "files": lines, **found.to_dict()}))
        return
    for line in [*lines, ""] if lines else []:
        say(line)
    say(found)


def run_receptive_field(arguments: argparse.Namespace) -> None:
    from npforward.receptive import receptive_field

    position = None
    if arguments.position is not None:
        try:
            position = [int(i) for i in arguments.position.split(",")]
        except ValueError:
            raise BadInput(f"--position {arguments.position}: give whole numbers, as 7,7") from None
    model, _ = opened(arguments)
    answered(arguments, receptive_field(model, arguments.address, position), [])


def run_dead(arguments: argparse.Namespace) -> None:
    from npforward.activity import dead_units

    if arguments.batch is not None and arguments.batch < 1:
        raise BadInput(f"--batch {arguments.batch}: give 1 or more.")
    size = arguments.batch or 32
    model, limits = opened(arguments)
    files, lines = list(arguments.inputs), list[str]()

    def batches() -> Iterator[dict[str, np.ndarray]]:
        """The samples of so many files at a time: they need not be in memory together."""
        if arguments.data is not None:
            feeds, said, _, own = of_kurfile(model, arguments, limits)
            lines.extend(said)
            for j in range(0, len(next(iter(feeds.values()), ())), arguments.batch or own):
                part = slice(j, j + (arguments.batch or own))
                yield {name: feed[part] for name, feed in feeds.items()}
            return
        for i in range(0, max(len(files), 1), size):
            arguments.inputs = files[i : i + size]
            feeds, said, _ = fed(model, arguments, limits)
            lines.extend(said)
            for j in range(0, len(next(iter(feeds.values()), ())), size):
                yield {name: feed[j : j + size] for name, feed in feeds.items()}

    found = dead_units(
        model,
        batches(),
        arguments.layers,
        threshold=arguments.threshold,
        progress=lambda done: show(f"{done} samples"),
    )
    answered(arguments, found, lines)


def run_nonfinite(arguments: argparse.Namespace) -> int:
    from npforward.nonfinite import first_nonfinite

    model, limits = opened(arguments)
    feeds, lines, _ = fed(model, arguments, limits)
    found = first_nonfinite(model, feeds)
    if arguments.json:
        first = None if found is None else found.to_dict()
        say(dumped({"model": str(arguments.model), "files": lines, "first": first}))
    else:
        for line in lines:
            say(line)
        say("no NaN and no infinity" if found is None else found)
    return 0 if found is None else DIFFERS


def run_ablate(arguments: argparse.Namespace) -> None:
    from npforward.interventions import ablation

    value: float | str = arguments.value
    if value != "mean":
        try:
            value = float(value)
        except ValueError:
            raise BadInput(f"--value {value}: give a number, or mean.") from None
    model, limits = opened(arguments)
    feeds, lines, _ = fed(model, arguments, limits)
    found = ablation(
        model,
        feeds,
        arguments.layer,
        arguments.of,
        value=value,
        progress=lambda done, total: show(f"channel {done}/{total}"),
    )
    clear()
    answered(arguments, found, lines)


def asked_of(text: str | None) -> Any:
    """What `--of` says: a class, an address, or a channel or place of a value."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        return int(text)
    name, bracket, rest = text.partition("[")
    if not bracket:
        return text
    try:
        place = tuple(int(i) for i in rest.removesuffix("]").split(","))
    except ValueError:
        place = ()
    if not rest.endswith("]") or not place:
        raise BadInput(f"--of {text}: give a class, an address, or one with a channel: 'conv1[5]'")
    return name, place[0] if len(place) == 1 else place


def targets(arguments: argparse.Namespace, model: Model, limits: Limits) -> tuple[Any, list[str]]:
    """What `--y` says, for each output, and a line on each file."""
    if not arguments.y:
        return None, []
    found: dict[str, Any] = {}
    lines: list[str] = []
    for text in arguments.y:
        name = next((n for n in model.outputs if text.startswith(f"{n}=")), None)
        if name is None and len(model.outputs) > 1:
            known = ", ".join(map(repr, model.outputs))
            raise BadInput(f"--y {text}: the model has the outputs {known}: give NAME=...")
        name = name or model.outputs[0]
        if name in found:
            raise BadInput(f"--y {text}: there are targets for the output {name!r} already")
        found[name], said = target_array(text.removeprefix(f"{name}="), name, limits)
        lines += said
    return found if len(model.outputs) > 1 else next(iter(found.values())), lines


def target_array(text: str, name: str, limits: Limits) -> tuple[np.ndarray, list[str]]:
    """Targets from a file, or from numbers on the command line: one, or one [...], a sample."""
    from npforward.inputs import read_batch
    from npforward.model import InputSpec

    path = Path(text)
    if path.suffix and not path.suffix[1:].isdigit() and not text.endswith("]"):
        spec = InputSpec(f"y of {name}", None, np.dtype("float32"))
        return read_batch([path], spec, limits=limits)
    try:
        array = np.array(json.loads(f"[{text}]"))
    except ValueError:
        array = np.array("")
    if array.dtype.kind not in "biuf" or not array.size:
        raise BadInput(f"--y {text}: give a file, or numbers as 3,5 or [0,1,0],[1,0,0]")
    return array, []


def run_gradients(arguments: argparse.Namespace) -> None:
    from npforward import arrays, plots
    from npforward.model import Trace
    from npforward.writing import whole_file, whole_folder

    of = asked_of(arguments.of)
    if arguments.out:
        with whole_folder(arguments.out):  # rather fail now than after the work
            pass
    model, limits = opened(arguments)
    feeds, lines, _ = fed(model, arguments, limits)
    y, said = targets(arguments, model, limits)
    found = model.gradients(feeds, of, y, layers=arguments.layers, inner=arguments.inner)
    weights = Trace(found.weights, {})
    files: list[Path] = []
    if arguments.out:
        ending = {"npy": "", "npz": ".npz", "h5": ".h5"}[arguments.format]
        for name, trace in (("activations", found.activations), ("weights", weights)):
            if len(trace):
                items = progress(trace.items(), "writing", len(trace))
                place = arguments.out / (name + ending)
                files.append(arrays.save(items, place, arguments.format))
        if arguments.plot != "none" and len(found.activations):
            kind = arguments.plot
            place = arguments.out / ("gradients.pdf" if kind == "pdf" else "pictures")
            figures = drawn(plots, found.activations, arguments, None)
            plots.save(progress(figures, "drawing", len(found.activations)), place, kind)
            files.append(place)
        statistics = found.activations.statistics
        with whole_file(arguments.out / "statistics.json") as temporary:
            temporary.write_text(statistics.to_json() + "\n", encoding="utf-8")
        files.append(arguments.out / "statistics.json")
    if arguments.json:
        report = {
            "model": str(arguments.model),
            "inputs": [*lines, *said],
            "of": found.of,
            "value": found.value,
            "activations": found.activations.statistics.to_dict(),
            "weights": weights.statistics.to_dict(),
            "files": [str(file) for file in files],
        }
        say(dumped(report))
        return
    for line in [*lines, *said]:
        say(line)
    say(f"\ngradients of {found.of} = {found.value:.6g}\n")
    say(found.activations.statistics)
    if len(weights):
        say()
        say(weights.statistics)
    for file in files:
        say(f"written: {file}{os.sep if file.is_dir() else ''}")


def run_attribute(arguments: argparse.Namespace) -> None:
    from npforward import attributions, classes
    from npforward.writing import file_name, whole_folder

    of = asked_of(arguments.of)
    function, takes = METHODS[arguments.method]
    options = {o for _, alone in METHODS.values() for o in alone} - {"progress"}
    given = {o: getattr(arguments, o) for o in sorted(options) if getattr(arguments, o) is not None}
    for option in given:
        if option not in takes:
            raise BadInput(f"--{option}: --method {arguments.method} does not take it")
    if "progress" in takes:
        given["progress"] = lambda done, total: show(f"{arguments.method} {done}/{total}")
    labels = classes.read_labels(arguments.labels) if arguments.labels else None
    with whole_folder(arguments.out):  # rather fail now than after the work
        pass
    model, limits = opened(arguments)
    feeds, lines, names = fed(model, arguments, limits)
    method = getattr(attributions, function)
    given |= {"input": arguments.over, "layer": arguments.layer, "logits": arguments.logits}
    found = method(model, feeds, of, **given)
    each = found if isinstance(found, dict) else {"": found}
    files: list[Path] = []
    for name, one in each.items():
        place = arguments.out / file_name(name) if name else arguments.out
        figures = one.save(place, cmap=arguments.cmap, labels=labels)
        files += [*figures, *one.save(place / f"{one.method}.npz")]
    one = next(iter(each.values()))
    if arguments.json:
        rows = [
            {"sample": name, "score": float(one.score[n])}
            | ({} if one.classes is None else {"class": one.classes[n]})
            | ({} if one.gap is None else {"gap": float(one.gap[n])})
            | ({} if one.words is None else {"words": one.words[n], "map": one.heat[n]})
            for n, name in enumerate(names)
        ]
        report = {"method": one.method, "of": one.of, "layers": [o.layer for o in each.values()]}
        report |= {"samples": rows, "files": [str(file) for file in files]}
        say(dumped({"model": str(arguments.model), "inputs": lines, **report}))
        return
    for line in lines:
        say(line)
    say(f"\n{one.of}, by {', '.join(o.layer for o in each.values())}")
    for n, name in enumerate(names):
        gap = "" if one.gap is None else f", gap {one.gap[n]:.2g}"
        say(f"{name}: {one.title(n, labels)}{gap}")
        if one.words is not None:
            say(f"{one.table(n)}\n")
    for file in files:
        say(f"written: {file}")


def run_maximise(arguments: argparse.Namespace) -> None:
    from npforward.attributions import activation_maximisation
    from npforward.inputs import numbers

    bounds = numbers("--range", arguments.range)
    if len(bounds) != 2:
        raise BadInput(f"--range {arguments.range}: give two numbers, as 0,255")
    if arguments.out.suffix.lower() not in (".png", ".npz", ".h5"):
        raise BadInput(f"--out {arguments.out}: give NAME.png, NAME.npz or NAME.h5")
    model, _ = opened(arguments)
    found = activation_maximisation(
        model,
        asked_of(arguments.of),
        steps=arguments.steps,
        bounds=(bounds[0], bounds[1]),
        seed=arguments.seed,
        jitter=arguments.jitter,
        logits=arguments.logits,
        progress=lambda done, total: show(f"step {done}/{total}"),
    )
    written = found.save(arguments.out)
    if arguments.json:
        said = {"of": found.of, "before": float(found.history[0]), "score": found.score}
        say(dumped({"model": str(arguments.model), **said, "files": [str(written)]}))
        return
    after = f"{found.score:.4g} after {arguments.steps} steps"
    say(f"{found.of}: {found.history[0]:.4g} before, {after}")
    say(f"written: {written}")


@contextlib.contextmanager
def threads_set(count: int | None) -> Iterator[None]:
    """Let kernels run in so many threads."""
    name = "NPFORWARD_THREADS"
    before = os.environ.get(name)
    if count is not None:
        os.environ[name] = str(count)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def run_warmup(arguments: argparse.Namespace) -> None:
    from npforward.kernels import warm_up

    done = warm_up()
    if arguments.json:
        say(dumped(done.to_dict()))
    elif done.without:
        say(f"nothing to compile: {done.without}. numpy computes everything.")
    else:
        new = len(done.compiled)
        what = f"{new} of them compiled in {done.seconds:.1f} s" if new else "all compiled before"
        say(f"{done.kernels} kernels for {done.cpu}: {what}")
        say(f"kept in {done.folder}")


def run_activations(arguments: argparse.Namespace) -> None:
    from npforward import arrays, classes, plots
    from npforward.writing import whole_file, whole_folder

    if arguments.top < 0:
        raise BadInput(f"--top {arguments.top}: give 0 or more.")
    labels = classes.read_labels(arguments.labels) if arguments.labels else None
    if arguments.out:
        with whole_folder(arguments.out):  # rather fail now than after the work
            pass
    trace, lines, names = traced(arguments)
    softmax = {a: n for a, n in classes.softmax_values(trace).items() if a in trace.outputs}
    classes.check_labels(labels, softmax)
    best = {
        address: [classes.top(p, arguments.top, labels) for p in trace[address]]
        for address in softmax
    }
    statistics = trace.statistics
    files: list[Path] = []
    if arguments.out:
        name = "activations" + {"npy": "", "npz": ".npz", "h5": ".h5"}[arguments.format]
        items = progress(trace.items(), "writing", len(trace))
        files.append(arrays.save(items, arguments.out / name, arguments.format))
        if arguments.plot != "none":
            kind = arguments.plot
            place = arguments.out / ("activations.pdf" if kind == "pdf" else "pictures")
            figures = progress(drawn(plots, trace, arguments, labels), "drawing", len(trace))
            plots.save(figures, place, kind)
            files.append(place)
        with whole_file(arguments.out / "statistics.json") as temporary:
            temporary.write_text(statistics.to_json() + "\n", encoding="utf-8")
        files.append(arguments.out / "statistics.json")
    if arguments.json:
        report = {
            "model": str(arguments.model),
            "inputs": lines,
            "statistics": statistics.to_dict(),
            "top": {
                address: [[dataclasses.asdict(c) for c in sample] for sample in samples]
                for address, samples in best.items()
            },
            "files": [str(file) for file in files],
        }
        say(dumped(report))
        return
    for line in lines:
        say(line)
    say()
    say(statistics)
    for address, samples in best.items() if arguments.top else ():
        say()
        for name, sample in zip(names, samples, strict=True):
            say(
                f"{name}: {address}: "
                + ", ".join(f"{c.label} ({c.probability:.1%})" for c in sample)
            )
    if files:
        say()
    for file in files:
        say(f"written: {file}{os.sep if file.is_dir() else ''}")


def run_plot(arguments: argparse.Namespace) -> None:
    from npforward import classes, plots

    kind = "pdf" if arguments.out.suffix.lower() == ".pdf" else "png"
    if kind == "png" and arguments.out.suffix:
        raise BadInput(f"--out {arguments.out}: give NAME.pdf, or a folder for PNGs.")
    labels = classes.read_labels(arguments.labels) if arguments.labels else None
    if arguments.weights:
        if fed_anything(arguments):
            raise BadInput("--weights draws the model itself and takes no INPUT.")
        model, _ = opened(arguments)
        figures = plots.filters(model.weights, cmap=arguments.cmap, layers=arguments.layers)
        total = len(model.weights)
        lines: list[str] = []
    else:
        trace, lines, _ = traced(arguments)
        total = len(trace)
        figures = (
            plots.histograms(trace)
            if arguments.histograms
            else drawn(plots, trace, arguments, labels)
        )
    for line in lines:
        say(line)
    written = plots.save(progress(figures, "drawing", total), arguments.out, kind)
    say(f"written: {arguments.out}" + (f" ({len(written)} pictures)" if kind == "png" else ""))


def run_epochs(arguments: argparse.Namespace) -> None:
    from npforward import arrays, epochs
    from npforward.writing import whole_folder

    if arguments.weights_from:
        raise BadInput("--weights-from: the weights are those of --checkpoints; leave it out.")
    with whole_folder(arguments.out):  # rather fail now than after the work
        pass
    limits = Limits.parse(arguments.limit)
    options = {"by_name": arguments.by_name, "backend": arguments.backend, "limits": limits}
    paths = epochs.ordered(arguments.checkpoints, arguments.model)
    x: Any = None
    lines: list[str] = []
    if fed_anything(arguments):
        model = epochs.opened(arguments.model, paths[0], **options)
        x, lines, _ = fed(model, arguments, limits)
    found = epochs.over_epochs(
        arguments.model,
        paths,
        x,
        arguments.layers,
        sample=arguments.sample,
        progress=lambda done, total: show(f"checkpoint {done}/{total}"),
        **options,
    )
    files = found.save(
        arguments.out,
        channels=arguments.most,
        normalize=None if arguments.normalize == "none" else arguments.normalize,
        cmap=arguments.cmap,
        progress=lambda done, total: show(f"drawing {done}/{total}"),
    )
    files.append(arrays.save(found.arrays(), arguments.out / "epochs.npz"))
    clear()
    if arguments.json:
        report = {"model": str(arguments.model), "inputs": lines, "checkpoints": found.names}
        files_of = {"paths": [str(path) for path in paths], "files": [str(file) for file in files]}
        say(dumped(report | files_of))
        return
    for line in lines:
        say(line)
    say(f"{len(paths)} checkpoints: {', '.join(found.names)}")
    for file in files:
        say(f"written: {file}")


def drawn(plots: Any, trace: Trace, arguments: argparse.Namespace, labels: Any) -> Iterator[Any]:
    return plots.activations(
        trace,
        arguments.sample,
        normalize=None if arguments.normalize == "none" else arguments.normalize,
        cmap=arguments.cmap,
        labels=labels,
    )


# Inputs ----------------------------------------------------------------------------------------


def traced(arguments: argparse.Namespace) -> tuple[Trace, list[str], list[str]]:
    """The trace that was asked for, a line on each input file, and a name for each sample."""
    model, limits = opened(arguments)
    options: dict[str, Any] = {"until": arguments.until, "inner": arguments.inner}
    if arguments.data is not None:
        feeds, lines, names, size = of_kurfile(model, arguments, limits)
        options["batch_size"] = size
    else:
        feeds, lines, names = fed(model, arguments, limits)
    return model.trace(feeds, arguments.layers, **options), lines, names


def fed_anything(arguments: argparse.Namespace) -> bool:
    return bool(arguments.inputs or arguments.input or arguments.data is not None)


def fed(
    model: Model, arguments: argparse.Namespace, limits: Limits
) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
    """An array for each input of the model, a line on each file, a name for each sample."""
    from npforward.inputs import Preprocessing, read_batch

    if arguments.data is not None:
        return of_kurfile(model, arguments, limits, one_batch=True)[:3]

    preprocessing = Preprocessing.parse(
        arguments.resize, arguments.scale, arguments.mean, arguments.std, arguments.channels
    )
    specs = {spec.name: spec for spec in model.inputs}
    files = assigned(arguments, list(specs))
    feeds: dict[str, np.ndarray] = {}
    lines: list[str] = []
    names: list[str] = []
    for name, spec in specs.items():
        feeds[name], said = read_batch(files[name], spec, preprocessing, limits)
        lines += [f"{name} = {line}" if len(specs) > 1 else line for line in said]
        if len(files[name]) == len(feeds[name]):
            names = names or [path.name for path in files[name]]
    samples = len(next(iter(feeds.values()), ()))
    if len(names) != samples:
        names = [f"sample {n}" for n in range(samples)]
    return feeds, lines, names


def of_kurfile(
    model: Model, arguments: argparse.Namespace, limits: Limits, one_batch: bool = False
) -> tuple[dict[str, np.ndarray], list[str], list[str], int]:
    """What `fed` gives, of the data that a Kurfile names, and how many samples Kur takes at a time.

    Of several batches the first, if there can be only one.
    """
    from npforward import formats
    from npforward.addresses import escape
    from npforward.formats import kur
    from npforward.inputs import value_range

    taken = [n for n in ("resize", "scale", "mean", "std", "channels") if getattr(arguments, n)]
    if arguments.inputs or arguments.input or taken:
        other = f"--{taken[0]}" if taken else "INPUT"
        raise BadInput(f"--data {arguments.data}: goes without {other}: Kur says all of it.")
    if not formats.pairs(arguments.model):
        raise BadInput(f"--data {arguments.data}: {arguments.model} is no Kurfile: give INPUT.")
    section, colon, number = arguments.data.partition(":")
    if colon and not number.isdecimal():
        raise BadInput(f"--data {arguments.data}: give a section, and the number of a batch: :0")
    with limits.loading(str(arguments.model)):
        found = kur.data(kur.read(arguments.model, limits), section, limits)
        batches = range(0, found.samples, found.batch_size)
        if colon and int(number) >= len(batches):
            raise BadInput(f"--data {arguments.data}: there are {len(batches)} batches, from 0.")
        of: dict[str, str] = {}
        for spec in model.inputs:
            aliases = (a for a, at in model.graph.aliases.items() if at == escape(spec.name))
            source = next((name for name in (spec.name, *aliases) if name in found), None)
            if source is None:
                raise UnknownName(
                    f"{found.where}: has nothing for the input {spec.name!r} of the model. "
                    f"{nearest(spec.name, found)}"
                )
            of[spec.name] = source
        feeds = {name: found[source] for name, source in of.items()}
    said = f"{section}: {len(batches)} batches of {found.batch_size}, {found.samples} samples"
    first, last = 0, found.samples
    if colon or one_batch:
        first = batches[int(number or 0)]
        last = min(first + found.batch_size, found.samples)
        said += f"; of these samples {first} to {last - 1}"
        feeds = {name: array[first:last] for name, array in feeds.items()}
    lines = [
        f"{name}: {array.shape} {array.dtype}, {value_range(array)}"
        for name, array in feeds.items()
    ]
    names = [f"sample {n}" for n in range(first, last)]
    return feeds, [said, *lines], names, found.batch_size


def assigned(arguments: argparse.Namespace, inputs: list[str]) -> dict[str, list[Path]]:
    """The files for each input of the model."""
    files: dict[str, list[Path]] = {}
    for text in arguments.input:
        # A name may itself contain "=".
        name = max((n for n in inputs if text.startswith(f"{n}=")), key=len, default=None)
        if name is None:
            given = text.partition("=")[0]
            raise UnknownName(f"--input {text}: no input {given!r}. {nearest(given, inputs)}")
        files.setdefault(name, []).append(Path(text[len(name) + 1 :]))
    if files and arguments.inputs:
        raise BadInput(
            f"{arguments.inputs[0]}: give all files with --input NAME=FILE, or none of them."
        )
    if arguments.inputs:
        alone = len(arguments.inputs) == 1 and arguments.inputs[0].suffix.lower() == ".npz"
        if len(inputs) > 1 and not alone:  # an .npz can hold an array for each input
            wanted = " ".join(f"--input {name}=FILE" for name in inputs)
            raise BadInput(f"the model has {len(inputs)} inputs; give {wanted}")
        return {name: list(arguments.inputs) for name in inputs}
    missing = [name for name in inputs if name not in files]
    if missing:
        example = f"--input {missing[0]}=FILE" if len(inputs) > 1 else "a file: picture.png"
        raise BadInput(f"no file for the input {missing[0]!r} of the model; give {example}")
    return files
