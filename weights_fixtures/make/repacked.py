"""Make `weights_fixtures/files/*.repacked.*`: genuine models whose HDF5 others have touched.

    python weights_fixtures/make/repacked.py

It needs h5py and numpy only.  The values stay those that Keras wrote; they are stored in ways that
Keras does not use and HDF5's own tools (h5repack, h5jam) do, which pyfive does not read.
"""

import io
import zipfile
from pathlib import Path

import h5py

FILES = Path(__file__).parents[1] / "files"


def repacked(content, **options):
    """The same groups, attributes and arrays, laid out as HDF5 1.10 and later may."""
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as source, h5py.File(buffer, "w", **options) as target:
        target.attrs.update(source.attrs)

        def copy(path, found):
            if isinstance(found, h5py.Dataset):
                chunks = tuple(min(n, 4) for n in found.shape)
                how = {"chunks": chunks, "compression": "gzip"} if chunks else {}
                made = target.create_dataset(path, data=found[()], **how)
            else:
                made = target.require_group(path)
            made.attrs.update(found.attrs)

        source.visititems(copy)
    return buffer.getvalue()


def main():
    content = (FILES / "sequential.h5").read_bytes()
    (FILES / "sequential.repacked.h5").write_bytes(
        repacked(content, libver=("v110", "v110"), userblock_size=512)
    )
    with (
        zipfile.ZipFile(FILES / "reused.keras") as source,
        zipfile.ZipFile(FILES / "reused.repacked.keras", "w") as target,
    ):
        for info in source.infolist():
            held = source.read(info)
            if info.filename.endswith(".h5"):
                held = repacked(held, libver=("v110", "v110"))
            target.writestr(info, held)


if __name__ == "__main__":
    main()
