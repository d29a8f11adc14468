"""Calls come back from their text, and neither framework is imported unless asked for."""

import numpy as np
import pytest

from fastdiv import RBF, Energy, InverseMultiquadric, Kernel, Linear, Matern, Polynomial, Sum
from fastdiv.frameworks.calls import Call, call_of, decode, encode

KERNELS = [
    RBF(0.1),
    RBF(),
    RBF([1.0, 1 / 3]),
    Linear(),
    Energy(1e-300),
    Matern(2.5, 3),
    Polynomial(4),
    Polynomial(1, gamma=0.5),
    Sum([InverseMultiquadric(c=1e300), Sum([RBF(1.0)], weights=[-2.0])]),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_kernels_come_back_as_they_were(kernel: Kernel) -> None:
    options = {"kernel": kernel, "estimator": "it's 100 %d", "n_threads": None, "exponent": 1}
    numbers: list[float] = []
    text = encode(("f", ("x", "y"), options), numbers)
    assert decode(text, tuple(numbers)) == Call("f", ("x", "y"), options)


@pytest.mark.parametrize("value", [object(), [1j], {"a": b"1"}])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="must be made of plain Python numbers and words"):
        encode(value, [])
    with pytest.raises(TypeError, match="must be made of plain Python numbers and words"):
        call_of("f", (), {"option": value})


def test_numbers_are_numbers() -> None:
    numbers: list[float] = []
    text = encode(
        ("f", (), {"a": np.float64(0.1), "b": 3, "c": np.int64(5), "d": np.float32(2)}), numbers
    )
    call = decode(text, tuple(map(float, numbers)))  # torch makes all of them floats
    assert call == Call("f", (), {"a": 0.1, "b": 3, "c": 5, "d": 2.0})
    assert [type(value) for value in call.options.values()] == [float, int, int, float]
    for value in (float("nan"), -float("inf")):
        with pytest.raises(ValueError, match=f"a must be finite; got {value}"):
            encode({"a": value}, [])
        with pytest.raises(ValueError, match=f"a must be finite; got {value}"):
            call_of("f", (), {"a": value})


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_no_text_where_there_are_values(run_python, name: str) -> None:
    pytest.importorskip(name)
    code = f"""
        import numpy as np
        import {name}
        import fastdiv
        import fastdiv.{name} as ff
        from fastdiv.frameworks import calls, evaluation

        calls.encode = calls.decode = None
        kernel, seen, function = fastdiv.RBF(1.0), [], evaluation.FUNCTIONS["mmd2"]

        def recorded(arrays, required, options):
            seen.append((required, options["kernel"] is kernel))
            return function(arrays, required, options)

        evaluation.FUNCTIONS["mmd2"] = recorded
        x, y = np.random.default_rng(0).normal(size=(2, 5, 3))
        if {name!r} == "torch":
            x, y = torch.tensor(x, requires_grad=True), torch.tensor(y)
            ff.mmd2(x, y, kernel).backward()
            ff.kl(x, logvar=y, reduce="mean").backward()
        else:
            jax.grad(ff.mmd2)(x, y, kernel)
            jax.grad(lambda x: ff.kl(x, logvar=y, reduce="mean"))(x)
        ff.mmd2(y, y, kernel)
        print(seen)
    """
    assert run_python(code).stdout == "[(('x',), True), ((), True)]\n"


def test_neither_is_imported_with_the_package(run_python) -> None:
    code = "import sys, fastdiv; print({'torch', 'jax'} & set(sys.modules))"
    assert run_python(code).stdout == "set()\n"


@pytest.mark.parametrize(("name", "title"), [("torch", "PyTorch"), ("jax", "JAX")])
def test_what_is_missing_is_said(run_python, name: str, title: str) -> None:
    code = f"""
        import sys
        sys.modules[{name!r}] = None  # as if it were not installed
        try:
            import fastdiv.{name}
        except ImportError as error:
            print(error)
    """
    expected = f"fastdiv.{name} needs {title}: pip install 'fastdiv[{name}]'\n"
    assert run_python(code).stdout == expected
