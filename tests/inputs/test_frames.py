"""Frames: columns go by name, rows by the keys of an index, and nothing lazy is pulled in."""

import dataclasses
import inspect
import pickle

import numpy as np
import pytest
from checked_calls import K

import fastdiv
from fastdiv import mmd2, mmd2_and_grad, mmd_test, permanova, wcss
from fastdiv._inputs import row_labels

pd = pytest.importorskip("pandas")

N = 12
X = pd.DataFrame(
    np.random.default_rng(0).normal(size=(N, 2)) * [1.0, 3.0],
    columns=["a", "b"],
    index=[f"k{i}" for i in range(N)],
)
Y = X * 1.5 + 1.0
SWAPPED = Y[["b", "a"]]
LABELS = pd.Series(np.arange(N) // 4, X.index)
WEIGHTS = pd.Series(np.arange(1.0, N + 1), X.index)
ORDER = np.random.default_rng(1).permutation(N)

SECOND_SAMPLES = {"y", "z_prior", "at", "centers"}
"""Names of arguments that have the columns of another one."""

OF_ROWS = {"labels", "groups", "x_weights", "y_weights", "sample_weight"}
"""Names of arguments that have one value per row of a sample."""

OTHERS = {"mmd2_and_grad"}
"""The function whose gradients are in the order of what was given, which a test below compares."""


def fixed(function):
    """Return arguments that a function needs beside its data."""
    chosen = {"kernel": K, "rng": 0, "n_resamples": 9, "n_subsets": 2, "subset_size": 5}
    return {
        key: value
        for key, value in chosen.items()
        if key in inspect.signature(function).parameters and "wae" not in function.__name__
    }


def data(function):
    """Return frames for the arguments of a function."""
    frames = {
        "x": X,
        "z": X,
        "y": Y,
        "z_prior": Y,
        "at": Y,
        "centers": Y.iloc[:3].set_axis([0, 1, 2]),
    }
    per_row = {"labels": LABELS, "groups": LABELS, "sample_weight": WEIGHTS}
    weights = {"x_weights": WEIGHTS, "y_weights": WEIGHTS}
    parameters = inspect.signature(function).parameters
    given = {key: frame for key, frame in (frames | per_row | weights).items() if key in parameters}
    return given


def functions_with(names):
    """Return the public functions that have an argument of these names, each with its names."""
    return [
        pytest.param(function, name, id=f"{function.__name__}-{name}")
        for function in map(vars(fastdiv).get, sorted(fastdiv.__all__))
        if inspect.isfunction(function) and function.__name__ not in OTHERS
        for name in sorted(names & set(inspect.signature(function).parameters))
        if {"x", "z"} & set(inspect.signature(function).parameters)
    ]


def assert_equal(one, two):
    """Compare two results by value: numbers, arrays, or objects that hold such."""
    one, two = (vars(each) if hasattr(each, "__dict__") else {"": each} for each in (one, two))
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name])


@pytest.mark.parametrize(("function", "name"), functions_with(SECOND_SAMPLES))
def test_columns_go_by_name(function, name):
    arguments = data(function)
    if name == "centers":
        arguments["labels"] = LABELS.to_numpy()
    reordered = arguments | {name: arguments[name][["b", "a"]]}
    one, two = (function(**each, **fixed(function)) for each in (arguments, reordered))
    assert_equal(one, two)
    renamed = arguments | {name: arguments[name].rename(columns={"a": "c"})}
    first = "z" if name == "z_prior" else "x"
    words = f"^{first} and {name} must have the same columns.*in {first}: 'a'; .*in {name}: 'c'"
    with pytest.raises(ValueError, match=words):
        function(**renamed, **fixed(function))


@pytest.mark.parametrize(("function", "name"), functions_with(OF_ROWS))
def test_rows_go_by_the_keys_of_an_index(function, name):
    arguments = data(function)
    reordered = arguments | {name: arguments[name].iloc[ORDER]}
    one, two = (function(**each, **fixed(function)) for each in (arguments, reordered))
    assert_equal(one, two)
    sample = "y" if name == "y_weights" else "x"
    others = arguments | {name: arguments[name].reset_index(drop=True)}
    words = rf"^{sample} and {name} must have the same keys.*'k0'.*in {name}: 0, .*to_numpy\(\)"
    with pytest.raises(ValueError, match=words):
        function(**others, **fixed(function))
    plain = arguments | {name: arguments[name].to_numpy()}
    assert_equal(function(**plain, **fixed(function)), one)


def test_the_same_frame_with_its_columns_in_another_order_is_no_difference():
    assert mmd_test(X, X[["b", "a"]], rng=0).pvalue == 1.0


def test_groups_in_another_order_are_the_same_groups():
    given, shuffled = permanova(X, LABELS, rng=0), permanova(X, LABELS.iloc[ORDER], rng=0)
    assert shuffled.statistic == given.statistic
    assert shuffled.pvalue == given.pvalue


def test_duplicate_columns_are_refused():
    with pytest.raises(ValueError, match=r"^x and y must have different names.*y: 'a'"):
        mmd2(X, Y[["a", "a"]], K)
    with pytest.raises(ValueError, match=r"^x and y must have different names.*x: 'a'; in y: 'a'"):
        mmd2(X[["a", "a"]], Y[["a", "a"]], K)


def test_duplicate_keys_are_refused_only_in_another_order():
    doubled = LABELS.set_axis([*X.index[:-1], "k0"])
    frame = X.set_axis(doubled.index)
    assert permanova(frame, doubled, rng=0).n_groups == 3
    with pytest.raises(ValueError, match=r"^x and groups must have each key.*x: 'k0'; .*s: 'k0'"):
        permanova(frame, doubled.iloc[ORDER], rng=0)


def test_other_lengths_are_told_by_shape():
    with pytest.raises(ValueError, match=r"groups must have one label per row, shape \(12,\)"):
        permanova(X, LABELS[:-1])


def test_without_an_index_beside_it_the_first_one_sets_the_rows():
    expected = wcss(X.to_numpy(), LABELS, sample_weight=WEIGHTS)
    assert wcss(X.to_numpy(), LABELS, sample_weight=WEIGHTS.iloc[ORDER]) == expected


def test_pairs_go_by_the_keys_of_an_index():
    expected = mmd2(X, Y, K, estimator="paired")
    assert mmd2(X, Y.iloc[ORDER], K, estimator="paired") == expected
    one, two = (mmd_test(X, y, K, estimator="paired", rng=0) for y in (Y, Y.iloc[ORDER]))
    assert one == two
    weights = {"x_weights": WEIGHTS, "y_weights": WEIGHTS.iloc[ORDER[::-1]]}
    expected = mmd2(X, Y, K, estimator="paired", x_weights=WEIGHTS, y_weights=WEIGHTS)
    assert mmd2(X, Y.iloc[ORDER], K, estimator="paired", **weights) == expected


@pytest.mark.parametrize("estimator", ["unbiased", "paired"])
def test_gradients_are_in_the_order_of_what_was_given(estimator):
    options = {"wrt": ("x", "y", "x_weights", "y_weights"), "estimator": estimator}
    weights = {"x_weights": WEIGHTS, "y_weights": WEIGHTS}
    value, x, y, u, v = mmd2_and_grad(X, Y, K, **options, **weights)
    shuffled = {"x_weights": WEIGHTS.iloc[ORDER], "y_weights": WEIGHTS.iloc[ORDER[::-1]]}
    rows = ORDER if estimator == "paired" else np.arange(N)
    same, *gradients = mmd2_and_grad(X, SWAPPED.iloc[rows], K, **options, **shuffled)
    assert same == value
    expected = (x, y[rows][:, ::-1], u[ORDER], v[ORDER[::-1]])
    for gradient, by_hand in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(gradient, by_hand)


def test_complex_columns_go_by_name():
    expected = mmd2((X * 1j).to_numpy(), Y.to_numpy(), K)
    assert mmd2(X * 1j, SWAPPED, K) == expected


def test_a_frame_beside_an_array_goes_by_position():
    assert mmd2(X.to_numpy(), SWAPPED, K) == mmd2(X.to_numpy(), SWAPPED.to_numpy(), K)


class Exporter:
    """Hand out the columns of a table through the Arrow interface alone."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def test_arrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({name: SWAPPED[name].to_numpy() for name in SWAPPED})
    expected = mmd2(X, Y, K)
    for y in (table, table.to_batches()[0], Exporter(table), table.to_reader()):
        assert mmd2(X, y, K) == expected
    decimals = pa.table({"a": pa.array([1, 2]).cast(pa.decimal128(38, 0))})
    assert mmd2(Exporter(decimals), [1.0, 2.0], K, estimator="biased") == 0
    with pytest.raises(ValueError, match=r"^x and y must have the same columns"):
        mmd2(X, Exporter(table.rename_columns(["b", "c"])), K)


def test_a_null_of_a_dictionary_is_missing():
    """NumPy's view of such chunks takes a null for the last value of the dictionary."""
    pa = pytest.importorskip("pyarrow")
    numbers = pa.chunked_array([pa.array([1.0, 2.0, None]).dictionary_encode()])
    for x in (numbers, pa.table({"a": numbers})):
        with pytest.raises(ValueError, match="row 2, column 0"):
            mmd2(x, [1.0, 2.0], K)
    text = pa.chunked_array([pa.array(["b", "a", None]).dictionary_encode()])
    with pytest.raises(ValueError, match="labels must not be missing; got None at row 2"):
        row_labels.codes(text, "labels", 3)
    assert row_labels.codes(text[:2], "labels", 2)[0].tolist() == [1, 0]


def test_polars():
    pl = pytest.importorskip("polars")
    assert mmd2(X, pl.DataFrame({name: SWAPPED[name].to_numpy() for name in SWAPPED}), K) == mmd2(
        X, Y, K
    )
    words = ["b", "a", "b"]
    numbers, distinct = row_labels.codes(pl.Series(words, dtype=pl.Categorical), "labels", 3)
    assert (numbers.tolist(), list(distinct)) == ([1, 0, 1], ["a", "b"])
    enum = pl.Enum(["b", "c", "a"])
    numbers, distinct = row_labels.codes(pl.Series(words, dtype=enum), "labels", 3)
    assert (numbers.tolist(), list(distinct)) == ([0, 1, 0], ["b", "a"])
    for dtype in (pl.Categorical, enum):
        with pytest.raises(ValueError, match=r"labels must not be missing; got \w+ at row 1"):
            row_labels.codes(pl.Series(["b", None], dtype=dtype), "labels", 2)
    with pytest.raises(TypeError, match=r"^x is a lazy frame.*x\.collect\(\)"):
        mmd2(pl.LazyFrame({"a": [1.0, 2.0]}), Y, K)
    nested = pl.DataFrame({"a": [1.0, 2.0], "e": [[1.0, 2.0], [3.0, 4.0]]})
    with pytest.raises(TypeError, match=r"pass np\.vstack\(x\['e'\]\)"):
        mmd2(nested, Y, K)


WORDS = ["b", "b", "a", "a", "b", "a", "c", "c", "c", "a", "b", "c"]


def frames_of_one_column():
    """Yield frames of each library that is installed, with one column of the words."""
    yield pd.DataFrame({"l": WORDS}, X.index)
    yield pd.DataFrame({"l": WORDS}, X.index, dtype="category").iloc[ORDER]
    for library, make in (
        ("polars", lambda pl: pl.DataFrame({"l": WORDS})),
        ("polars", lambda pl: pl.DataFrame({"l": pl.Series(WORDS, dtype=pl.Categorical)})),
        ("pyarrow", lambda pa: pa.table({"l": WORDS})),
        ("pyarrow", lambda pa: pa.table({"l": pa.array(WORDS).dictionary_encode()})),
        ("pyarrow", lambda pa: pa.table({"l": WORDS}).to_reader()),
        ("duckdb", lambda duckdb: duckdb.sql(f"select unnest({WORDS}) as l")),
    ):
        try:
            module = __import__(library)
        except ImportError:
            continue
        yield make(module)


def test_labels_and_weights_may_be_frames_of_one_column():
    expected = wcss(X, WORDS, sample_weight=WEIGHTS)
    for labels in frames_of_one_column():
        assert wcss(X, labels, sample_weight=WEIGHTS.to_frame()) == expected
        weights = WEIGHTS.iloc[ORDER].to_frame()
        assert wcss(X, WORDS, sample_weight=weights) == expected
    groups = pd.DataFrame({"l": WORDS}, X.index)
    assert permanova(X, groups, rng=0) == permanova(X, WORDS, rng=0)
    assert mmd2(X, Y, K, x_weights=WEIGHTS.to_frame()) == mmd2(X, Y, K, x_weights=WEIGHTS)
    with pytest.raises(ValueError, match=r"^groups must have one label per row.*shape \(12, 2\)"):
        permanova(X, groups.assign(m=1))


def test_duckdb():
    duckdb = pytest.importorskip("duckdb")
    y = duckdb.sql("select b, a from (values (1.5, 2.0), (3.0, 4.0)) as t(b, a)")
    frame = pd.DataFrame({"a": [2.0, 4.0], "b": [1.5, 3.0]})
    assert mmd2(frame, y, K, estimator="biased") == 0


NAMED = pd.Series({"b": 3.0, "a": 0.5})
IN_ORDER = [0.5, 3.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda k: mmd2(X, SWAPPED, k),
        lambda k: mmd2(X.to_numpy(), Y, k),
        lambda k: mmd2(X, Y, [fastdiv.Sum([k, K])])[0],
        lambda k: fastdiv.witness(X, Y, Y, k),
        lambda k: mmd_test(X, SWAPPED, k, rng=0, n_resamples=9).null_distribution,
        lambda k: fastdiv.kernel_mean_matching(X, Y, k).weights,
        lambda k: mmd2_and_grad(X, SWAPPED, k)[2],
    ],
)
def test_bandwidths_go_by_name(call):
    np.testing.assert_array_equal(call(fastdiv.RBF(NAMED)), call(fastdiv.RBF(IN_ORDER)))


@pytest.mark.parametrize("parameter", ["gamma", "width"])
def test_parameters_of_other_names_go_by_name(parameter):
    build = getattr(fastdiv.RBF, f"from_{parameter}")
    assert mmd2(X, Y, build(NAMED)) == mmd2(X, Y, build(IN_ORDER))


def test_gradients_by_named_bandwidths_are_in_their_order():
    _, given = mmd2_and_grad(X, Y, fastdiv.RBF(NAMED), wrt="bandwidth")
    _, in_order = mmd2_and_grad(X, Y, fastdiv.RBF(IN_ORDER), wrt="bandwidth")
    np.testing.assert_array_equal(given, in_order[::-1])


def test_bandwidths_without_names_on_either_side_go_by_position():
    x, y = X.to_numpy(), Y.to_numpy()
    assert mmd2(x, y, fastdiv.RBF(NAMED)) == mmd2(x, y, fastdiv.RBF([3.0, 0.5]))
    assert mmd2(X, Y, fastdiv.RBF(NAMED.to_numpy())) == mmd2(x, y, fastdiv.RBF([3.0, 0.5]))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (["a", "c"], r"^x and bandwidth must have the same columns.*in x: 'b'; .*bandwidth: 'c'"),
        (["a", "a"], r"^x and bandwidth must have different names.*in bandwidth: 'a'$"),
        ([0, 1], r"^x and bandwidth must have the same columns"),
    ],
)
def test_bandwidths_of_other_names_are_refused(index, message):
    with pytest.raises(ValueError, match=message):
        mmd2(X, Y, fastdiv.RBF(pd.Series([1.0, 2.0], index)))


def test_kernels_with_names_can_be_copied():
    kernel = pickle.loads(pickle.dumps(fastdiv.RBF(NAMED)))
    assert repr(kernel) == "RBF(bandwidth=(3.0, 0.5))"
    assert mmd2(X, Y, dataclasses.replace(kernel)) == mmd2(X, Y, fastdiv.RBF(IN_ORDER))


def test_fitted_gaussians_keep_the_names_of_columns():
    p, q, swapped = map(fastdiv.fit_gaussian, (X, Y, SWAPPED))
    assert p.columns == ("a", "b")
    assert fastdiv.fit_gaussian(X.to_numpy()).columns is None
    assert fastdiv.kl(p, q) == fastdiv.kl(*map(fastdiv.fit_gaussian, (X.to_numpy(), Y.to_numpy())))
    message = "must have the same columns in the same order; got 'a', 'b' and 'b', 'a'"
    for compare in (
        fastdiv.kl,
        fastdiv.wasserstein2,
        fastdiv.renyi,
        fastdiv.kl_monte_carlo,
        fastdiv.kl_mixture,
    ):
        more = {"renyi": [2.0], "kl_monte_carlo": [9]}.get(compare.__name__, [])
        with pytest.raises(ValueError, match=f"^p and q {message}"):
            compare(p, swapped, *more)
    with pytest.raises(ValueError, match=f"^the distribution and x {message}"):
        p.log_prob(SWAPPED)
    np.testing.assert_array_equal(p.log_prob(Y), p.log_prob(Y.to_numpy()))


class Enum:
    """Stand for the dtype of an enum of polars."""

    categories = ("b", "a")


class EnumSeries:
    """Stand for a series of polars whose dtype is an enum."""

    dtype = Enum()
    cat = object()  # without the codes that one of pandas has

    def is_null(self):
        return np.array([False, False])

    def to_physical(self):
        return np.array([1, 0], np.uint8)


def test_labels_of_an_enum_keep_the_order_of_its_categories():
    numbers, distinct = row_labels.codes(EnumSeries(), "labels", 2)
    assert (numbers.tolist(), distinct.tolist()) == ([1, 0], ["b", "a"])


LISTS = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("x", "way"),
    [
        (pd.Series(LISTS), "np.vstack(x)"),
        (pd.Series(list(np.array(LISTS))), "np.vstack(x)"),
        (pd.DataFrame({"a": [1.0, 2.0], "e": LISTS}), "np.vstack(x['e'])"),
    ],
)
def test_lists_are_refused_with_the_way_to_rows(x, way):
    with pytest.raises(TypeError) as caught:
        mmd2(x, LISTS, K)
    assert str(caught.value).endswith(f"pass {way}")
    assert mmd2(eval(way, {"np": np, "x": x}), LISTS, K, estimator="biased") == 0


def test_lists_of_arrow_are_refused_with_the_way_to_rows():
    pa = pytest.importorskip("pyarrow")
    for x, way in [
        (pa.array(LISTS), "np.vstack(x.to_pylist())"),
        (pa.table({"e": LISTS}), "np.vstack(x['e'].to_pylist())"),
    ]:
        with pytest.raises(TypeError) as caught:
            mmd2(x, LISTS, K)
        assert str(caught.value).endswith(f"pass {way}")
        assert mmd2(eval(way, {"np": np, "x": x}), LISTS, K, estimator="biased") == 0


class Array:
    """Stand for an array of dask, which would compute all of it for NumPy."""

    def __dask_graph__(self):
        return {}

    def __array__(self, *_, **__):
        raise AssertionError("pulled into memory")


@pytest.mark.parametrize("name", ["x", "y", "x_weights", "at"])
def test_dask_is_refused_by_name(name):
    arguments = {"x": X, "y": Y, "at": Y, name: Array()}
    with pytest.raises(TypeError, match=rf"^{name} is a dask array.*{name}\.compute\(\)"):
        fastdiv.witness(**arguments, kernel=K)


def test_dask_is_refused_as_labels_permutations_and_parameters():
    with pytest.raises(TypeError, match=r"^groups is a dask array"):
        permanova(X, Array())
    with pytest.raises(TypeError, match=r"^permutations is a dask array"):
        permanova(X, LABELS, permutations=Array())
    with pytest.raises(TypeError, match=r"^bandwidth is a dask array"):
        fastdiv.RBF(Array())
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match=r"^x is a dask array"):
        mmd2(da.ones((3, 2)), Y, K)


class Frame(Array):
    """Stand for a frame of dask, whose index would be computed to compare it."""

    iloc = None

    @property
    def index(self):
        raise AssertionError("pulled into memory")


@pytest.mark.parametrize(
    "call",
    [
        lambda x: wcss(x, LABELS),
        lambda x: permanova(x, LABELS),
        lambda x: mmd2(x, Y, K, estimator="paired"),
        lambda x: mmd2(x, Y, K, x_weights=WEIGHTS),
        lambda x: mmd2_and_grad(x, Y, K),
    ],
)
def test_frames_of_dask_are_refused_before_an_index_is_looked_at(call):
    with pytest.raises(TypeError, match=r"^x is a dask frame.*x\.compute\(\)"):
        call(Frame())


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_of_any_form_is_refused(form, kind):
    sparse = pytest.importorskip("scipy.sparse")
    x = getattr(sparse, f"{form}_{kind}")(np.eye(3))
    with pytest.raises(TypeError, match=r"^x is a sparse matrix; pass x\.toarray\(\)"):
        mmd2(x, Y, K)
    with pytest.raises(TypeError, match=r"^groups is a sparse matrix"):
        permanova(X, x)
