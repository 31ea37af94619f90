"""Record what Keras makes of each pair of dtypes: weights_fixtures/promotion.json.

python weights_fixtures/make/promotion.py
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

from keras.src.backend.common.dtypes import ALLOWED_DTYPES, result_type

NAMES = [name for name in ALLOWED_DTYPES if name != "string" and "float8" not in name]
KINDS = {name: name for name in NAMES} | {"python bool": bool, "python int": int}
KINDS |= {"python float": float}

if __name__ == "__main__":
    rows = {
        a: {b: result_type(one, other) for b, other in KINDS.items()} for a, one in KINDS.items()
    }
    lines = ",\n".join(f"{json.dumps(a)}: {json.dumps(row)}" for a, row in rows.items())
    path = Path(__file__).parents[1] / "promotion.json"
    path.write_text(f"{{\n{lines}\n}}\n")
