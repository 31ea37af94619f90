"""How much each place of an input counts for a score: data, tables, pictures and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npforward import arrays, tables
from npforward.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Attribution:
    """How much each place of an input counts for a score.

    Attributes
    ----------
    method : str
        As ``"grad-cam"``.
    of : str
        What the score is, in words: ``"digit[3]"``.
    map : ndarray
        (batch, *positions), or with the axis of channels where that was kept.
    score : ndarray
        (batch,) float64: the score of each sample.
    classes : tuple of int, or None
        The class of each sample, where the score is that of a class.
    layer : str
        The address of the value that was looked at: an input, or a layer.
    input : str
        The name of the input that the map lies over.
    x : ndarray
        That input: (batch, *positions, channels), channels last.
    gap : ndarray, or None
        (batch,) of integrated gradients: f(x) - f(baseline) - sum of the map.
    words : ndarray, or None
        (batch, positions) of a sequence of words, or of whole numbers: what stands where; "" past
        the end of a text.
    """

    method: str
    of: str
    map: np.ndarray
    score: np.ndarray
    classes: tuple[int, ...] | None
    layer: str
    input: str
    x: np.ndarray = field(repr=False)
    channel_axis: int | None = None  # of the map; None where channels were joined
    gap: np.ndarray | None = None
    words: np.ndarray | None = None

    @property
    def heat(self) -> np.ndarray:
        """One number for each position: the map, summed over channels.  (batch, *positions)"""
        return self.map if self.channel_axis is None else self.map.sum(axis=self.channel_axis)

    def title(self, sample: int = 0, labels: Sequence[str] | None = None) -> str:
        """Class and score of a sample, in words.

        Examples
        --------
        >>> ones = np.ones((1, 4))
        >>> Attribution("saliency", "digit[3]", ones, np.ones(1), (3,), "x", "x", ones).title()
        'saliency: class 3, score 1'
        """
        what = self.of
        if self.classes is not None:
            n = self.classes[sample]
            what = labels[n] if labels is not None else f"class {n}"
        return f"{self.method}: {what}, score {self.score[sample]:.4g}"

    def table(self, sample: int = 0) -> str:
        """Each word of a sample, in its order, with what it counts.

        Raises
        ------
        BadInput
            The map is not over words; or there is no such sample.

        Examples
        --------
        >>> ones, words = np.ones((1, 2)), np.array([["fine", "wine"]])
        >>> found = Attribution("saliency", "wine", ones, np.ones(1), None, "x", "x", ones,
        ...                     words=words)
        >>> print(found.table())
        position  word  attribution
        ---------------------------
               0  fine            1
               1  wine            1
        """
        from npforward import plots

        plots.check_sample(self.method, self.map, sample)
        if self.words is None:
            raise BadInput(f"{self.method} of {self.layer!r}: its places are no words")
        each = zip(self.words[sample].tolist(), self.heat[sample], strict=True)
        rows = [[n, word, f"{share:.4g}"] for n, (word, share) in enumerate(each) if word != ""]
        told = tables.table(["position", "word", "attribution"], rows, left=0)
        past = self.heat[sample][self.words[sample] == ""] if self.words.dtype.kind == "U" else []
        if len(past):
            told += f"\n{len(past)} positions without a word: {np.sum(past):.4g}"
        return told

    def overlay(
        self,
        picture: np.ndarray | None = None,
        sample: int = 0,
        *,
        cmap: Any = None,
        labels: Sequence[str] | None = None,
    ) -> Figure:
        """The map of one sample over its picture, or beside its words; any other is drawn alone.

        Parameters
        ----------
        picture
            (height, width) or (height, width, 1, 3 or 4); by default the input itself.
        sample
            Which of the batch.
        cmap
            A colour map of matplotlib.
        labels
            Names of the classes.

        Raises
        ------
        BadInput
            There is no such sample, colour map or class name; or `picture` is none.

        Examples
        --------
        >>> import npforward as npf
        >>> model = npf.load_model("weights_fixtures/models/digits_cnn/model.keras")
        >>> npf.grad_cam(model, np.ones((1, 32, 32, 1)), 3).overlay().get_label()
        'grad-cam_0'
        """
        from npforward import plots

        plots.check_sample(self.method, self.map, sample)
        if labels is not None and self.classes is not None and max(self.classes) >= len(labels):
            raise BadInput(f"{len(labels)} labels, but there is a class {max(self.classes)}")
        look = plots.Look(None, cmap)
        title, heat = self.title(sample, labels), self.heat[sample]
        at = self.layer if self.layer == self.input else f"layer {self.layer}"
        shown = self.x[sample] if picture is None else np.asarray(picture)
        if heat.ndim == 2 and shown.ndim == 3 and shown.shape[-1] not in (1, 3, 4):
            shown = shown.mean(axis=-1)  # planes that are no colours
        if heat.ndim == 2 and shown.ndim in (2, 3) and shown.dtype.kind in "biuf":
            figure = next(plots.overlays(heat[None, ..., None], shown, title, look, kind=at))
            figure.set_label(f"{self.method}_{sample}")
            return figure
        if picture is not None:
            raise BadInput(
                f"picture of shape {shown.shape} for a map of shape {heat.shape}: expected "
                "(height, width) or (height, width, 1, 3 or 4), and a map of two axes"
            )
        words = () if self.words is None else self.words[sample]
        if heat.ndim == 1 and 0 < len(words) <= plots.BARS:
            figure = plots.words_page(title, at, heat, words)
        else:
            heat = heat[..., None] if heat.ndim > 1 else heat
            figure = next(plots.draw(heat[None], title, at, look))
        figure.set_label(f"{self.method}_{sample}")
        return figure

    def save(
        self, path: str | Path, *, cmap: Any = None, labels: Sequence[str] | None = None
    ) -> list[Path]:
        """Write the map, or an overlay of each sample.

        Parameters
        ----------
        path
            NAME.npz or NAME.h5: the arrays `map`, `score` (and `classes`, `gap`, `words`);
            NAME.pdf: overlays; NAME.png: that of the only sample; else a folder for a PNG each.
        cmap, labels
            As for `overlay`.

        Returns
        -------
        list of Path
            What was written, whole or not at all.

        Raises
        ------
        BadInput, CannotWrite
            The ending says no format; or the place cannot be written to.

        Examples
        --------
        >>> import tempfile
        >>> ones = np.ones((1, 4))
        >>> found = Attribution("saliency", "digit[3]", ones, np.ones(1), (3,), "x", "x", ones)
        >>> [file.name for file in found.save(Path(tempfile.mkdtemp()) / "map.npz")]
        ['map.npz']
        """
        from npforward import plots
        from npforward.writing import whole_file

        path = Path(path)
        ending = path.suffix.lower()
        figures = (self.overlay(None, n, cmap=cmap, labels=labels) for n in range(len(self.map)))
        if ending in ("", ".pdf"):
            return plots.save(figures, path, ending[1:] or "png")
        if ending == ".png":
            if len(self.map) != 1:
                raise BadInput(f"{path}: {len(self.map)} samples: give NAME.pdf or a folder")
            with whole_file(path) as temporary:
                next(figures).savefig(temporary, format="png", dpi=plots.DPI)
            return [path]
        held = {"map": self.map, "score": self.score}
        if self.classes is not None:
            held["classes"] = np.array(self.classes)
        if self.gap is not None:
            held["gap"] = self.gap
        if self.words is not None:
            held["words"] = self.words
        return [arrays.save(held.items(), path)]
