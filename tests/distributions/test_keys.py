"""Keys: the index of a frame names the items of a batch, and is compared where items are paired."""

import copy
import inspect
import pickle
from functools import partial

import numpy as np
import pytest

import fastdiv
from fastdiv import (
    Categorical,
    CoupledNormal,
    Gaussian,
    GaussianMixture,
    enumeration_grad,
    kl,
    kl_and_grad,
    kl_matrix,
    kl_mixture,
    quadratic_energy_and_grad,
)

pd = pytest.importorskip("pandas")

FRAME = pd.DataFrame([[0.1, 0.9], [0.6, 0.4], [0.3, 0.7]], list("uvw"), ["a", "b"])
REVERSED = FRAME.iloc[::-1]
RENAMED = FRAME.set_axis(list("uvx"))
PLAIN = FRAME.to_numpy()
WHERE = pd.Series([True, True, False], FRAME.index)

gaussian = partial(Gaussian, std=1.0)
coupled = partial(CoupledNormal, std=1.0, kappa=0.5)


def categorical(probs):
    return Categorical(probs=probs)


def mixture(weights):
    return GaussianMixture(weights, Gaussian([[0.0], [1.0]], std=1.0))


DRAWN = {"n_samples": 9, "rng": 0}
MORE = {
    "renyi": {"alpha": 2.0},
    "kl_monte_carlo": DRAWN,
    "coupled_kl": {"kappa": 0.5},
    "coupled_cross_entropy": {"kappa": 0.5},
    "coupled_kl_monte_carlo": {"kappa": 0.5, **DRAWN},
    "coupled_cross_entropy_monte_carlo": {"kappa": 0.5, **DRAWN},
}
"""What functions need beside p and q."""

DISCRETE = {"kl", "kl_and_grad", "cross_entropy", "jeffreys", "kl_monte_carlo"}
"""Functions of Gaussians that take categorical distributions too."""


def kinds(name):
    """Return what makes the distributions that a function takes."""
    if name == "jensen_shannon":
        return [categorical]
    mixed = [mixture] if name in ("kl_mixture", "kl_monte_carlo") else []
    return [
        gaussian,
        *([categorical] if name in DISCRETE else []),
        *([coupled] if "coupled" in name or name == "kl_monte_carlo" else []),
        *mixed,
    ]


def functions_of_two():
    """Return the public functions of p and q, with every kind of distribution that they take."""
    return [
        pytest.param(partial(function, **MORE.get(name, {})), make, id=f"{name}-{number}")
        for name, function in sorted(vars(fastdiv).items())
        if name in fastdiv.__all__ and inspect.isfunction(function)
        if {"p", "q"} <= set(inspect.signature(function).parameters)
        for number, make in enumerate(kinds(name))
    ]


each_pair = pytest.mark.parametrize(("call", "make"), functions_of_two())


def refused(first, second, keys):
    return pytest.raises(
        ValueError, match=f"^{first} and {second} must have the same keys in the same.*{keys}.*: "
    )


@each_pair
def test_other_keys_are_refused(call, make):
    with refused("p", "q", r"got 'u' and 'w' at batch index \(0,\)"):
        call(make(FRAME), make(REVERSED))
    with refused("p", "q", r"got 'w' and 'x' at batch index \(2,\)"):
        call(make(FRAME), make(RENAMED))


@each_pair
def test_the_same_keys_and_none_are_paired(call, make):
    expected = call(make(PLAIN), make(PLAIN[::-1]))
    for p, q in [
        (FRAME, REVERSED.set_axis(FRAME.index)),
        (FRAME, PLAIN[::-1]),
        (PLAIN, REVERSED),
        (FRAME, REVERSED.reset_index(drop=True)),
        (FRAME.reset_index(drop=True), REVERSED),
    ]:
        np.testing.assert_equal(call(make(p), make(q)), expected)


@each_pair
def test_the_index_that_pandas_makes_is_no_key_but_in_another_order(call, make):
    default = FRAME.reset_index(drop=True)
    call(make(default), make(default.set_axis([7, 8, 9])))
    with refused("p", "q", "got 0 and 2"):
        call(make(default), make(default.iloc[::-1]))
    with refused("p", "q", "got 2 and 0"):
        call(make(default.iloc[::-1]), make(default))


def test_one_side_is_broadcast():
    p, q = gaussian(FRAME), gaussian(REVERSED)
    expected = kl(gaussian(PLAIN)[:, None], gaussian(PLAIN[::-1]))
    np.testing.assert_array_equal(kl(p[:, None], q), expected)
    np.testing.assert_array_equal(kl(p[0], q), expected[0])
    np.testing.assert_array_equal(kl(p[:1], q), expected[0])
    np.testing.assert_allclose(kl_matrix(p, q), expected, atol=1e-15)


def test_all_pairs_that_overflow_are_not_compared():
    huge = FRAME * 1e200
    p, q = (Gaussian(each, std=1e100) for each in (huge, huge.iloc[::-1]))
    np.testing.assert_array_equal(kl_matrix(p, q), kl(p[:, None], q))


@pytest.mark.parametrize(
    "index",
    [slice(0, 2), [0, 1], np.array([0, 1]), np.array([True, True, False]), ..., ()],
    ids=str,
)
def test_keys_survive_an_index_along_the_batch(index):
    p, q = gaussian(FRAME), gaussian(REVERSED)
    assert not kl(p[index], p[index]).any()
    assert not kl(p[::-1][index], q[index]).any()
    with refused("p", "q", "got 'u' and 'w'"):
        kl(p[index], q[index])
    assert kl(p[[]], q[[]]).shape == (0,)


@pytest.mark.parametrize(
    "index",
    [(slice(None), None), None, (None, slice(None)), (..., None), ([[0, 1]],), 0],
    ids=str,
)
def test_any_other_index_drops_keys(index):
    p, q = gaussian(FRAME), gaussian(REVERSED)
    expected = kl(gaussian(PLAIN)[index], gaussian(PLAIN[::-1])[index])
    np.testing.assert_array_equal(kl(p[index], q[index]), expected)


def test_an_index_of_a_batch_without_keys_makes_none():
    p = gaussian(FRAME.reset_index(drop=True))
    assert kl(p[1:], p[:-1]).shape == (2,)
    assert kl(p, p[::-1])[1] == 0


def test_items_after_one_another_have_other_keys():
    p = gaussian(FRAME)
    with refused("p", "q", "got 'v' and 'u'"):
        kl(p[1:], p[:-1])


@pytest.mark.parametrize(
    "p",
    [
        Gaussian(FRAME, std=FRAME),
        Gaussian([0.0, 0.0], std=FRAME),
        Gaussian(FRAME.iloc[0], std=FRAME),
        Gaussian(FRAME.iloc[:1], std=FRAME),
        Gaussian(FRAME, cov=pd.DataFrame(np.eye(2), list("ab"), list("ab"))),
    ],
    ids=range(5),
)
def test_any_parameter_brings_keys(p):
    with refused("p", "q", "got 'u' and 'w'"):
        kl(p, gaussian(REVERSED))


def test_logits_bring_keys():
    with refused("p", "q", "got 'u' and 'w'"):
        kl(Categorical(logits=FRAME), categorical(REVERSED))


def test_a_batch_of_two_axes_has_no_keys():
    wide = Gaussian(FRAME, cov=np.broadcast_to(np.eye(2), (4, 3, 2, 2)))
    assert kl(wide, gaussian(REVERSED)).shape == (4, 3)
    where = pd.Series([True, True, False], index=FRAME.index)
    masked = Gaussian(FRAME, std=np.ones((4, 3, 2)), where=where.iloc[::-1])
    np.testing.assert_array_equal(masked.where, np.broadcast_to(where, (4, 3)))


def test_keys_of_several_levels_and_of_times():
    pairs = pd.MultiIndex.from_tuples([("u", 1), ("u", 2), ("v", 1)])
    times = pd.date_range("2024-01-01", periods=3, unit="ns")
    for index, shown in ((pairs, r"got \('u', 1\) and \('v', 1\)"), (times, "01-01.* and .*01-03")):
        frame = FRAME.set_axis(index)
        assert not kl(gaussian(frame), gaussian(frame.copy())).any()
        with refused("p", "q", shown):
            kl(gaussian(frame), gaussian(frame.iloc[::-1]))
    seconds = FRAME.set_axis(times.as_unit("s"))
    assert not kl(gaussian(seconds), gaussian(FRAME.set_axis(times))).any()


def test_missing_keys_are_keys():
    for missing in (None, np.nan, pd.NA, pd.NaT):
        frame = FRAME.set_axis(pd.Index(["u", missing, "w"], dtype=object))
        assert not kl(gaussian(frame), gaussian(frame.copy())).any()
        with refused("p", "q", "got 'u' and 'w'"):
            kl(gaussian(frame), gaussian(frame.iloc[::-1]))
        with refused("p", "q", f"got {missing!r} and 'v'"):
            kl(gaussian(frame), gaussian(FRAME))
    numbers = FRAME.set_axis(pd.Index([np.nan, 1.0, 2.0]))
    with refused("p", "q", r"got 1.0 and 2.0 at batch index \(1,\)"):
        kl(gaussian(numbers), gaussian(numbers.iloc[[0, 2, 1]]))


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (gaussian, FRAME),
        (coupled, FRAME),
        (mixture, FRAME[["a"]]),
        (categorical, pd.Series([0, 1, 1], FRAME.index)),
    ],
)
def test_points_of_other_keys_are_refused(make, x):
    expected = make(PLAIN).log_prob(x.to_numpy())
    for p, points in (
        (FRAME, x),
        (PLAIN, x),
        (FRAME, x.to_numpy()),
        (FRAME, x.reset_index(drop=True)),
    ):
        np.testing.assert_array_equal(make(p).log_prob(points), expected)
    name = "index" if make is categorical else "x"
    with refused("the distribution", name, "'u' and 'w'"):
        make(FRAME).log_prob(x.iloc[::-1])
    assert make(FRAME).log_prob(x.iloc[2:]).shape == (3,)


def test_draws_of_categories_have_the_keys_along_their_last_axis():
    p = categorical(FRAME)
    draws = pd.DataFrame(p.sample(5, rng=0), columns=FRAME.index)
    np.testing.assert_array_equal(p.log_prob(draws), p.log_prob(draws.to_numpy()))
    with refused("the distribution", "index", "'u' and 'w'"):
        p.log_prob(draws.iloc[:, ::-1])


@pytest.mark.parametrize("make", [gaussian, categorical])
@pytest.mark.parametrize(
    "p", [FRAME, PLAIN, FRAME.reset_index(drop=True)], ids=["keys", "array", "default"]
)
def test_masks_go_by_the_keys(make, p):
    p, q = make(p), make(REVERSED.set_axis(FRAME.index))
    expected = kl(p, q, where=WHERE.to_numpy())
    shuffled = WHERE.iloc[::-1]
    np.testing.assert_array_equal(kl(p, q, where=shuffled), expected)
    np.testing.assert_array_equal(kl_and_grad(q, p, where=shuffled)[0], kl(q, p, where=WHERE))
    for others in (WHERE.set_axis(list("uvx")), WHERE.reset_index(drop=True)):
        with pytest.raises(ValueError, match=r"^the batch and where must have the same keys.*'w'"):
            kl(p, q, where=others)


def test_masks_of_a_batch_without_keys_go_by_position():
    p, q = gaussian(FRAME), gaussian(REVERSED)
    assert kl(p[:, None], q, where=WHERE)[0].tolist()[2] == 0.0
    assert kl(gaussian(PLAIN), q[0], where=WHERE)[2] == 0.0


@pytest.mark.parametrize("name", ["mean", "std"])
def test_masks_of_parameters_go_by_the_keys(name):
    parameters = {"mean": PLAIN, "std": PLAIN, name: FRAME}
    assert Gaussian(**parameters, where=WHERE.iloc[::-1]).where.tolist() == [True, True, False]


def test_weights_of_a_mixture_have_the_keys_of_the_components():
    components, weights = gaussian(FRAME), pd.Series([0.2, 0.3, 0.5], FRAME.index)
    assert GaussianMixture(weights, components).weights.tolist() == [0.2, 0.3, 0.5]
    assert GaussianMixture(weights.reset_index(drop=True), components).n_components == 3
    with refused("weights", "components", "got 'w' and 'u'"):
        GaussianMixture(weights.iloc[::-1], components)
    batch = pd.DataFrame([weights, weights])
    assert GaussianMixture(batch, components).batch_shape == (2,)
    with refused("weights", "components", "got 'w' and 'u'"):
        GaussianMixture(batch.iloc[:, ::-1], components)


def test_components_are_not_paired():
    p, q = (GaussianMixture([0.2, 0.3, 0.5], gaussian(each)) for each in (FRAME, RENAMED))
    assert kl_mixture(p, q) == 0


def test_values_of_categories_have_the_keys_of_the_logits():
    expected = enumeration_grad(PLAIN, PLAIN)
    np.testing.assert_array_equal(enumeration_grad(FRAME, FRAME), expected)
    with refused("logits", "f_values", "got 'u' and 'w'"):
        enumeration_grad(FRAME, REVERSED)


def test_linear_terms_have_the_keys_of_the_points():
    r = np.eye(2)
    energy, _ = quadratic_energy_and_grad(r, FRAME, FRAME)
    np.testing.assert_array_equal(energy, quadratic_energy_and_grad(r, PLAIN, PLAIN)[0])
    with pytest.raises(ValueError, match=r"^p and c must have the keys"):
        quadratic_energy_and_grad(r, FRAME, REVERSED)


@pytest.mark.parametrize("make", [gaussian, categorical, coupled, mixture])
def test_copies_keep_keys(make):
    p = make(FRAME)
    assert repr(p) == repr(make(PLAIN))
    for kept in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        with refused("p", "q", "got 'u' and 'w'"):
            fastdiv.kl_monte_carlo(kept, make(REVERSED), 9)
