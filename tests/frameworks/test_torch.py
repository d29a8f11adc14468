"""fastdiv.torch against torch's own autograd and distributions, and in torch's own tools."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import fastdiv
from fastdiv import (
    RBF,
    Callback,
    Energy,
    InverseMultiquadric,
    Laplacian,
    Linear,
    Matern,
    Polynomial,
    Sum,
)

torch = pytest.importorskip("torch")

import fastdiv.torch as ft  # noqa: E402
from fastdiv.frameworks import calls, evaluation  # noqa: E402

KERNELS = [
    RBF(1.5),
    RBF([1.0, 2.0, 3.0]),
    Energy(1.2),
    Laplacian(2.0),
    Linear(),
    Polynomial(2),
    Sum([RBF(1.0), InverseMultiquadric(c=2.0)], weights=[0.5, 2.0]),
]


class Own(RBF):
    """A kernel that decode does not know."""


def normal(*shape, seed=0, dtype=torch.float64, grad=True):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=dtype, requires_grad=grad)


def positive(*shape, seed=0):
    return normal(*shape, seed=seed, grad=False).exp().requires_grad_()


def lower(*shape, seed=0):
    a = normal(*shape, seed=seed, grad=False).tril() * 0.3 + 2 * torch.eye(shape[-1])
    return a.requires_grad_()


def gradcheck(function, *tensors):
    assert torch.autograd.gradcheck(function, tensors)


# --- gradients -------------------------------------------------------------------------


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


# --- torch's own tools -----------------------------------------------------------------


def loss(mean, logvar, z, kernel=RBF(2.0)):  # noqa: B008
    prior = torch.zeros_like(z) + 0.5
    where = mean[:, 0] > -10
    return (
        ft.mmd2(z, prior.cumsum(0), kernel)
        + ft.energy_distance(z, prior)
        + ft.wae_mmd(z, prior)
        + ft.kl(mean, logvar=logvar, where=where, reduce="mean")
        + ft.kl(mean, logvar=logvar, q_mean=mean[0], q_std=2.0).sum()
        + ft.categorical_kl(logits=mean, q_logits=logvar, reduce="sum")
        + ft.kl_flow(z[None], mean_p=z[None], logstd_p=z[None], logstd_q=logvar[None])
        + ft.mmd2(z, prior, RBF(1.0))
    )


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # by torch, of itself
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile_without_a_graph_break(backend):
    torch.compiler.reset()
    tensors = [normal(6, 3, seed=k, dtype=torch.float32) for k in range(3)]
    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    for kernel in (RBF(2.0), Sum([Energy(), RBF(0.5)])):
        ours, expected = compiled(*tensors, kernel), loss(*tensors, kernel)
        torch.testing.assert_close(ours, expected)
        for a, b in zip(
            torch.autograd.grad(ours, tensors), torch.autograd.grad(expected, tensors), strict=True
        ):
            torch.testing.assert_close(a, b)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # by torch, of itself
@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: ft.kl(x, logvar=0.0),
        lambda x: ft.mmd2(x, Y.float(), RBF(1.0)),
        lambda x: ft.kl(x[:0].detach().sum(0), logvar=0.0, q_mean=x, q_std=2.0, reduce="mean"),
    ],
)
def test_second_derivatives_of_compiled_code_are_refused(function, backend):
    torch.compiler.reset()
    x = normal(5, 3, dtype=torch.float32)
    loss = torch.compile(function, fullgraph=True, backend=backend)(x).sum()
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    torch.testing.assert_close(gradient.detach(), torch.autograd.grad(function(x).sum(), x)[0])
    # torch.compile has an error of its own.
    with pytest.raises((NotImplementedError, RuntimeError), match=r"second deriv|double backward"):
        torch.autograd.grad(loss + (gradient**2).sum(), x)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # by torch, of itself
@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_second_derivatives_by_what_is_computed_in_compiled_code_are_refused(backend):
    """By backward(); torch.autograd.grad lets them pass, which is documented."""
    torch.compiler.reset()
    x = normal(5, 3, dtype=torch.float32)
    compiled = torch.compile(
        lambda x: ft.mmd2(torch.tanh(x), Y.float(), RBF(1.0)), fullgraph=True, backend=backend
    )
    loss = compiled(x)
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises((NotImplementedError, RuntimeError), match=r"second deriv|double backward"):
        (loss + (gradient**2).sum()).backward()


def test_compile_the_other_losses():
    torch.compiler.reset()

    def loss(x, exponent):
        distance = ft.energy_distance(x, Y, exponent=exponent, n_threads=2)
        penalty = ft.wae_mmd(torch.complex(x, x * x), Y, sigma2_p=exponent)
        return distance + penalty + ft.kl(x, std=exponent, reduce="mean")

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for exponent in (1.0, 0.5, 0.7):
        torch.testing.assert_close(compiled(X, exponent), loss(X, exponent))


def test_compile_for_any_batch_size():
    torch.compiler.reset()
    compiled = torch.compile(
        lambda mean: ft.kl(mean, logvar=0.5 * mean, q_mean=mean[:1], q_logvar=0.0).mean(),
        fullgraph=True,
        dynamic=True,
        backend="aot_eager",
    )
    for n in (4, 5, 9):
        mean = normal(n, 3)
        expected = ft.kl(mean, logvar=0.5 * mean, q_mean=mean[:1], q_logvar=0.0).mean()
        torch.testing.assert_close(compiled(mean), expected)


def test_compile_with_a_kernel_of_any_bandwidth():
    torch.compiler.reset()
    compiled = torch.compile(
        lambda bandwidth: ft.mmd2(X, Y, RBF(bandwidth)), fullgraph=True, backend="aot_eager"
    )
    for bandwidth in (1.0, 2.0, 3.0, 2.5):
        torch.testing.assert_close(compiled(bandwidth), ft.mmd2(X, Y, RBF(bandwidth)))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # by torch, of itself
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: torch.func.grad(f)(X),
        lambda f: torch.func.vmap(f)(X[None]),
        lambda f: torch.func.jvp(f, (X,), (X,)),
        lambda f: torch.func.hessian(f)(X),
    ],
)
def test_transformations_are_refused(transform):
    with pytest.raises(NotImplementedError, match=r"no transformations of torch\.func"):
        transform(lambda x: ft.mmd2(x, Y, RBF(1.0)))
    with pytest.raises(NotImplementedError, match=r"no transformations of torch\.func"):
        transform(lambda x: ft.kl(x, logvar=0.0, reduce="mean"))


def test_the_operation_is_what_torch_expects():
    numbers = []
    options = {"kernel": RBF(1.5), "estimator": "biased", "n_threads": 2}
    text = calls.encode(("mmd2", ("x", "y"), options), numbers)
    torch.library.opcheck(ft._evaluate, (text, numbers, [X, Y], [True, True]))
    with torch.no_grad():
        torch.library.opcheck(ft._multiply, (Y.sum(), X, [X, Y]))


def test_checkpoint_autocast_and_inference_mode():
    from torch.utils.checkpoint import checkpoint

    layer, x, y = torch.nn.Linear(3, 2), X.float(), Y.float()[:, :2]

    def loss(x):
        return ft.mmd2(layer(x), y, RBF(1.0))

    expected = torch.autograd.grad(loss(x), layer.weight)[0]
    again = torch.autograd.grad(checkpoint(loss, x, use_reentrant=False), layer.weight)[0]
    torch.testing.assert_close(again, expected)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(x)
    assert value.dtype == torch.float32
    rounded = torch.autograd.grad(value, layer.weight)[0]
    torch.testing.assert_close(rounded, expected, rtol=0.1, atol=0.02)
    with torch.inference_mode():
        assert loss(x).item() == pytest.approx(value.item(), abs=0.02)


PROGRAM = """
import sys, warnings
import numpy as np
import torch
import torch.distributed as dist
import fastdiv
import fastdiv.torch as ft
"""


def run_file(tmp_path, code, *processes):
    """Run a program as so many processes at once, and return what each printed."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM + textwrap.dedent(code), encoding="utf-8")
    running = [
        subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for arguments in processes
    ]
    try:
        done = [process.communicate(timeout=120) for process in running]
    finally:
        for process in running:
            process.kill()
    for process, (_, errors) in zip(running, done, strict=True):
        assert process.returncode == 0, errors
    return [output for output, _ in done]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_data_loader_workers(tmp_path, context):
    code = """
    class Drift(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, k):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of fewer threads after a fork
                return ft.mmd2(*pair(k), fastdiv.RBF(2.0))

    def pair(k):
        x = torch.from_numpy(np.random.default_rng(k).normal(size=(700, 8)))
        return x, 0.1 + x.flip(0)

    def together(values):
        return torch.stack(values), ft.energy_distance(*pair(0), n_threads=1)

    if __name__ == "__main__":
        expected = torch.stack([ft.mmd2(*pair(k), fastdiv.RBF(2.0)) for k in range(4)])
        loader = torch.utils.data.DataLoader(
            Drift(), 2, num_workers=2, collate_fn=together, multiprocessing_context=sys.argv[1]
        )
        values, energies = zip(*loader)
        print(torch.equal(torch.cat(values), expected), len(set(map(float, energies))))
    """
    assert run_file(tmp_path, code, [context]) == ["True 1\n"]


def test_distributed_data_parallel(tmp_path):
    """Two processes get the mean of the gradients that one process computes for each half."""
    code = """
    rank, store = int(sys.argv[1]), sys.argv[2]
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    x, prior = torch.randn(2, 40, 4), torch.randn(50, 3)

    def loss(model, half):
        z = model(x[half])
        return ft.mmd2(z, prior, fastdiv.RBF(1.5)) + ft.kl(z, logvar=0.0, reduce="mean")

    gradients = [
        torch.autograd.grad(loss(model, half), list(model.parameters())) for half in range(2)
    ]
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    loss(parallel, rank).backward()
    for parameter, *halves in zip(model.parameters(), *gradients):
        torch.testing.assert_close(parameter.grad, sum(halves) / 2)
    dist.destroy_process_group()
    print("same")
    """
    store = str(tmp_path / "store")
    assert run_file(tmp_path, code, ["0", store], ["1", store]) == ["same\n", "same\n"]


def test_the_example_draws_its_picture(tmp_path):
    pytest.importorskip("matplotlib")
    script = Path(__file__).parents[2] / "examples" / "wae.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "out.png")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    errors = [float(number) for number in re.findall(r"squared error (\S+)", done.stdout)]
    statistics = [float(number) for number in re.findall(r"MMD² = (\S+),", done.stdout)]
    assert max(errors) < 3  # 4.7 if every digit were decoded as their mean
    assert statistics[0] > 0.1
    assert max(statistics[1:]) < 0.02


# --- wrong arguments -------------------------------------------------------------------

X, Y = normal(5, 3, grad=False), normal(4, 3, grad=False)
FLOW = {"mean_p": X[None], "logstd_p": X[None], "logstd_q": X[None]}
SPARSE = torch.eye(4).to_sparse()


def nested():
    return torch.nested.nested_tensor([X[0], X[1]])


def quantized():
    return torch.quantize_per_tensor(torch.eye(4), 0.1, 0, torch.qint8)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ft.mmd2(X.to("meta"), Y), TypeError, "x is on device meta, .* pass a tensor on"),
        (lambda: ft.mmd2(nested(), Y), TypeError, "x must be a dense tensor; got a nested one"),
        (lambda: ft.mmd2(X[0, 0] * 1j, Y), ValueError, "x must be an array of rows"),
        (lambda: ft.mmd2(X, Y / 0), ValueError, "^y holds 12 NaN or inf.*clean the data$"),
        (lambda: ft.wae_mmd(X, Y / 0), ValueError, "^z_prior holds 12 NaN or inf.*clean the data$"),
        (lambda: ft.kl(X, std=1.0, q_mean=X, q_std=-1.0), ValueError, "^q_std must be finite"),
        (lambda: ft.kl(X, std=1.0, q_mean=X, q_cov=-torch.eye(3)), ValueError, "^q_cov must be"),
        (
            lambda: ft.kl(X, std=1.0, q_mean=X[0, :2], q_std=1.0),
            ValueError,
            "same dimension; got 3",
        ),
        (lambda: ft.kl(X, logvar=X.to("meta")), TypeError, "logvar is on device meta"),
        (lambda: ft.mmd2(X, Y.numpy()), TypeError, r"y must be a torch.Tensor; got ndarray"),
        (lambda: ft.mmd2(X, SPARSE), TypeError, r"y must be dense.*y.to_dense\(\)"),
        (lambda: ft.mmd2(quantized(), Y), TypeError, r"x is quantized; pass x.dequantize\(\)"),
        (lambda: ft.mmd2(torch.tensor(1.0), Y), ValueError, "x must be an array of rows"),
        (lambda: ft.mmd2(X, Y[:, :2]), ValueError, "same number of features; got 3 and 2"),
        (lambda: ft.mmd2(X > 0, Y), TypeError, "x must hold real numbers; got dtype torch.bool"),
        (lambda: ft.mmd2(X * float("nan"), Y), ValueError, "x holds 15 NaN"),
        (lambda: ft.wae_mmd(X > 0, Y), TypeError, "z must hold real numbers"),
        (lambda: ft.mmd2(X, Y, Callback(np.dot)), TypeError, "kernel must have a gradient"),
        (
            lambda: ft.mmd2(X, Y, Sum([RBF(1.0), Callback(np.dot)])),
            TypeError,
            "kernels must have a gradient; got a Callback",
        ),
        (lambda: ft.mmd2(X, Y, Own(1.0)), TypeError, "kernel must be one of fastdiv.kernels; got"),
        (
            lambda: ft.mmd2(X, Y, Sum([Own(1.0)])),
            TypeError,
            "must be one of fastdiv.kernels; got O",
        ),
        (lambda: ft.mmd2(X, Y, [RBF(1.0)]), TypeError, "kernel must be a single kernel"),
        (lambda: ft.mmd2(X, Y, "rbf"), TypeError, "kernel must be a fastdiv kernel"),
        (lambda: ft.mmd2(X, Y, RBF(normal(3).sum())), TypeError, r"wrt='bandwidth'\)"),
        (lambda: ft.mmd2(X, Y, Matern(normal(3).sum())), TypeError, "nu must be made of concrete"),
        (lambda: ft.mmd2(X, Y, estimator="u"), ValueError, "estimator must be one of"),
        (lambda: ft.mmd2(X, Y, estimator="100%s'"), ValueError, "estimator must be one of"),
        (lambda: ft.mmd2(X, Y, n_threads=0), ValueError, "n_threads must be"),
        (lambda: ft.mmd2(X, Y, n_threads=True), TypeError, "n_threads must be"),
        (lambda: ft.mmd2(X, Y, grad_convention="tf"), ValueError, "grad_convention must be"),
        (lambda: ft.mmd2(X, Y, x_weights=Y[:, 0]), ValueError, "x_weights"),
        (lambda: ft.energy_distance(X, Y, exponent=2), ValueError, "exponent must be > 0 and < 2"),
        (lambda: ft.energy_distance(X, Y, exponent=normal(1)), TypeError, "exponent must be made"),
        (lambda: ft.wae_mmd(X, Y, sigma2_p=normal(1)), TypeError, "sigma2_p must be made"),
        (lambda: ft.wae_mmd(X, Y, sigma2_p=-1), ValueError, "sigma2_p must be > 0"),
        (lambda: ft.wae_mmd(X, Y, kernel="x"), ValueError, "kernel must be one of"),
        (lambda: ft.wae_mmd(X, Y, prior="x"), ValueError, "prior must be one of"),
        (lambda: ft.kl(X), TypeError, "exactly one of std, .* must be given; got none"),
        (lambda: ft.kl(X, std=1.0, var=1.0), TypeError, "got std and var"),
        (lambda: ft.kl(X, std=1.0, q_std=1.0), TypeError, "with q_mean, .* got q_std"),
        (lambda: ft.kl(X, std=1.0, q_mean=X), TypeError, "with q_mean, .* got q_mean"),
        (lambda: ft.kl(X[0, 0], std=1.0), ValueError, r"mean must have shape \(..., d\)"),
        (lambda: ft.kl(X, cov=X[0]), ValueError, r"cov must have shape \(..., 3, 3\)"),
        (lambda: ft.kl(X, std=X[:, :2]), ValueError, r"std must have shape \(..., 3\)"),
        (lambda: ft.kl(X, logvar=Y), ValueError, "the batch shapes of mean and logvar"),
        (lambda: ft.kl(X, std=-1.0), ValueError, "std must be finite and > 0"),
        (lambda: ft.kl(X, std=1.0, where=X[:, 0]), TypeError, "where must be a boolean mask"),
        (lambda: ft.kl(X, std=1.0, where=Y[:, 0] > 0), ValueError, "where must broadcast"),
        (lambda: ft.kl(X, std=1.0, where=X[:, 0] > 99), ValueError, "at least one item"),
        (lambda: ft.kl(X, std=1.0, where=normal(5)), TypeError, "where requires grad"),
        (lambda: ft.kl(X, std=1.0, reduce="max"), ValueError, "reduce must be one of"),
        (lambda: ft.kl(X[:0], std=1.0, reduce="mean"), ValueError, "the batch is empty"),
        (lambda: ft.categorical_kl(logits=X), TypeError, "exactly one of q_probs, q_logits"),
        (lambda: ft.categorical_kl(q_logits=X), TypeError, "exactly one of probs, logits"),
        (lambda: ft.kl_flow(X[None], **FLOW, estimator="k1"), TypeError, "needs noise_q"),
        (lambda: ft.kl_flow(X[None], **FLOW, mask=normal(1, 1, 3)), TypeError, "mask requires"),
        (lambda: ft.kl_flow(X, **FLOW), ValueError, r"z_p must have shape \(b, h, t\)"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_infinite_divergence_has_a_value_and_no_gradient():
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    assert ft.categorical_kl(probs=p, q_probs=q) == float("inf")
    with pytest.raises(ValueError, match="must be finite to have a gradient"):
        ft.categorical_kl(probs=p.requires_grad_(), q_probs=q)
