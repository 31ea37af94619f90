"""Jinja2's templates without its machinery: its parser, and an evaluator of what it found.

Jinja2 itself turns a template into Python code and runs that.  Here only the kinds of node below
mean anything, on plain values, each step of them counted.
"""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import jinja2
from jinja2 import nodes

from npforward.formats.kur import operations
from npforward.formats.kur.filters import filtered, tested
from npforward.formats.kur.operations import Opened
from npforward.formats.kur.values import Budget, Fault, Undefined, attempt, joined, kind

SHORT = 1000  # characters of a template whose tree is kept, as loops evaluate it again
ENVIRONMENT = jinja2.Environment(autoescape=False)  # only its parser is ever used
Variables = MutableMapping[str, Any]
Function = Callable[..., Any]  # of the budget, then what the template gives


def render(
    text: str, variables: Mapping[str, Any], functions: Mapping[str, Function], budget: Budget
) -> str:
    """What a template makes of variables; raises `Fault` for what it may not or cannot do."""
    budget.room(len(text))
    budget.spend(1 + len(text) // 4)
    try:
        tree = _kept(text) if len(text) <= SHORT else ENVIRONMENT.parse(text)
        own: dict[str, Any] = {}
        rendering = _Rendering(budget, functions)
        return rendering.block(tree.body, ChainMap(own, variables))  # type: ignore[arg-type]
    except jinja2.TemplateSyntaxError as error:
        line = f" in its line {error.lineno}" if "\n" in text else ""
        raise Fault(f"it is not written as Jinja2 wants it{line}: {error.message}") from error
    except RecursionError as error:
        raise Fault("it is nested too deeply") from error


@functools.lru_cache(maxsize=256)
def _kept(text: str) -> nodes.Template:
    return ENVIRONMENT.parse(text)


class _Rendering:
    """One rendering of one template."""

    def __init__(self, budget: Budget, functions: Mapping[str, Function]) -> None:
        self.budget, self.functions = budget, functions

    def block(self, body: list[nodes.Node], variables: Variables) -> str:
        """The text that statements make."""
        return joined(self.budget, [self.statement(node, variables) for node in body])

    def statement(self, node: nodes.Node, variables: Variables) -> str:
        self.budget.spend()
        match node:
            case nodes.Output():
                texts = [self.budget.text(self.value(one, variables)) for one in node.nodes]
                return joined(self.budget, texts)
            case nodes.If():
                for branch in (node, *node.elif_):
                    if self.value(branch.test, variables):
                        return self.block(branch.body, variables)
                return self.block(node.else_, variables)
            case nodes.For() if not node.recursive:
                return self.loop(node, variables)
            case nodes.Assign():
                self.assign(node.target, self.value(node.node, variables), variables)
                return ""
            case nodes.AssignBlock():
                text: Any = self.block(node.body, ChainMap({}, variables))
                if node.filter is not None:
                    text = self.filter(node.filter, variables, text)
                self.assign(node.target, text, variables)
                return ""
            case nodes.With():
                inner: Variables = ChainMap({}, variables)
                for target, value in zip(node.targets, node.values, strict=True):
                    self.assign(target, self.value(value, variables), inner)
                return self.block(node.body, inner)
            case nodes.FilterBlock():
                text = self.block(node.body, ChainMap({}, variables))
                return self.budget.text(self.filter(node.filter, variables, text))
        raise _refused(node)

    def loop(self, node: nodes.For, variables: Variables) -> str:
        items = self.budget.items(self.value(node.iter, variables))
        if node.test is not None:
            items = [one for one in items if self.passes(node, one, variables)]
        if not items:
            return self.block(node.else_, ChainMap({}, variables))
        texts = []
        for number, one in enumerate(items):
            inner: Variables = ChainMap({}, variables)
            inner["loop"] = _counters(number, items)
            self.assign(node.target, one, inner)
            texts.append(self.block(node.body, inner))
        return joined(self.budget, texts)

    def passes(self, node: nodes.For, one: Any, variables: Variables) -> bool:
        inner: Variables = ChainMap({}, variables)
        self.assign(node.target, one, inner)
        return bool(self.value(node.test, inner))

    def assign(self, target: nodes.Node, value: Any, variables: Variables) -> None:
        self.budget.spend()
        match target:
            case nodes.Name():
                variables[target.name] = value
            case nodes.NSRef():
                space = variables.get(target.name)
                if not isinstance(space, Space):
                    raise Fault(f"{target.name!r} is not a namespace")
                space.held[target.attr] = value
            case nodes.Tuple():
                values = self.budget.items(value)
                if len(values) != len(target.items):
                    raise Fault(f"{len(values)} values for {len(target.items)} names")
                for one, part in zip(target.items, values, strict=True):
                    self.assign(one, part, variables)
            case _:
                raise _refused(target)

    def value(self, node: nodes.Node | None, variables: Variables) -> Any:
        """What an expression comes to."""
        self.budget.spend()
        match node:
            case nodes.TemplateData():
                return node.data
            case nodes.Const():
                return self.budget.whole(node.value)
            case nodes.Name():
                if node.name in variables:
                    return variables[node.name]
                return self.functions.get(node.name) or Undefined(node.name)
            case nodes.List():
                return [self.value(one, variables) for one in node.items]
            case nodes.Tuple():
                return tuple(self.value(one, variables) for one in node.items)
            case nodes.Dict():
                return self.mapping(node.items, variables)
            case nodes.CondExpr():
                if self.value(node.test, variables):
                    return self.value(node.expr1, variables)
                return (
                    Undefined("else") if node.expr2 is None else self.value(node.expr2, variables)
                )
            case nodes.And():
                left = self.value(node.left, variables)
                return self.value(node.right, variables) if left else left
            case nodes.Or():
                left = self.value(node.left, variables)
                return left if left else self.value(node.right, variables)
            case nodes.Not():
                return not self.value(node.node, variables)
            case nodes.Neg() | nodes.Pos():
                sign = "-" if isinstance(node, nodes.Neg) else "+"
                return operations.binary(self.budget, sign, 0, self.value(node.node, variables))
            case nodes.Concat():
                parts = [self.budget.text(self.value(one, variables)) for one in node.nodes]
                return joined(self.budget, parts)
            case nodes.Compare():
                return self.comparison(node, variables)
            case nodes.Pow():
                left, right = self.value(node.left, variables), self.value(node.right, variables)
                # Jinja2 writes `-1 ** x` for `(-1) ** x`, and Python then reads `-(1 ** x)`.
                below = isinstance(left, (int, float)) and left < 0
                if below and _varies(node.right) and not _varies(node.left):
                    power = operations.binary(self.budget, "**", -left, right)
                    return operations.binary(self.budget, "-", 0, power)
                return operations.binary(self.budget, "**", left, right)
            case nodes.BinExpr() if node.operator in operations.BINARY:
                left, right = self.value(node.left, variables), self.value(node.right, variables)
                return operations.binary(self.budget, node.operator, left, right)
            case nodes.Getitem():
                value, key = self.value(node.node, variables), self.value(node.arg, variables)
                return operations.item(self.budget, value, key)
            case nodes.Getattr():
                value = self.value(node.node, variables)
                return operations.attribute(self.budget, value, node.attr)
            case nodes.Slice():
                bounds = (node.start, node.stop, node.step)
                return slice(*(one and self.value(one, variables) for one in bounds))
            case nodes.Filter() if node.node is not None:
                return self.filter(node, variables, self.value(node.node, variables))
            case nodes.Test():
                args, options = self.arguments(node, variables)
                value = self.value(node.node, variables)
                return tested(self.budget, node.name, value, args, options)
            case nodes.Call():
                return self.call(node, variables)
        raise _refused(node)

    def mapping(self, pairs: list[nodes.Pair], variables: Variables) -> dict[Any, Any]:
        found = [
            (self.value(pair.key, variables), self.value(pair.value, variables)) for pair in pairs
        ]
        return attempt(lambda: dict(found))

    def comparison(self, node: nodes.Compare, variables: Variables) -> bool:
        left = self.value(node.expr, variables)
        for operand in node.ops:
            right = self.value(operand.expr, variables)
            if not operations.compared(self.budget, operand.op, left, right):
                return False
            left = right
        return True

    def filter(self, node: nodes.Filter, variables: Variables, value: Any) -> Any:
        if isinstance(node.node, nodes.Filter) and value is not None and node.node.node is None:
            value = self.filter(node.node, variables, value)  # a chain over a block
        args, options = self.arguments(node, variables)
        return filtered(self.budget, node.name, value, args, options)

    def call(self, node: nodes.Call, variables: Variables) -> Any:
        args, options = self.arguments(node, variables)
        callee = node.node
        if isinstance(callee, nodes.Name) and callee.name not in variables:
            if callee.name not in self.functions:
                raise Fault(f"there is no function {callee.name!r} for Kurfiles")
            function = self.functions[callee.name]
            return attempt(lambda: function(self.budget, *args, **options))
        if isinstance(callee, nodes.Getattr):
            value = self.value(callee.node, variables)
            return operations.method(self.budget, value, callee.attr, args, options)
        raise Fault(f"{kind(self.value(callee, variables))} cannot be called")

    def arguments(self, node: Any, variables: Variables) -> tuple[list[Any], dict[str, Any]]:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise Fault("arguments are written one by one, not as * or **")
        options = {one.key: self.value(one.value, variables) for one in node.kwargs}
        return [self.value(one, variables) for one in node.args], options


def _varies(node: nodes.Node) -> bool:
    """Whether an expression has variables, so that Jinja2 does not compute it beforehand."""
    return isinstance(node, nodes.Name) or node.find(nodes.Name) is not None


class Space(Opened):
    """`namespace(...)`: what a loop can put its findings into."""


def _counters(number: int, items: list[Any]) -> Opened:
    """What `loop` tells within a loop."""
    many = len(items)
    counters = {
        "index": number + 1,
        "index0": number,
        "revindex": many - number,
        "revindex0": many - number - 1,
        "first": number == 0,
        "last": number == many - 1,
        "length": many,
        "previtem": items[number - 1] if number else Undefined("loop.previtem"),
        "nextitem": items[number + 1] if number + 1 < many else Undefined("loop.nextitem"),
    }
    return Opened(counters)


def namespace(budget: Budget, **held: Any) -> Space:
    return Space(held)


def range_(budget: Budget, *bounds: int) -> range:
    return range(*map(budget.whole, bounds))


def dict_(budget: Budget, *args: Any, **options: Any) -> dict[str, Any]:
    budget.weigh(args)
    return dict(*args, **options)


FUNCTIONS: dict[str, Function] = {"range": range_, "dict": dict_, "namespace": namespace}


def _refused(node: nodes.Node | None) -> Fault:
    return Fault(
        f"{type(node).__name__!r} of Jinja2 is not for Kurfiles here: a file of a stranger may "
        "compute plain values, and do nothing else"
    )
