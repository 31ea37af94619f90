"""Run operations of `keras.ops` on small arrays: weights_fixtures/operations/.

A case is one line of the table below: the operation's class, the arguments of its call, the options
of its constructor.  All operations of a module are recorded in one file.

    python weights_fixtures/make/operations.py [CLASS ...]
"""

import numpy as np
from recorder import Args, case, command, integers

# ------------------------------------------------------------------------------- keras.ops.numpy

case("ops.Add", Args([(2, 3), (2, 3)]))
case("ops.Nonzero", np.array([[0, 3, 0], [1, 0, 2]], "float32"))
case("ops.Squeeze", (2, 1, 3, 1), axis=-1)
case("ops.Sum", integers(-9, 9, (2, 3), "int32"), axis=1)

if __name__ == "__main__":
    command()
