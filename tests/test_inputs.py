"""Input files: what becomes of each kind, and what is said of those that do not fit."""

import io
import struct
import warnings
import zipfile
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from npforward.errors import BadFile, BadInput, LimitExceeded, MissingFile, NpforwardError
from npforward.inputs import Preprocessing, fit, numbers, read_batch
from npforward.limits import Limits

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (28, 28), np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 3), np.uint8)


def spec(*shape, dtype="float32", name="x"):
    return SimpleNamespace(name=name, shape=(None, *shape), dtype=dtype)


def picture(tmp_path, pixels=GREY, name="seven.png", mode=None, **options):
    path = tmp_path / name
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_a_picture_is_resized_to_the_model_and_not_scaled(tmp_path):
    x, (line,) = read_batch([picture(tmp_path)], spec(16, 16, 1))
    assert x.shape == (1, 16, 16, 1) and x.max() > 1
    assert line.startswith("seven.png: 28x28 gray, resized to 16x16 (bilinear), values ")
    assert line.endswith("not scaled")
    same, (line,) = read_batch([picture(tmp_path)], spec(28, 28, 1))
    assert (same[0, ..., 0] == GREY).all() and "resized" not in line


def test_channels_follow_the_model(tmp_path):
    path = picture(tmp_path, RGB)
    assert (read_batch([path], spec(6, 9, 3))[0][0] == RGB).all()
    first, (line,) = read_batch([path], spec(3, 6, 9))
    assert (first[0] == RGB.transpose(2, 0, 1)).all() and "channels first" in line
    assert read_batch([path], spec(6, 9, 4))[0][0, ..., 3].min() == 255
    grey, (line,) = read_batch([path], spec(6, 9, 1))
    assert grey.shape == (1, 6, 9, 1) and "taken as gray" in line
    bgr, _ = read_batch([path], spec(6, 9, 3), Preprocessing(channels="bgr"))
    assert (bgr[0] == RGB[..., ::-1]).all()
    assert read_batch([path], spec(6, 9))[0].shape == (1, 6, 9)
    assert (read_batch([path], spec(None, None, 3))[0][0] == RGB).all()
    assert (read_batch([path], spec(162))[0][0] == RGB.reshape(-1)).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.gif", "a.png"])
def test_every_format_by_its_content(tmp_path, name):
    path = picture(tmp_path, name=name)
    renamed = path.rename(tmp_path / "picture.dat")
    assert read_batch([renamed], spec(28, 28, 1))[0].shape == (1, 28, 28, 1)


def test_other_formats_of_pillow_are_not_opened(tmp_path):
    path = picture(tmp_path, name="a.tiff")
    with pytest.raises(BadFile, match="cannot be read as input"):
        read_batch([path], spec(28, 28, 1))


def test_scale_mean_and_std(tmp_path):
    path = picture(tmp_path, RGB)
    asked = Preprocessing.parse(scale="1/255", mean="0.5,0.4,0.3", std="1/4")
    x, (line,) = read_batch([path], spec(6, 9, 3), asked)
    expected = (RGB / 255 - [0.5, 0.4, 0.3]) / 0.25
    np.testing.assert_allclose(x[0], expected, rtol=1e-4, atol=1e-5)
    assert x.dtype == np.float32
    assert "multiplied by 0.00392157, minus 0.5, 0.4, 0.3, divided by 0.25" in line
    first, _ = read_batch([path], spec(3, 6, 9), asked)
    np.testing.assert_array_equal(first[0], x[0].transpose(2, 0, 1))
    np.save(tmp_path / "x.npy", RGB)
    array, _ = read_batch([tmp_path / "x.npy"], spec(6, 9, 3), asked)
    np.testing.assert_array_equal(array, x)
    with pytest.raises(BadInput, match="3 numbers for mean, 1 channels"):
        read_batch([picture(tmp_path)], spec(28, 28, 1), asked)


def test_sixteen_bits_are_kept_in_grey_and_reduced_in_colour(tmp_path):
    deep = RNG.integers(0, 65536, (4, 4)).astype(np.uint16)
    path = picture(tmp_path, deep)
    assert (read_batch([path], spec(4, 4, 1))[0][0, ..., 0] == deep).all()
    assert read_batch([path], spec(2, 2, 1))[0].max() > 255
    rgb, (line,) = read_batch([path], spec(4, 4, 3))
    assert (rgb[0, ..., 0] == deep >> 8).all() and "reduced to 8 bits" in line


def test_several_files_make_a_batch(tmp_path):
    paths = [picture(tmp_path, name=f"{n}.png") for n in range(3)]
    x, lines = read_batch(paths, spec(28, 28, 1))
    assert x.shape == (3, 28, 28, 1) and len(lines) == 3
    other = picture(tmp_path, RGB, "other.png")
    with pytest.raises(BadInput, match=r"other.png: gives \(6, 9, 1\), but 0.png before it"):
        read_batch([paths[0], other], spec(None, None, 1))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif"])
@pytest.mark.parametrize("keep", [0, 3, 20, 60])
def test_truncated_pictures(tmp_path, name, keep):
    path = picture(tmp_path, np.kron(GREY, np.ones((3, 3), np.uint8)), name)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFile, match=name):
        read_batch([path], spec(28, 28, 1))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["PNG", "JPEG", "BMP", "GIF"]), st.data())
def test_damaged_pictures_never_raise_anything_else(tmp_path_factory, format, data):
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, format)
    content = bytearray(stream.getvalue())
    for _ in range(4):
        at = data.draw(st.integers(2, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "a.img"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read_batch([path], spec(28, 28, 1))
        except NpforwardError as error:
            assert "a.img" in str(error)


def test_a_picture_too_large_is_refused_before_it_is_decoded(tmp_path):
    path = picture(tmp_path)
    with pytest.raises(LimitExceeded, match="image_pixels"):
        read_batch([path], spec(28, 28, 1), limits=Limits(image_pixels=700))
    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    path.write_bytes(bomb + struct.pack(">I", zlib.crc32(chunk)))
    for limits in (Limits(), Limits(image_pixels=10**10)):
        with pytest.raises((LimitExceeded, BadFile)):
            read_batch([path], spec(28, 28, 1), limits=limits)


def test_pictures_that_do_not_fit(tmp_path):
    path = picture(tmp_path)
    with pytest.raises(BadInput, match="has 1, 3 or 4 channels, but input 'x' takes"):
        read_batch([path], spec(28, 28, 7))
    with pytest.raises(BadInput, match="784 values, but input 'x' takes"):
        read_batch([path], spec(100))
    with pytest.raises(BadInput, match="is a picture, but input 'x' takes text"):
        read_batch([path], spec(1, dtype="string"))
    with pytest.raises(BadInput, match="Leave out --channels"):
        read_batch([path], spec(28, 28, 1), Preprocessing(channels="rgb"))
    with pytest.raises(BadInput, match="axis 1: 14, not 28"):
        read_batch([path], spec(28, 28, 1), Preprocessing(resize=(14, 28)))
    with pytest.raises(BadInput, match="Give an array"):
        read_batch([path], spec(3, 28, 28, 1))


@pytest.mark.parametrize(
    ("found", "expected", "result"),
    [
        ((5, 3), (3,), (5, 3)),
        ((3,), (3,), (1, 3)),
        ((28, 28), (28, 28, 1), (1, 28, 28, 1)),
        ((7, 28, 28), (28, 28, 1), (7, 28, 28, 1)),
        ((28, 28, 1), (28, 28, 1), (1, 28, 28, 1)),
        ((5, 28, 28), (1, 28, 28), (5, 1, 28, 28)),
        ((28, 28), (1, 28, 28), (1, 1, 28, 28)),
        ((5, 784), (28, 28, 1), (5, 28, 28, 1)),
        ((784,), (28, 28, 1), (1, 28, 28, 1)),
        ((4,), (1,), (4, 1)),
        ((4,), (), (4,)),
        ((2, 9, 4), (None, 4), (2, 9, 4)),
        ((9, 4), (None, 4), (1, 9, 4)),
    ],
)
def test_the_batch_axis_may_be_left_out(tmp_path, found, expected, result):
    x = np.arange(np.prod(found)).reshape(found)
    fitted, notes = fit(x, spec(*expected), tmp_path)
    assert fitted.shape == result and notes
    assert (fitted.ravel() == x.ravel()).all()


def test_a_shape_that_does_not_fit_is_shown_with_what_is_expected(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 5)))
    with pytest.raises(BadInput, match=r"x.npy: has shape \(2, 5\), but .* \(None, 28, 28, 1\)"):
        read_batch([tmp_path / "x.npy"], spec(28, 28, 1))
    with pytest.raises(BadInput, match="not a picture, so it cannot be resized"):
        read_batch([tmp_path / "x.npy"], spec(5), Preprocessing(resize=(2, 2)))


def test_npz_by_name_or_alone(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, only=np.ones((2, 3)))
    assert read_batch([path], spec(3))[0].shape == (2, 3)
    np.savez_compressed(path, x=np.ones((2, 3)), y=np.zeros(3))
    assert read_batch([path], spec(3))[0].sum() == 6
    with pytest.raises(BadInput, match="none called 'z'"):
        read_batch([path], spec(3, name="z"))


def test_broken_arrays(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([{}], object), allow_pickle=True)
    with pytest.raises(BadFile, match="Python objects, which are never loaded"):
        read_batch([path], spec(1))
    np.save(path, np.ones(1000))
    whole = path.read_bytes()
    for keep in (7, 20, 100, 500):
        path.write_bytes(whole[:keep])
        with pytest.raises(BadFile, match=r"x\.npy"):
            read_batch([path], spec(1000))
    huge = whole.replace(b"(1000,)", b"(" + b"9" * 14 + b",)")
    path.write_bytes(huge)
    with pytest.raises(NpforwardError, match=r"x\.npy"):
        read_batch([path], spec(None))
    archive = tmp_path / "x.npz"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.npy", whole.replace(b"(1000,), }  ", b"(1000000,),}"))
    with pytest.raises(BadFile, match="its data are fewer"):
        read_batch([archive], spec(None))
    np.savez(archive, np.array([{}], object))
    with pytest.raises(BadFile, match="Python objects"):
        read_batch([archive], spec(None))
    archive.write_bytes(archive.read_bytes()[:50])
    with pytest.raises(BadFile, match=r"x.npz"):
        read_batch([archive], spec(None))
    np.savez_compressed(archive, np.zeros(10**7))
    with pytest.raises(LimitExceeded, match="zip_ratio"):
        read_batch([archive], spec(None))


def test_csv_with_and_without_a_heading(tmp_path):
    path = tmp_path / "x.csv"
    for text in ("1,2,3\n4,5,6\n", "\ufeffa,b,c\r\n1,2,3\r\n4,5,6", "1;2;3\n4;5;6\n"):
        path.write_bytes(text.encode())
        x, (line,) = read_batch([path], spec(3))
        assert (x == [[1, 2, 3], [4, 5, 6]]).all() and "a batch of 2" in line
    path = tmp_path / "x.txt"
    path.write_text("1 2 3\n4 5  6\n")
    assert read_batch([path], spec(3))[0].shape == (2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "row 2 has 1 columns, the rows before it 2"),
        ("1,2\n3,x\n", "row 2, column 2: 'x' is not a number"),
        ("a,b\n", "nothing below it"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a\0b", "NUL"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_broken_tables(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadFile, match=message):
        read_batch([path], spec(2))


def test_text_for_models_that_take_text(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("good film\n\nbad film\n")
    assert read_batch([path], spec(dtype="string"))[0].tolist() == ["good film", "bad film"]
    assert read_batch([path], spec(1, dtype="string"))[0].shape == (2, 1)
    with pytest.raises(BadFile, match="is not a number, and input 'x' takes numbers"):
        read_batch([path], spec(2))
    table = tmp_path / "x.csv"
    table.write_text('a,"b,c"\nd,e\n')
    assert read_batch([table], spec(2, dtype="string"))[0].tolist() == [["a", "b,c"], ["d", "e"]]
    np.save(tmp_path / "x.npy", np.ones(3))
    with pytest.raises(BadInput, match=r"holds numbers \(float64\), but input 'x' takes texts"):
        read_batch([tmp_path / "x.npy"], spec(dtype="string"))


def test_an_input_that_takes_any_shape(tmp_path):
    anything = SimpleNamespace(name="x", shape=None, dtype="float32")
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    assert read_batch([tmp_path / "x.npy"], anything)[0].shape == (2, 3)
    assert read_batch([picture(tmp_path)], anything)[0].shape == (1, 28, 28, 1)


def test_paths_that_are_no_files(tmp_path):
    for path, message in (("none.png", "no such file"), (".", "is a folder"), ("a\0b", "not a")):
        with pytest.raises(MissingFile, match=message):
            read_batch([tmp_path / path], spec(1))
    with pytest.raises(BadInput, match="no file given"):
        read_batch([], spec(1))
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(BadFile, match="is not a picture, although its name says so"):
        read_batch([tmp_path / "x.png"], spec(1))


@pytest.mark.parametrize(
    ("option", "text"),
    [
        *(("resize", "150"), ("resize", "0x3"), ("resize", "axb"), ("scale", "1/0")),
        *(("scale", "x"), ("scale", "1e999"), ("mean", "1,,2"), ("std", "0"), ("channels", "cmyk")),
    ],
)
def test_settings_that_mean_nothing(option, text):
    with pytest.raises(BadInput, match=option):
        Preprocessing.parse(**{option: text})


@given(st.lists(st.fractions(), min_size=1, max_size=4))
def test_fractions_are_read_exactly(fractions):
    assert numbers("x", ",".join(map(str, fractions))) == tuple(map(float, fractions))
