"""Prints how well every layer class is covered: its cases, and their worst error.

An error is given as its ratio to the tolerance of its dtype: what is above 1 fails.
"""

from collections import defaultdict

from cases import Case, case_names

from npforward.errors import NpforwardError
from npforward.model import Model
from npforward.verify import difference


def worst_error(case: Case) -> float:
    """The largest ratio among the outputs of one case; infinite where it cannot be computed."""
    try:
        trace = Model(case.graph).trace(case.inputs)
    except NpforwardError:
        return float("inf")
    outputs = zip(case.addresses, case.outputs, strict=True)
    return max(
        difference(trace[address], want).ratio if address in trace else float("inf")
        for address, want in outputs
    )


def table() -> str:
    """One line for each class, and their sum."""
    errors = defaultdict(list)
    for name in case_names():
        errors[name.split("/")[0]].append(worst_error(Case(name)))
    rows = [
        f"| {class_name} | {len(found)} | {max(found):.2g} |"
        for class_name, found in errors.items()
    ]
    everything = [error for found in errors.values() for error in found]
    rows.append(f"| {len(errors)} classes | {len(everything)} | {max(everything):.2g} |")
    return "\n".join(["| class | cases | worst error / tolerance |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())
