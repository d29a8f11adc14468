"""fastdiv.torch against torch's own autograd and distributions."""

import numpy as np
import pytest
from tensors import X, Y, lower, normal, positive, torch

import fastdiv
import fastdiv.torch as ft
from fastdiv import (
    RBF,
    Energy,
    InverseMultiquadric,
    Laplacian,
    Linear,
    Polynomial,
    Sum,
)
from fastdiv.frameworks import evaluation

KERNELS = [
    RBF(1.5),
    RBF([1.0, 2.0, 3.0]),
    Energy(1.2),
    Laplacian(2.0),
    Linear(),
    Polynomial(2),
    Sum([RBF(1.0), InverseMultiquadric(c=2.0)], weights=[0.5, 2.0]),
]


def gradcheck(function, *tensors):
    assert torch.autograd.gradcheck(function, tensors)


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_mmd2_gradcheck(kernel, estimator):
    gradcheck(
        lambda x, y: ft.mmd2(x, y, kernel, estimator=estimator), normal(5, 3), normal(5, 3, seed=1)
    )


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_mmd2_gradcheck_of_weights(estimator):
    x, y = normal(5, 3), normal(4, 3)
    gradcheck(
        lambda x, y, v, w: ft.mmd2(x, y, RBF(1.5), estimator=estimator, x_weights=v, y_weights=w),
        *(x, y, positive(5), positive(4)),
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_energy_distance_gradcheck(dtype):
    gradcheck(
        lambda x, y: ft.energy_distance(x, y, exponent=1.3), normal(5, 2, dtype=dtype), normal(4, 2)
    )


@pytest.mark.parametrize("prior", ["normal", "sphere", "uniform"])
def test_wae_mmd_gradcheck(prior):
    gradcheck(lambda z, p: ft.wae_mmd(z, p, prior=prior), normal(6, 2, 2), normal(5, 2, 2))


FULL = ("cov", "scale_tril", "precision")
NAMES = ("std", "var", "logstd", "logvar", *FULL)


def scale(name, seed):
    if name in FULL:
        return lower(2, 2, 2, seed=seed)
    return (normal if name.startswith("log") else positive)(2, 2, seed=seed)


def as_scale(name, a):
    """Keep what finite differences change a valid parameter."""
    if name not in FULL:
        return a
    return a.tril() if name == "scale_tril" else a.tril() @ a.tril().mT


@pytest.mark.parametrize("name", NAMES)
def test_kl_gradcheck(name):
    gradcheck(lambda m, a: ft.kl(m, **{name: as_scale(name, a)}), normal(2, 2), scale(name, 1))


@pytest.mark.parametrize(("p", "q"), [*zip(NAMES, NAMES[1:] + NAMES[:1], strict=True)])
def test_kl_gradcheck_of_two(p, q):
    gradcheck(
        lambda m, a, n, b: ft.kl(
            m, **{p: as_scale(p, a)}, q_mean=n, **{f"q_{q}": as_scale(q, b)}, reduce="sum"
        ),
        *(normal(2, 2), scale(p, 1), normal(2, 2, seed=2), scale(q, 3)),
    )


@pytest.mark.parametrize("reduce", ["none", "sum", "mean"])
def test_kl_gradcheck_of_broadcast_and_masked_arguments(reduce):
    where = torch.tensor([True, False, True])
    gradcheck(
        lambda m, s, n, b: ft.kl(m, std=s.exp(), q_mean=n, q_logvar=b, where=where, reduce=reduce),
        *(normal(2, 1, 4), normal(), normal(3, 4), normal(4)),
    )


@pytest.mark.parametrize("q", ["logits", "probs"])
@pytest.mark.parametrize("p", ["logits", "probs"])
def test_categorical_kl_gradcheck(p, q):
    def given(name, a):
        return a if name.endswith("logits") else a.softmax(-1)

    gradcheck(
        lambda a, b: ft.categorical_kl(**{p: given(p, a), f"q_{q}": given(q, b)}),
        *(normal(4, 3), normal(3)),
    )


@pytest.mark.parametrize("log_det", [(), (2,), (2, 1, 4)])
@pytest.mark.parametrize("estimator", ["hybrid", "k1"])
@pytest.mark.parametrize("reduce", ["per_frame", "per_element", "per_item"])
def test_kl_flow_gradcheck(reduce, estimator, log_det):
    names = ["mean_p", "logstd_p", "logstd_q", "log_det"]
    tensors = [normal(2, 3, 4, seed=k) for k in range(4)] + [normal(*log_det)]
    if estimator == "k1":
        names, tensors = [*names, "noise_q"], [*tensors, normal(2, 3, 4, seed=9)]
    mask = torch.tensor([[[1, 1, 1, 0]], [[1, 0, 0, 0]]])
    gradcheck(
        lambda z, *others: ft.kl_flow(
            z,
            **dict(zip(names, others, strict=True)),
            mask=mask,
            estimator=estimator,
            reduce=reduce,
        ),
        *tensors,
    )


def test_kl_flow_gradcheck_by_element():
    tensors = [normal(2, 3, 4, seed=k) for k in range(4)]
    gradcheck(
        lambda z, m, p, q: ft.kl_flow(z, mean_p=m, logstd_p=p, logstd_q=q, reduce="none"), *tensors
    )


def cdist_mmd2(x, y, sigma):
    def kernel(a, b):
        return torch.exp(-(((a[:, None] - b) ** 2).sum(-1)) / (2 * sigma**2))

    def within(k):
        n = len(k)
        return (k.sum() - k.diagonal().sum()) / (n * (n - 1))

    return within(kernel(x, x)) + within(kernel(y, y)) - 2 * kernel(x, y).mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mmd2_is_that_of_autograd(dtype):
    x, y = normal(70, 5, dtype=dtype), normal(90, 5, dtype=dtype, seed=1)
    ours, theirs = 3 * ft.mmd2(x, y, RBF(2.0)), 3 * cdist_mmd2(x, y, 2.0)
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if dtype == torch.float32 else {}
    torch.testing.assert_close(ours, theirs, **tolerance)
    for a, b in zip(
        torch.autograd.grad(ours, (x, y)), torch.autograd.grad(theirs, (x, y)), strict=True
    ):
        torch.testing.assert_close(a, b, **tolerance)


def test_kl_is_that_of_torch_distributions():
    from torch import distributions as td

    m, s, n, t = normal(6, 3), positive(6, 3), normal(3), positive(3, seed=1)
    l_p, l_q = lower(6, 3, 3), lower(3, 3, seed=1)
    pairs = [
        (
            ft.kl(m, std=s, q_mean=n, q_std=t),
            td.kl_divergence(td.Normal(m, s), td.Normal(n, t)).sum(-1),
            (m, s, n, t),
        ),
        (
            ft.kl(m, scale_tril=l_p.tril(), q_mean=n, q_scale_tril=l_q.tril()),
            td.kl_divergence(
                td.MultivariateNormal(m, scale_tril=l_p.tril()),
                td.MultivariateNormal(n, scale_tril=l_q.tril()),
            ),
            (m, l_p, n, l_q),
        ),
        (
            ft.categorical_kl(logits=m, q_logits=n),
            td.kl_divergence(td.Categorical(logits=m), td.Categorical(logits=n)),
            (m, n),
        ),
    ]
    for ours, theirs, tensors in pairs:
        torch.testing.assert_close(ours, theirs)
        upstream = torch.arange(1.0, 7.0, dtype=torch.float64)
        for a, b in zip(
            torch.autograd.grad(ours, tensors, upstream),
            torch.autograd.grad(theirs, tensors, upstream),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_no_gradient_but_those_wanted(monkeypatch):
    asked = []

    def recorded(arrays, required, options):
        asked.append(required)
        return function(arrays, required, options)

    function = evaluation.FUNCTIONS["mmd2"]
    monkeypatch.setitem(evaluation.FUNCTIONS, "mmd2", recorded)
    x, y = normal(4, 2), normal(3, 2)
    for a, b in ((x, y), (x, y.detach()), (x.detach(), y), (x.detach(), y.detach())):
        ft.mmd2(a, b, RBF(1.0))
    with torch.no_grad():
        ft.mmd2(x, y, RBF(1.0))
    assert asked == [("x", "y"), ("x",), ("y",), (), ()]
    value = ft.mmd2(x, y.detach(), RBF(1.0))
    value.backward()
    assert x.grad.shape == (4, 2)
    assert y.grad is None


@pytest.mark.parametrize("call", [torch.Tensor.sum, lambda g: (g + normal(4, 2)).square().sum()])
def test_second_derivatives_are_refused(call):
    """In a sum with terms that have some, too."""
    x = normal(4, 2)
    (gradient,) = torch.autograd.grad(ft.energy_distance(x, x.detach() + 1), x, create_graph=True)
    plain = torch.autograd.grad(ft.energy_distance(x, x.detach() + 1), x)[0]
    torch.testing.assert_close(gradient.detach(), plain)
    with pytest.raises(NotImplementedError, match="no second derivatives"):
        call(gradient).backward()


def test_what_a_mask_leaves_out_has_no_gradient():
    mean, logvar = normal(3, 2, grad=False), normal(3, 2, grad=False)
    mean[1], logvar[1] = float("nan"), float("inf")
    mean.requires_grad_()
    where = torch.tensor([True, False, True])
    value = ft.kl(mean, logvar=logvar, where=where, reduce="mean")
    value.backward()
    torch.testing.assert_close(mean.grad[where], mean.detach()[where] / 2)
    assert not mean.grad[1].any()
    expected = ft.kl(mean[where], logvar=logvar[where]).mean()
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["std", "var", "logstd", "logvar"])
def test_one_pass_or_many_give_the_same(name, dtype):
    """A mask takes one pass if padding is valid, and is computed apart otherwise."""
    scales = [s.detach().to(dtype) for s in (positive(6, 70), positive(6, 70, seed=1))]
    means = [normal(6, 70, dtype=dtype, grad=False, seed=k) for k in (2, 3)]
    for standard in (True, False):
        results = []
        for padding in (None, 1.0, float("nan")):
            rows = 6 if padding is None else 7
            where = None if padding is None else torch.arange(7) < 6
            leaves = [a.new_full((rows, 70), padding or 0.0) for a in (*means, *scales)]
            for leaf, a in zip(leaves, (*means, *scales), strict=True):
                leaf[:6] = a
                leaf.requires_grad_()
            q = {} if standard else {"q_mean": leaves[1], f"q_{name}": leaves[3]}
            values = ft.kl(leaves[0], **{name: leaves[2]}, **q, where=where)
            values.sum().backward()
            assert not values[6:].any()
            gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
            assert not any(gradient[6:].any() for gradient in gradients)
            results.append([values.detach()[:6], *[gradient[:6] for gradient in gradients]])
        tolerance = 1e-5 if dtype == torch.float32 else 1e-12
        for other in results[1:]:
            torch.testing.assert_close(other[0], results[0][0], rtol=tolerance, atol=0)
            for one, gradient in zip(results[0][1:], other[1:], strict=True):
                assert torch.equal(one, gradient)


# --- types and layouts -----------------------------------------------------------------


def test_memory_is_shared(monkeypatch):
    seen = {}
    function = evaluation.FUNCTIONS["mmd2"]

    def recorded(arrays, required, options):
        seen.update(arrays)
        return function(arrays, required, options)

    monkeypatch.setitem(evaluation.FUNCTIONS, "mmd2", recorded)
    base = normal(6, 8, grad=False)
    x, y = base[:, ::2].requires_grad_(), normal(1, 4, grad=False).expand(5, 4)
    ft.mmd2(x, y, RBF(1.0))
    for name, tensor in (("x", x), ("y", y)):
        assert seen[name].ctypes.data == tensor.data_ptr()
        assert seen[name].strides == tuple(8 * stride for stride in tensor.stride())


def test_layouts():
    dense = normal(6, 4)
    expected = torch.autograd.grad(ft.mmd2(dense, dense.detach() + 1, RBF(2.0)), dense)[0]
    y = (dense + 1).detach()
    strided = torch.stack([dense.detach(), dense.detach()], -1)[..., 0].requires_grad_()
    transposed = dense.detach().T.contiguous().T.requires_grad_()
    folded = dense.detach().reshape(6, 2, 2).requires_grad_()
    for x, z in ((strided, y), (transposed, y), (folded, y.reshape(6, 2, 2))):
        gradient = torch.autograd.grad(ft.mmd2(x, z, RBF(2.0)), x)[0]
        assert gradient.shape == x.shape
        torch.testing.assert_close(gradient.reshape(6, 4), expected)
    row = normal(1, 4)
    ft.energy_distance(row.expand(5, 4), y).backward()
    assert row.grad.shape == (1, 4)
    negated = torch.view_as_complex(normal(3, 2, grad=False)).conj().imag  # a lazy minus sign
    assert float(ft.mmd2(negated, negated + 1, Linear())) == pytest.approx(
        fastdiv.mmd2(negated.numpy(force=True), negated.numpy(force=True) + 1, Linear())
    )


@pytest.mark.parametrize(
    ("x", "y", "value"),
    [
        (torch.float32, torch.float32, torch.float32),
        (torch.float32, torch.float64, torch.float64),
        (torch.float16, torch.float32, torch.float32),
        (torch.bfloat16, torch.bfloat16, torch.float32),
        (torch.float32, torch.int32, torch.float64),
    ],
)
def test_dtypes(x, y, value):
    a = normal(5, 2, grad=False).to(x).requires_grad_()
    b = (3 * normal(4, 2, grad=False)).to(y)
    result = ft.energy_distance(a, b)
    result.backward()
    assert (result.dtype, a.grad.dtype) == (value, x)
    same = [t.detach().double().numpy() for t in (a, b)]
    assert result.item() == pytest.approx(fastdiv.energy_distance(*same), rel=1e-5)
    assert ft.kl(a, logvar=0.0).dtype == (torch.float64 if x == torch.float64 else torch.float32)


# --- complex samples -------------------------------------------------------------------


def test_numbers_of_numpy_are_numbers():
    one = np.float32(1)
    assert ft.energy_distance(X, Y, exponent=one) == ft.energy_distance(X, Y)
    assert ft.energy_distance(X, Y, n_threads=np.int64(1)) == ft.energy_distance(X, Y)
    assert ft.wae_mmd(X, Y, sigma2_p=one) == ft.wae_mmd(X, Y)
    assert torch.equal(ft.kl(X, std=one), ft.kl(X, std=1.0))
    assert torch.equal(ft.kl(X, logvar=np.int32(0)), ft.kl(X, logvar=0))


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_complex_codes(kernel):
    z = torch.complex(normal(6, 3, grad=False), normal(6, 3, seed=1, grad=False))
    prior = torch.complex(normal(5, 3, seed=2, grad=False), normal(5, 3, seed=3, grad=False))
    z.requires_grad_()
    value = ft.wae_mmd(z, prior, kernel=kernel)
    expected = fastdiv.wae_mmd(z.detach().numpy(), prior.numpy(), kernel=kernel)
    assert value.item() == pytest.approx(expected, rel=1e-12)
    (gradient,) = torch.autograd.grad(value, z)
    parts = torch.view_as_real(z.detach()).requires_grad_()
    (of_parts,) = torch.autograd.grad(
        ft.wae_mmd(parts, torch.view_as_real(prior), kernel=kernel), parts
    )
    torch.testing.assert_close(torch.view_as_real(gradient), of_parts)
    (other,) = torch.autograd.grad(ft.wae_mmd(z, prior, kernel=kernel, grad_convention="jax"), z)
    torch.testing.assert_close(other, gradient.conj().resolve_conj())


@pytest.mark.parametrize(("convention", "expected"), [("torch", 6 + 8j), ("jax", 6 - 8j)])
def test_gradient_of_the_square_of_a_complex_number(convention, expected):
    z = torch.tensor([3 + 4j], requires_grad=True)
    square = ft.mmd2(z, torch.zeros(1), Linear(), estimator="biased", grad_convention=convention)
    square.backward()
    assert (square.item(), z.grad.item()) == (25, expected)
    if convention == "torch":
        theirs = torch.tensor([3 + 4j], requires_grad=True)
        (theirs.abs() ** 2).sum().backward()
        assert theirs.grad.item() == pytest.approx(expected)


def test_complex_samples_count_as_twice_as_many_features():
    x, y = normal(5, 2, 2, grad=False), normal(4, 2, 2, grad=False)
    expected = ft.energy_distance(x, y)
    assert ft.energy_distance(torch.view_as_complex(x), torch.view_as_complex(y)) == expected
    conjugates = [torch.view_as_complex(a).conj() for a in (x, y)]
    torch.testing.assert_close(ft.energy_distance(*conjugates), expected)
