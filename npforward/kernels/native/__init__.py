"""Compiled kernels, written as Python that emits LLVM instructions for the CPU at hand.

`emit` is the language, `functions` and `tile` what kernels are made of; `conv`, `spatial`,
`elementwise`, `recurrent` and `arrange` are the kernels, `threads` runs lists of them, `library`
compiles and keeps them.
"""
