"""Files that appear whole or not at all, and names for them that every file system takes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from npforward.errors import CannotWrite, NpforwardError

# What Windows refuses in a name; "%" is what escapes, and addresses bring their own.
REFUSED = '<>:"/\\|?*'
RESERVED = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"
}
LONGEST = 255  # bytes: ext4, APFS and NTFS all take this


def percent(text: str, refused: str) -> str:
    """`text` with control characters, lone surrogates and those in `refused` percent-escaped.

    Examples
    --------
    >>> percent("a/b", "/"), percent("tab\\t", "/")
    ('a%2Fb', 'tab%09')
    """

    def safe(character: str) -> bool:
        bad = ord(character) < 32 or ord(character) == 127 or "\ud800" <= character <= "\udfff"
        return not bad and character not in refused

    return "".join(
        c if safe(c) else "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "surrogatepass"))
        for c in text
    )


def file_name(name: str, suffix: str = "") -> str:
    """A file name for an address or layer name: legal on Linux, macOS and Windows.

    Refused characters are percent-escaped, reserved names (``NUL``, ``..``) have their first
    character escaped, and names longer than 255 bytes end in a digest of the whole.

    Examples
    --------
    >>> file_name("encoder/conv1:pre", ".png")
    'encoder%2Fconv1%3Apre.png'
    >>> file_name("NUL", ".png"), file_name("..", ""), len(file_name("x" * 1000, ".png"))
    ('%4EUL.png', '%2E%2E', 255)
    """
    text = percent(name, REFUSED)
    if text and not suffix and text[-1] in " .":  # Windows drops these at the end of a name
        text = text[:-1] + percent(text[-1], " .")
    stem = text.split(".")[0].rstrip(" ").upper()
    if not text or stem in RESERVED or text[0] in ". ":  # a leading dot hides the file
        text = percent(text[:1], text[:1]) + text[1:] if text else "%"
    room = LONGEST - len(suffix.encode())
    if len(text.encode()) > room:
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        text = text.encode()[: room - 17].decode("utf-8", "ignore") + "~" + digest
    return text + suffix


def cannot_write(path: Path, error: OSError) -> CannotWrite:
    reason = error.strerror or str(error)
    return CannotWrite(
        f"{path}: cannot be written: {reason}. Choose another place, or make this one writable."
    )


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A path to write to, that becomes `path` if the block ends well and vanishes if not.

    Folders on the way are made.  An older file at `path` stays untouched until then.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    temporary = path.with_name(f".{os.urandom(6).hex()}.partial")
    try:
        if path.exists() and not path.is_file():  # a folder, or a device that must not be replaced
            raise CannotWrite(f"{path}: cannot be written: it exists and is not an ordinary file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 -- atomic on every system
    except OSError as error:
        if isinstance(error, NpforwardError):
            raise
        raise cannot_write(path, error) from error
    finally:
        if temporary.is_file():
            temporary.unlink()


@contextmanager
def whole_folder(path: Path | str) -> Iterator[Path]:
    """A folder to write into, whose files move to `path` if the block ends well.

    Files already at `path` stay, unless one of the same name takes their place.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "out"
    >>> with whole_folder(folder) as temporary:
    ...     _ = (temporary / "a.txt").write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    with _partial(path, within=path) as temporary:
        yield temporary
        for file in sorted(temporary.iterdir()):
            os.replace(file, path / file.name)  # noqa: PTH105


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """A folder to write into, that becomes `path` if the block ends well and vanishes if not.

    At `path` there is nothing before, or an empty folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "new"
    >>> with new_folder(folder) as temporary:
    ...     (temporary / "within").mkdir()
    >>> [file.name for file in folder.iterdir()]
    ['within']
    """
    path = Path(path)
    with _partial(path, within=path.parent) as temporary:
        there = path.is_dir() or path.exists()
        if there and not (path.is_dir() and not any(path.iterdir())):
            raise CannotWrite(
                f"{path}: cannot be written: it is there already. Choose another name, or clear it "
                "away."
            )
        yield temporary
        if there:  # which Windows does not replace
            path.rmdir()
        temporary.rename(path)


@contextmanager
def _partial(path: Path, within: Path) -> Iterator[Path]:
    """A folder for as long as the block lasts, where what is to be at `path` comes together."""
    temporary = within / f".{os.urandom(6).hex()}.partial"
    try:
        within.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
    except OSError as error:
        if isinstance(error, NpforwardError):
            raise
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
