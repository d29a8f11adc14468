"""Arrays: what is let in, as what, and what is refused with which words."""

import functools

import numpy as np
import pytest
from checked_calls import CALLS, GOOD, K, each_call, each_name, refuse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastdiv import _inputs, median_distance, mmd2, witness


class OnDevice:
    def __dlpack_device__(self):
        return (2, 0)


class NeedsGrad:
    requires_grad = True


class NotAnArray:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("no data")


REFUSED = {
    "none": (None, TypeError, "NoneType"),
    "string": ("abc", TypeError, "str"),
    "dict": ({"a": [1.0]}, TypeError, "dict"),
    "set": ({1.0}, TypeError, "set"),
    "generator": ((v for v in [1.0]), TypeError, "generator"),
    "scalar": (1.0, ValueError, "scalar"),
    "0-d": (np.array(2.0), ValueError, "scalar"),
    "empty list": ([], ValueError, "no rows"),
    "no rows": (np.empty((0, 2)), ValueError, "no rows"),
    "no features": (np.empty((4, 0)), ValueError, "0 features"),
    "no features, 3-d": (np.empty((4, 3, 0)), ValueError, "0 features"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "rectangular"),
    "object": (np.array([[1.0, None]] * 3), TypeError, "object"),
    "text": (np.array([["a", "b"]] * 3), TypeError, "encode"),
    "bytes": (np.array([[b"a", b"b"]] * 3), TypeError, "encode"),
    "bool": (np.ones((3, 2), dtype=bool), TypeError, ".astype(float)"),
    "datetime": (np.zeros((3, 2), dtype="M8[s]"), TypeError, "datetime64"),
    "timedelta": (np.zeros((3, 2), dtype="m8[s]"), TypeError, "timedelta64"),
    "structured": (np.zeros(3, dtype=[("a", "f4"), ("b", "f4")]), TypeError, "2-D"),
    "masked": (np.ma.masked_greater(GOOD, 3), TypeError, "filled"),
    "device": (OnDevice(), TypeError, "CPU"),
    "grad": (NeedsGrad(), TypeError, "detach"),
    "no array": (NotAnArray(), TypeError, "no data"),
    "features": (np.ones((6, 3)), ValueError, "same number of features", "2", "3"),
    "nan": (np.where(GOOD == 4, np.nan, GOOD), ValueError, "row 2, column 0", "omit"),
    "inf": (np.where(GOOD == 4, np.inf, GOOD), ValueError, "infinite", "row 2, column 0"),
    "-inf": (np.where(GOOD == 4, -np.inf, GOOD), ValueError, "infinite"),
}

if np.dtype(np.longdouble).itemsize > 8:
    REFUSED["longdouble"] = (GOOD.astype(np.longdouble), TypeError, "numpy.float64")


@each_name
@each_call
@pytest.mark.parametrize("case", REFUSED)
def test_refused(call, name, case):
    bad, error, *words = REFUSED[case]
    if bad is None and name == "y" and call is median_distance:
        pytest.skip("y is optional here")
    refuse(call, name, bad, error, *words)


@pytest.mark.parametrize("case", sorted(set(REFUSED) - {"features"}))
def test_refused_at(case):
    bad, error, *words = REFUSED[case]
    if case == "generator":
        bad = iter([1.0])
        words = []
    if case == "nan":
        words = ["row 2, column 0", "leave out"]
    refuse(lambda x, y, at=None: witness(x, y, at, K), "x", None, TypeError)
    with pytest.raises(error, match=r"^at ") as caught:
        witness(GOOD, GOOD, bad, K)
    assert all(word in str(caught.value) for word in words)


def unaligned(a):
    buffer = np.zeros(a.nbytes + 1, dtype=np.uint8)
    view = buffer[1:].view(a.dtype).reshape(a.shape)
    view[:] = a
    assert not view.flags.aligned
    return view


LAYOUTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(map(tuple, a.tolist())),
    "matrix": lambda a: a.view(np.matrix),
    "3-d": lambda a: a.reshape(len(a), 1, -1),
    "4-d": lambda a: a.reshape(len(a), 2, 1, 2),
    "unmasked": np.ma.array,
    "record field": lambda a: np.rec.fromarrays([a, a], names="u,v")["v"],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@each_call
def test_layouts(rng, call, layout, dtype):
    x, y = rng.normal(size=(7, 4)).astype(dtype), rng.normal(size=(6, 4)).astype(dtype)
    if call is CALLS["witness"]:
        call = functools.partial(witness, at=y[:3], kernel=K)
    given_x = layout(x)
    before = np.array(given_x)
    got = call(given_x, layout(y))
    np.testing.assert_array_equal(np.asarray(given_x), before)
    np.testing.assert_allclose(got, call(x, y), rtol=1e-5 if dtype == np.float32 else 1e-14)


@each_call
def test_read_only_and_memory_mapped(tmp_path, rng, call):
    x, y = rng.normal(size=(7, 2)), rng.normal(size=(6, 2))
    expected = call(x, y)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    x.flags.writeable = y.flags.writeable = False
    np.testing.assert_array_equal(call(x, y), expected)
    np.testing.assert_array_equal(call(mapped, y), expected)


def test_zero_strides(rng):
    row = rng.normal(size=(1, 3))
    y = rng.normal(size=(5, 3))
    x = np.broadcast_to(row, (4, 3))
    assert mmd2(x, y, K) == mmd2(x.copy(), y, K)


def test_plain_arrays_are_not_copied(rng):
    for dtype in (np.float32, np.float64):
        a = rng.normal(size=(4, 3)).astype(dtype)
        for view in (a, a[::-1], a.T, a[:, ::2], np.asfortranarray(a)):
            assert _inputs.matrix(view, "x") is view
    flat = rng.normal(size=5)
    assert np.shares_memory(_inputs.matrix(flat, "x"), flat)


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [
        ("f2", "f4"),
        ("f4", "f4"),
        ("f8", "f8"),
        (">f4", "f4"),
        (">f2", "f4"),
        ("i1", "f8"),
        ("u2", "f8"),
        (">i4", "f8"),
        ("i8", "f8"),
    ],
)
def test_dtypes(given_dtype, expected):
    a = np.array([[0, 1], [2, 3]], dtype=given_dtype)
    got = _inputs.matrix(a, "x")
    assert got.dtype == np.dtype(expected)
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, [[0, 1], [2, 3]])


def test_one_dimension_means_scalars():
    x, y = np.array([0.0, 1.0, 4.0]), np.array([2.0, 3.0])
    assert mmd2(x, y, K) == mmd2(x[:, None], y[:, None], K)


def test_dlpack_alone_is_enough():
    class Exporter:
        def __init__(self, a):
            self._a = a

        def __dlpack__(self, **kwargs):
            return self._a.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return self._a.__dlpack_device__()

    assert mmd2(Exporter(GOOD), GOOD[1:], K) == mmd2(GOOD, GOOD[1:], K)


def test_torch():
    torch = pytest.importorskip("torch")
    x, y = torch.tensor(GOOD, dtype=torch.float32), torch.tensor(GOOD[1:], dtype=torch.float32)
    expected = mmd2(x.numpy(), y.numpy(), K)
    assert mmd2(x, y, K) == expected
    assert mmd2(x.to(torch.bfloat16), y, K) == expected
    assert mmd2(x.half(), y, K) == expected
    assert _inputs.matrix(x, "x").dtype == np.float32
    assert np.shares_memory(_inputs.matrix(x, "x"), x.numpy())
    with pytest.raises(TypeError, match=r"^x .*detach"):
        mmd2(x.clone().requires_grad_(), y, K)
    with pytest.raises(TypeError, match=r"^x is not in CPU memory"):
        mmd2(x.to("meta"), y, K)
    with pytest.raises(TypeError, match=r"^y .*sparse|^y cannot"):
        mmd2(x, y.to_sparse(), K)


def test_jax():
    jnp = pytest.importorskip("jax.numpy")
    x, y = jnp.asarray(GOOD, jnp.float32), jnp.asarray(GOOD[1:], jnp.bfloat16)
    assert mmd2(x, y, K) == mmd2(GOOD.astype("f4"), GOOD[1:].astype("f4"), K)


def test_pandas():
    pd = pytest.importorskip("pandas")
    x, y = pd.DataFrame(GOOD), pd.DataFrame(GOOD[1:])
    expected = mmd2(GOOD, GOOD[1:], K)
    assert mmd2(x, y, K) == expected
    assert mmd2(x.astype("Int64"), y.astype("Float64"), K) == expected
    assert mmd2(x[0], y[0], K) == mmd2(GOOD[:, 0], GOOD[1:, 0], K)
    missing = pd.concat([x.astype("Int64"), pd.DataFrame([[pd.NA, 1]], dtype="Int64")])
    assert mmd2(missing, y, K, nan_policy="omit") == expected
    with pytest.raises(ValueError, match="row 6, column 0"):
        mmd2(missing, y, K)
    with pytest.raises(TypeError, match=r"^x .*object"):
        mmd2(x.assign(name="a"), y, K)
    with pytest.raises(TypeError, match=r"^x "):
        mmd2((x > 1).astype({0: "boolean"}), y, K)


def test_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": GOOD[:, 0], "b": GOOD[:, 1]})
    assert mmd2(table, GOOD[1:], K) == mmd2(GOOD, GOOD[1:], K)
    column = pa.chunked_array([GOOD[:2, 0], GOOD[2:, 0]])
    assert mmd2(column, GOOD[1:, 0], K) == mmd2(GOOD[:, 0], GOOD[1:, 0], K)
    with pytest.raises(ValueError, match="row 1, column 0"):
        mmd2(pa.array([1.0, None, 2.0]), [1.0, 2.0], K)


def test_scipy_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"x is a sparse matrix; pass x\.toarray"):
        mmd2(sparse.csr_array(GOOD), GOOD, K)


@settings(max_examples=60)
@given(
    hnp.arrays(
        dtype=st.sampled_from(["f2", "f4", "f8", ">f8", "i2", "u1"]),
        shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=2, max_side=5),
        elements=st.integers(0, 100),
    ),
    st.booleans(),
)
def test_any_view_gives_its_rows(a, backwards):
    view = a[::-1] if backwards else a
    got = _inputs.matrix(view, "x")
    assert got.ndim == 2
    assert got.flags.aligned
    assert got.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(got, np.asarray(view, float).reshape(len(view), -1))


def test_variable_width_strings():
    dtypes = pytest.importorskip("numpy.dtypes")
    if not hasattr(dtypes, "StringDType"):
        pytest.skip("needs NumPy 2")
    words = np.array(["a", "b"], dtype=dtypes.StringDType())
    with pytest.raises(TypeError, match=r"^x must hold real numbers.*encode text"):
        mmd2(words, words)
