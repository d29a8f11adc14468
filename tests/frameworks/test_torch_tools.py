"""fastdiv.torch in torch.compile, checkpoints, data loaders and other tools of torch."""

import re
import subprocess
import sys
import textwrap

import pytest
from tensors import X, Y, normal, torch

import fastdiv.torch as ft
from fastdiv import (
    RBF,
    Energy,
    Sum,
)
from fastdiv.frameworks import calls


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


def test_the_example_draws_its_picture(draw_example):
    printed = draw_example("wae.py", timeout=300)
    errors = [float(number) for number in re.findall(r"squared error (\S+)", printed)]
    statistics = [float(number) for number in re.findall(r"MMD² = (\S+),", printed)]
    assert max(errors) < 3  # 4.7 if every digit were decoded as their mean
    assert statistics[0] > 0.1
    assert max(statistics[1:]) < 0.02
