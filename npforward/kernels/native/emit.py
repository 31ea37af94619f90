"""Write compiled code as Python: numbers and vectors whose operators emit LLVM instructions.

A kernel is a Python function that is called once, on an `Emitter`; every `+`, every load and every
loop in it becomes instructions of the compiled function.  ``width`` is the number of float32 lanes
of a vector of the CPU at hand; a kernel is written for any.

Addresses are integers of 64 bits, sizes and offsets are in bytes unless said otherwise.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llvmlite import ir

I1, I8, I32, I64, F32 = (ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64),
                         ir.FloatType())  # fmt: skip
VOID, POINTER = ir.VoidType(), ir.PointerType()


class Value:
    """What an instruction gives: an i64, an i1, or float32 numbers (one, or a vector)."""

    __slots__ = ("e", "ir")

    def __init__(self, e: Emitter, value: ir.Value) -> None:
        self.e, self.ir = e, value

    @property
    def floats(self) -> bool:
        kind = self.ir.type
        return (kind.element if isinstance(kind, ir.VectorType) else kind) == F32

    def _with(self, other: Any, integer: str, real: str, swap: bool = False) -> Value:
        b = self.e.like(self, other)
        left, right = (b, self) if swap else (self, b)
        name = real if self.floats else integer
        return Value(self.e, getattr(self.e.builder, name)(left.ir, right.ir))

    def __add__(self, other: Any) -> Value:
        return self._with(other, "add", "fadd")

    def __radd__(self, other: Any) -> Value:
        return self._with(other, "add", "fadd", swap=True)

    def __sub__(self, other: Any) -> Value:
        return self._with(other, "sub", "fsub")

    def __rsub__(self, other: Any) -> Value:
        return self._with(other, "sub", "fsub", swap=True)

    def __mul__(self, other: Any) -> Value:
        return self._with(other, "mul", "fmul")

    def __rmul__(self, other: Any) -> Value:
        return self._with(other, "mul", "fmul", swap=True)

    def __truediv__(self, other: Any) -> Value:
        return self._with(other, "", "fdiv")

    def __rtruediv__(self, other: Any) -> Value:
        return self._with(other, "", "fdiv", swap=True)

    def __floordiv__(self, other: Any) -> Value:
        return self._with(other, "udiv", "")

    def __mod__(self, other: Any) -> Value:
        return self._with(other, "urem", "")

    def __and__(self, other: Any) -> Value:
        return self._with(other, "and_", "")

    def __or__(self, other: Any) -> Value:
        return self._with(other, "or_", "")

    def __invert__(self) -> Value:
        return Value(self.e, self.e.builder.not_(self.ir))

    def __neg__(self) -> Value:
        return Value(self.e, self.e.builder.fneg(self.ir)) if self.floats else 0 - self

    def _compare(self, sign: str, other: Any) -> Value:
        b = self.e.like(self, other)
        compare = self.e.builder.fcmp_ordered if self.floats else self.e.builder.icmp_signed
        return Value(self.e, compare(sign, self.ir, b.ir))

    def __lt__(self, other: Any) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Any) -> Value:
        return self._compare("==", other)


class Variable:
    """A number that changes, such as a sum in a loop: kept in a register."""

    def __init__(self, e: Emitter, start: Value) -> None:
        self.e = e
        with e.builder.goto_entry_block():
            self.slot = e.builder.alloca(start.ir.type)
        self.set(start)

    @property
    def value(self) -> Value:
        return Value(self.e, self.e.builder.load(self.slot, typ=self.slot.allocated_type))

    def set(self, value: Any) -> None:
        if not isinstance(value, Value):
            value = self.e.integer(value)
        self.e.builder.store(value.ir, self.slot)


class Emitter:
    """Emits one function.  `lanes` is 1 within a loop's remainder: the same body for one number."""

    # Kernels do not import LLVM: most programs only run what was compiled before.
    void, i64 = VOID, I64

    def __init__(
        self, module: ir.Module, function: ir.Function, width: int, registers: int
    ) -> None:
        self.module, self.function, self.width, self.lanes = module, function, width, width
        self.registers = registers  # of vectors
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.args = [Value(self, a) for a in function.args]

    # ---- numbers ------------------------------------------------------------------------------

    def integer(self, n: Any) -> Value:
        return n if isinstance(n, Value) else Value(self, ir.Constant(I64, n))

    @property
    def vector(self) -> ir.Type:
        """The type of float32 numbers here."""
        return ir.VectorType(F32, self.lanes) if self.lanes > 1 else F32

    @property
    def integers(self) -> ir.Type:
        """The type of 32-bit integers, as many as float32 numbers here."""
        return ir.VectorType(I32, self.lanes) if self.lanes > 1 else I32

    def real(self, x: float) -> Value:
        """The same number in every lane."""
        return Value(self, self._constant(self.vector, x))

    @staticmethod
    def _constant(kind: ir.Type, x: Any) -> ir.Constant:
        return ir.Constant(kind, [x] * kind.count if isinstance(kind, ir.VectorType) else x)

    def like(self, a: Value, x: Any) -> Value:
        return x if isinstance(x, Value) else Value(self, self._constant(a.ir.type, x))

    def var(self, start: Any) -> Variable:
        return Variable(self, self.integer(start))

    def select(self, condition: Value, yes: Any, no: Any) -> Value:
        yes = yes if isinstance(yes, Value) else self.like(no, yes)
        no = self.like(yes, no)
        return Value(self, self.builder.select(condition.ir, yes.ir, no.ir))

    def everywhere(self, condition: Value) -> Value:
        """Whether a condition holds in every lane."""
        kind = condition.ir.type
        if not isinstance(kind, ir.VectorType):
            return condition
        lanes = ir.IntType(kind.count)
        bits = self.builder.bitcast(condition.ir, lanes)
        return Value(self, self.builder.icmp_unsigned("==", bits, ir.Constant(lanes, -1)))

    def smaller(self, a: Value, b: Any) -> Value:
        """min(a, b); a where either is NaN."""
        b = self.like(a, b)
        return self.select(b < a, b, a)

    def larger(self, a: Value, b: Any) -> Value:
        """max(a, b); a where either is NaN."""
        b = self.like(a, b)
        return self.select(b > a, b, a)

    def intrinsic(self, name: str, *args: Value, like: ir.Type | None = None) -> Value:
        """One of LLVM's functions of float32 numbers, such as "sqrt"."""
        kind = like or args[0].ir.type
        lanes = kind.count if isinstance(kind, ir.VectorType) else 0
        suffix = f"v{lanes}f32" if lanes else "f32"
        function = self.declared(
            f"llvm.{name}.{suffix}", ir.FunctionType(kind, [a.ir.type for a in args])
        )
        return Value(self, self.builder.call(function, [a.ir for a in args]))

    def fma(self, a: Value, b: Any, c: Any) -> Value:
        """a b + c, rounded once."""
        return self.intrinsic("fma", a, self.like(a, b), self.like(a, c))

    def sqrt(self, x: Value) -> Value:
        return self.intrinsic("sqrt", x)

    def abs(self, x: Value) -> Value:
        return self.intrinsic("fabs", x)

    def copysign(self, size: Value, sign: Value) -> Value:
        return self.intrinsic("copysign", size, sign)

    def bits(self, x: Value) -> Value:
        """Float32 numbers as the integers of their bits, or the other way round."""
        kind = self.integers if x.floats else self.vector
        return Value(self, self.builder.bitcast(x.ir, kind))

    def rounded(self, x: Value) -> Value:
        """The nearest whole number, as a 32-bit integer."""
        near = self.intrinsic("rint", x)
        return Value(self, self.builder.fptosi(near.ir, self.integers))

    def as_float(self, n: Value) -> Value:
        return Value(self, self.builder.sitofp(n.ir, self.vector))

    def real_of(self, n: Value) -> Value:
        """A 64-bit integer as one float32 number."""
        return Value(self, self.builder.sitofp(n.ir, F32))

    def shifted(self, n: Value, left: int) -> Value:
        """Integers times two to the power of `left`; if that is negative, rounded down."""
        shift = self.builder.shl if left >= 0 else self.builder.ashr
        return Value(self, shift(n.ir, self._constant(n.ir.type, abs(left))))

    # ---- what several threads share -----------------------------------------------------------

    def _word(self, address: Value, offset: int) -> ir.Value:
        return self.builder.inttoptr((address + offset).ir, I64.as_pointer())

    def load_atomic(self, address: Value, offset: int = 0) -> Value:
        return Value(self, self.builder.load_atomic(self._word(address, offset), "seq_cst", 8))

    def store_atomic(self, n: Any, address: Value, offset: int = 0) -> None:
        word = self._word(address, offset)
        self.builder.store_atomic(self.integer(n).ir, word, "seq_cst", 8)

    def add_atomic(self, n: Any, address: Value, offset: int = 0) -> Value:
        """Add to a number that all threads see; gives what it was."""
        word = self._word(address, offset)
        return Value(self, self.builder.atomic_rmw("add", word, self.integer(n).ir, "seq_cst"))

    def pause(self) -> None:
        """Tell the processor that this is a loop of waiting."""
        if platform.machine().lower() in ("x86_64", "amd64"):
            kind = ir.FunctionType(VOID, [])
            self.builder.call(self.declared("llvm.x86.sse2.pause", kind), [])
        elif platform.machine().lower() in ("aarch64", "arm64"):
            hint = self.declared("llvm.aarch64.hint", ir.FunctionType(VOID, [I32]))
            self.builder.call(hint, [ir.Constant(I32, 1)])

    # ---- memory -------------------------------------------------------------------------------

    def pointer(self, address: Value, offset: Any = 0) -> ir.Value:
        base = self.builder.inttoptr(address.ir, POINTER)
        if isinstance(offset, int) and offset == 0:
            return base
        return self.builder.gep(base, [self.integer(offset).ir], source_etype=I8)

    def load(self, address: Value, offset: Any = 0) -> Value:
        """A vector from memory; one number in a remainder."""
        at = self.pointer(address, offset)
        return Value(self, self.builder.load(at, align=4, typ=self.vector))

    def store(self, value: Value, address: Value, offset: Any = 0) -> None:
        self.builder.store(value.ir, self.pointer(address, offset), align=4)

    def prefetch(self, address: Value, offset: Any = 0) -> None:
        """Have a cache line brought near, into the second cache."""
        name, kinds = "llvm.prefetch.p0", [POINTER, I32, I32, I32]
        function = self.declared(name, ir.FunctionType(VOID, kinds))
        read, second, data = (ir.Constant(I32, n) for n in (0, 2, 1))
        self.builder.call(function, [self.pointer(address, offset), read, second, data])

    def store_away(self, value: Value, address: Value, offset: Any = 0) -> None:
        """Store past the caches, which needs whole vectors where vectors begin."""
        at = self.pointer(address, offset)
        align = 4 * self.lanes
        stored = self.builder.store(value.ir, at, align=align)
        if self.lanes > 1:
            stored.set_metadata("nontemporal", self.module.add_metadata([ir.Constant(I32, 1)]))

    def _spread(self, x: ir.Value, n: int) -> ir.Value:
        kind = ir.VectorType(x.type, n)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), x, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, n), [0] * n)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def spread(self, x: Value) -> Value:
        """One number in every lane."""
        return x if self.lanes == 1 else Value(self, self._spread(x.ir, self.lanes))

    def load_float(self, address: Value, offset: Any = 0) -> Value:
        at = self.pointer(address, offset)
        return Value(self, self.builder.load(at, align=4, typ=F32))

    def broadcast(self, address: Value, offset: Any = 0) -> Value:
        """One number from memory in every lane."""
        return self.spread(self.load_float(address, offset))

    def number(self, bits: Value) -> Value:
        """The float32 number whose bits are the lower half of an integer."""
        low = self.builder.trunc(bits.ir, I32)
        return Value(self, self.builder.bitcast(low, F32))

    def lane(self, x: Value, i: int) -> Value:
        return Value(self, self.builder.extract_element(x.ir, ir.Constant(I32, i)))

    def load_int(self, address: Value, offset: Any = 0) -> Value:
        return Value(self, self.builder.load(self.pointer(address, offset), align=8, typ=I64))

    def store_int(self, value: Any, address: Value, offset: Any = 0) -> None:
        self.builder.store(self.integer(value).ir, self.pointer(address, offset), align=8)

    def copy(self, to: Value, source: Value, nbytes: Value) -> None:
        """Bytes that do not overlap."""
        name, kinds = "llvm.memcpy.p0.p0.i64", [POINTER, POINTER, I64, I1]
        function = self.declared(name, ir.FunctionType(VOID, kinds))
        no = ir.Constant(I1, 0)
        self.builder.call(function, [self.pointer(to), self.pointer(source), nbytes.ir, no])

    def clear(self, to: Value, nbytes: Value) -> None:
        function = self.declared(
            "llvm.memset.p0.i64", ir.FunctionType(VOID, [POINTER, I8, I64, I1])
        )
        zero, no = ir.Constant(I8, 0), ir.Constant(I1, 0)
        self.builder.call(function, [self.pointer(to), zero, nbytes.ir, no])

    # ---- control ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def loop(self, start: Any, stop: Any, step: Any = 1) -> Iterator[Value]:
        """For every number from `start`, below `stop`."""
        stop, step, before = self.integer(stop), self.integer(step), self.integer(start)
        builder = self.builder
        entered = builder.block
        head, body = builder.append_basic_block("loop"), builder.append_basic_block("body")
        after = builder.append_basic_block("after")
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(I64)
        i.add_incoming(before.ir, entered)
        builder.cbranch(builder.icmp_signed("<", i, stop.ir), body, after)
        builder.position_at_end(body)
        yield Value(self, i)
        i.add_incoming(builder.add(i, step.ir), builder.block)
        builder.branch(head)
        builder.position_at_end(after)

    @contextlib.contextmanager
    def forever(self) -> Iterator[Callable[[Value], None]]:
        """A loop that is left by calling what it gives with a condition."""
        builder = self.builder
        body = builder.append_basic_block("forever")
        after = builder.append_basic_block("left")
        builder.branch(body)
        builder.position_at_end(body)

        def leave_if(condition: Value) -> None:
            go_on = builder.append_basic_block("on")
            builder.cbranch(condition.ir, after, go_on)
            builder.position_at_end(go_on)

        yield leave_if
        builder.branch(body)
        builder.position_at_end(after)

    @contextlib.contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        with self.builder.if_then(condition.ir):
            yield

    @contextlib.contextmanager
    def either(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """Two contexts: what happens when the condition holds, and else."""
        with self.builder.if_else(condition.ir) as (yes, no):
            yield yes, no

    def vectors(self, count: Any, unroll: int = 1) -> Iterator[Value]:
        """Byte offsets of whole vectors in `count` numbers, then of each one that remains."""
        count = self.integer(count)
        width = self.width
        done = self.integer(0)
        passes = dict.fromkeys([(width, unroll), (width, 1), (1, 1)])
        for lanes, times in passes:
            whole = count - count % (lanes * times)
            with self.loop(done, whole, lanes * times) as i:
                self.lanes = lanes
                for u in range(times):
                    yield (i + u * lanes) * 4
            self.lanes = width
            done = whole

    def match(self, n: Value, cases: Sequence[tuple[int, Callable[[], None]]]) -> None:
        """Do what belongs to the number `n`; nothing if no case has it."""
        builder = self.builder
        after = builder.append_basic_block("matched")
        switch = builder.switch(n.ir, after)
        for number, act in cases:
            block = builder.append_basic_block("case")
            switch.add_case(ir.Constant(I64, number), block)
            builder.position_at_end(block)
            act()
            builder.branch(after)
        builder.position_at_end(after)

    # ---- functions ----------------------------------------------------------------------------

    def declared(self, name: str, kind: ir.FunctionType) -> ir.Function:
        found = self.module.globals.get(name)
        return found if found is not None else ir.Function(self.module, kind, name)

    def call(self, function: ir.Function, *args: Any) -> Value:
        return Value(self, self.builder.call(function, [self.integer(a).ir for a in args]))

    def call_address(self, address: Value, result: ir.Type, *args: Any) -> Value:
        """A function of 64-bit integers, known by its address only."""
        values = [self.integer(a).ir for a in args]
        kind = ir.FunctionType(result, [v.type for v in values])
        # llvmlite wants a typed pointer to know what it calls.
        pointer = self.builder.inttoptr(address.ir, kind.as_pointer())
        return Value(self, self.builder.call(pointer, values))

    def helper(
        self, name: str, arguments: int, body: Callable[[Emitter, Sequence[Value]], None]
    ) -> ir.Function:
        """An inner function of 64-bit integers, emitted when first asked for."""
        found = self.module.globals.get(name)
        if found is not None:
            return found
        function = ir.Function(self.module, ir.FunctionType(VOID, [I64] * arguments), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        inner = Emitter(self.module, function, self.width, self.registers)
        body(inner, inner.args)
        inner.builder.ret_void()
        return function
