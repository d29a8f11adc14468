"""What is let in, as what, and what is refused with which words."""

import functools
import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastdiv
from fastdiv import RBF, _inputs, energy_distance, median_distance, mmd2, mmd_test, witness

K = RBF(1.5)
GOOD = np.arange(12.0).reshape(6, 2) % 5

CALLS = {
    "mmd2": lambda x, y, **kw: mmd2(x, y, K, **kw),
    "mmd_test": lambda x, y, **kw: mmd_test(x, y, K, n_resamples=9, rng=0, **kw).statistic,
    "energy_distance": energy_distance,
    "median_distance": median_distance,
    "witness": lambda x, y, **kw: witness(x, y, GOOD, K, **kw),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
each_name = pytest.mark.parametrize("name", ["x", "y"])


def refuse(call, name, bad, error, *words, **options):
    """Check that `bad` in the place of argument `name` raises `error` with these words."""
    arguments = {"x": GOOD, "y": GOOD, name: bad}
    with pytest.raises(error) as caught:
        call(arguments["x"], arguments["y"], **options)
    message = str(caught.value)
    assert name in message.replace(":", " ").split() or message.startswith(name), message
    for word in words:
        assert word in message, message


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


def test_at_needs_the_same_features():
    with pytest.raises(ValueError, match="x and at"):
        witness(GOOD, GOOD, np.ones((3, 4)), K)


def test_nonfinite_count_is_told():
    bad = GOOD.copy()
    bad[[1, 3], 1] = np.nan, np.inf
    with pytest.raises(ValueError, match="x holds 2 NaN or infinite values"):
        mmd2(bad, GOOD, K)
    bad[3, 1] = 0
    with pytest.raises(ValueError, match="x holds 1 NaN or infinite value, "):
        mmd2(bad, GOOD, K)


# --- rows ------------------------------------------------------------------------------


@each_name
@pytest.mark.parametrize("call", [CALLS["mmd2"], CALLS["mmd_test"]])
def test_unbiased_needs_two_rows(call, name):
    refuse(call, name, GOOD[:1], ValueError, "at least 2 rows", "got 1")


@each_name
def test_biased_needs_one_row(name):
    arguments = {"x": GOOD, "y": GOOD, name: GOOD[:1]}
    assert mmd2(**arguments, kernel=K, estimator="biased") > 0


def test_paired_needs_equal_sizes():
    with pytest.raises(ValueError, match=r"x and y .* got 6 and 5"):
        mmd2(GOOD, GOOD[:5], K, estimator="paired")
    with pytest.raises(ValueError, match="x must have at least 2 rows"):
        mmd2(GOOD[:1], GOOD[:1], K, estimator="paired")


def test_median_distance_needs_two_rows():
    with pytest.raises(ValueError, match="x must have at least 2 rows"):
        median_distance([1.0])
    assert median_distance([1.0], [4.0]) == 3.0


@each_name
@each_call
def test_omit_drops_rows(call, name):
    bad = np.insert(GOOD, 2, [[np.nan, 1.0]], axis=0)
    bad = np.append(bad, [[0.0, -np.inf]], axis=0)
    arguments = {"x": GOOD, "y": GOOD[1:]}
    expected = call(*arguments.values())
    bad_arguments = arguments | {name: bad if name == "x" else bad[1:]}
    got = call(*bad_arguments.values(), nan_policy="omit")
    np.testing.assert_array_equal(got, expected)


def test_omit_drops_both_members_of_a_pair():
    x, y = GOOD.copy(), GOOD[::-1].copy()
    x[1, 0], y[4, 1] = np.nan, np.inf
    keep = [0, 2, 3, 5]
    options = {"kernel": K, "estimator": "paired"}
    assert mmd2(x, y, nan_policy="omit", **options) == mmd2(x[keep], y[keep], **options)
    result = mmd_test(x, y, nan_policy="omit", n_resamples=5, rng=0, **options)
    assert (result.n_x, result.n_y) == (4, 4)


def test_omit_can_leave_too_little():
    with pytest.raises(ValueError, match=r"x must have at least 1 row .*got 0 after dropping"):
        mmd2([np.nan, np.inf], [1.0], K, estimator="biased", nan_policy="omit")


# --- what is let in --------------------------------------------------------------------


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


def test_mixed_precision_means_double():
    a, b = _inputs.samples(np.ones((2, 1), np.float32), np.ones((2, 1)), "raise")
    assert a.dtype == b.dtype == np.float64


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


@settings(max_examples=60, deadline=None)
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


# --- options ---------------------------------------------------------------------------

OPTIONS = {
    "estimator": [("best", ValueError), (None, ValueError), (1, ValueError)],
    "nan_policy": [("propagate", ValueError), (None, ValueError)],
    "n_threads": [
        (0, ValueError),
        (-1, ValueError),
        (1.5, TypeError),
        ("2", TypeError),
        (True, TypeError),
        (10**9, ValueError),
    ],
    "progress": [(1.5, TypeError), ("yes", TypeError)],
    "n_resamples": [
        (0, ValueError),
        (-5, ValueError),
        (10**9 + 1, ValueError),
        (10**20, ValueError),
        (9.5, TypeError),
        (10.0, TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
    "rng": [(-1, ValueError), (1.5, TypeError), ("0", TypeError), (True, TypeError)],
    "metric": [("cosine", ValueError), (2, ValueError)],
    "exponent": [
        (0, ValueError),
        (-1, ValueError),
        (2, ValueError),
        (np.nan, ValueError),
        ("1", TypeError),
        (True, TypeError),
    ],
}
TAKES = {
    "n_resamples": ["mmd_test"],
    "rng": ["mmd_test"],
    "metric": ["median_distance"],
    "exponent": ["energy_distance"],
    "estimator": ["mmd2", "mmd_test", "energy_distance"],
}
RAW = CALLS | {"mmd_test": lambda x, y, **kw: mmd_test(x, y, K, **kw)}


@pytest.mark.parametrize(
    ("function", "option", "value", "error"),
    [
        (function, option, value, error)
        for option, cases in OPTIONS.items()
        for function in TAKES.get(option, CALLS)
        for value, error in cases
    ],
)
def test_bad_options(function, option, value, error):
    with pytest.raises(error, match=f"^{option} must be"):
        RAW[function](GOOD, GOOD, **{option: value})


def test_too_many_resamples_are_told_the_limit():
    with pytest.raises(ValueError, match="n_resamples must be an integer from 1 to 1000000000;"):
        mmd_test(GOOD, GOOD, K, n_resamples=10**20)


@pytest.mark.parametrize("at_once", [1, 3, 5, 1000])
def test_parts_change_nothing(rng, monkeypatch, at_once):
    """Data are read part by part, so that Ctrl-C is heard in between."""
    x, y = rng.integers(0, 9, size=(7, 2, 2)), rng.normal(size=(9, 4)).astype(np.float32)
    z = rng.normal(size=(9, 4))
    z[2, 1], z[8, 0] = np.nan, np.inf
    monkeypatch.setattr(_inputs.arrays, "READ", at_once)
    np.testing.assert_array_equal(_inputs.matrix(x, "x"), x.reshape(7, 4))
    single, double = _inputs.samples(y, y.astype(np.float64), "raise")
    np.testing.assert_array_equal(single, double)
    keep = [0, 1, 3, 4, 5, 6, 7]
    for estimator in ("biased", "paired"):
        _, kept = _inputs.samples(y.astype(float), z, "omit", estimator)
        np.testing.assert_array_equal(kept, z[keep])
    with pytest.raises(ValueError, match=r"holds 2 NaN .* row 2, column 1"):
        _inputs.samples(y, z, "raise")


def test_options_are_keyword_only():
    with pytest.raises(TypeError):
        mmd2(GOOD, GOOD, K, "biased")
    with pytest.raises(TypeError):
        median_distance(GOOD, GOOD, "cityblock")


PERMUTATIONS = {
    "1-d": (np.arange(12), ValueError, "shape"),
    "width": (np.arange(11)[None], ValueError, "shape"),
    "none": (np.empty((0, 12), int), ValueError, "shape"),
    "float": (np.arange(12.0)[None], TypeError, "integers"),
    "bool": (np.ones((1, 12), bool), TypeError, "integers"),
    "repeated": (np.array([range(12), [0, *range(11)]]), ValueError, "row 1"),
    "too large": (np.arange(1, 13)[None], ValueError, "row 0"),
    "negative": (np.arange(-1, 11)[None], ValueError, "row 0"),
    "ragged": ([[0, 1], [0]], ValueError, "array"),
}


@pytest.mark.parametrize("case", PERMUTATIONS)
def test_bad_permutations(case):
    bad, error, word = PERMUTATIONS[case]
    with pytest.raises(error, match=f"^permutations.*{word}"):
        mmd_test(GOOD, GOOD, K, permutations=bad)


def test_permutations_fix_the_number_of_resamples():
    two = np.array([range(12), range(11, -1, -1)])
    assert mmd_test(GOOD, GOOD, K, permutations=two).n_resamples == 2
    assert mmd_test(GOOD, GOOD, K, permutations=two, n_resamples=2).n_resamples == 2
    with pytest.raises(ValueError, match="n_resamples must be left out or equal the 2 rows"):
        mmd_test(GOOD, GOOD, K, permutations=two, n_resamples=5)


# --- threads, progress, configuration --------------------------------------------------


def test_set_num_threads():
    before = fastdiv.get_num_threads()
    try:
        fastdiv.set_num_threads(np.int64(3))
        assert fastdiv.get_num_threads() == 3
        for bad, error in [(0, ValueError), (-2, ValueError), (1.0, TypeError), (None, TypeError)]:
            with pytest.raises(error, match=r"^n must be an integer"):
                fastdiv.set_num_threads(bad)
        assert fastdiv.get_num_threads() == 3
    finally:
        fastdiv.set_num_threads(before)


@each_call
def test_progress_ends_at_the_total(call):
    reports = []
    call(GOOD, GOOD[1:], progress=lambda done, total: reports.append((done, total)))
    done, total = reports[-1]
    assert done == total > 0


def test_progress_may_raise():
    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        mmd2(GOOD, GOOD, K, progress=stop)


def test_progress_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    mmd2(GOOD, GOOD, K, progress=True)
    shown = sys.stderr.getvalue()
    assert shown.startswith("\r[")
    assert shown.endswith("\n")
    assert "100%" in shown
    mmd2(GOOD, GOOD, K, progress=False)
    assert sys.stderr.getvalue() == shown


def test_show_config(capsys):
    entries = fastdiv.show_config(mode="dict")
    assert {"version", "isa", "isa_available", "n_threads", "openmp", "numpy"} <= set(entries)
    assert fastdiv.show_config() is None
    out = capsys.readouterr().out
    assert all(name + ":" in out for name in entries)
    with pytest.raises(ValueError, match=r"^mode must be"):
        fastdiv.show_config(mode="json")


def test_backend_choice_is_never_silent(monkeypatch):
    from fastdiv._engine import backend

    with pytest.raises(ValueError, match="FASTDIV_BACKEND must be one of core, reference"):
        backend._load("fast")
    monkeypatch.setitem(backend._MODULES, "core", "fastdiv._no_such_module")
    with pytest.raises(ImportError, match=r"compiled part of fastdiv.*Install a wheel"):
        backend._load("core")
    with backend.use("reference"):
        assert backend.current_name() == "reference"


FAULTS = {
    "instruction set": ({"FASTDIV_ISA": "v9", "FASTDIV_BACKEND": None}, "FASTDIV_ISA is 'v9'"),
    "backend": ({"FASTDIV_BACKEND": "fast"}, "FASTDIV_BACKEND must be one of core, reference"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_environment_is_an_error_of_the_first_call(core, run_python, fault):
    environment, words = FAULTS[fault]
    code = """
        import fastdiv
        for _ in range(2):
            try:
                fastdiv.mmd2([1.0, 2.0], [3.0, 4.0])
            except (ImportError, ValueError) as error:
                print(error)
    """
    lines = run_python(code, **environment).stdout.splitlines()
    assert len(lines) == 2
    assert all(words in line and "wheel" not in line for line in lines)


def test_points_of_a_witness_must_be_finite_whatever_the_policy():
    with pytest.raises(ValueError, match=r"^at holds 1 NaN .* row 1, column 0") as caught:
        witness(GOOD, GOOD, [[0.0, 1.0], [np.nan, 1.0]], K, nan_policy="omit")
    assert "nan_policy" not in str(caught.value)


def test_variable_width_strings():
    dtypes = pytest.importorskip("numpy.dtypes")
    if not hasattr(dtypes, "StringDType"):
        pytest.skip("needs NumPy 2")
    words = np.array(["a", "b"], dtype=dtypes.StringDType())
    with pytest.raises(TypeError, match=r"^x must hold real numbers.*encode text"):
        mmd2(words, words)
