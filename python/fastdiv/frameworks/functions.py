"""Check the arguments of `fastdiv.torch` and `fastdiv.jax` and hand calls to the framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from fastdiv import _inputs
from fastdiv.distributions.divergences import REDUCTIONS
from fastdiv.frameworks import arguments, calls

Array = TypeVar("Array")


class Framework(ABC, Generic[Array]):
    """
    Functions over the arrays of a framework.

    Each function checks its arguments and brings arrays to float32 or float64. A subclass says how
    its framework does that, and evaluates or records the `call`.
    """

    grad_convention: str
    """Convention of the framework itself, one of `arguments.GRAD_CONVENTIONS`."""

    @abstractmethod
    def dense(self, value: object, name: str) -> Array:
        """Return an array, after refusing everything that fastdiv cannot read."""

    @abstractmethod
    def checked(self, value: object, name: str) -> Array:
        """Return a real array as float32 or float64."""

    @abstractmethod
    def mask(self, value: object, name: str) -> Array:
        """Return an array without a gradient."""

    @abstractmethod
    def constant(self, value: object, like: Array) -> Array:
        """Return numbers as an array of the dtype of another."""

    @abstractmethod
    def expanded(self, a: Array, shape: tuple[int, ...]) -> Array:
        """Broadcast an array to a shape."""

    @abstractmethod
    def without_gradient(self, a: Array) -> Array:
        """Return an array as a constant."""

    @abstractmethod
    def is_complex(self, a: Array) -> bool:
        """Return whether an array is complex."""

    @abstractmethod
    def parts(self, a: Array) -> Array:
        """Put real and imaginary parts of any array along a new last axis."""

    @abstractmethod
    def call(
        self,
        function: str,
        arrays: dict[str, Array],
        options: Mapping[str, object],
        reduce: str = "none",
    ) -> Array:
        """Evaluate or record a call of one of `evaluation.FUNCTIONS`, and reduce its values."""

    # --- samples -----------------------------------------------------------------------

    def mmd2(
        self,
        x: object,
        y: object,
        x_weights: object,
        y_weights: object,
        grad_convention: str,
        options: Mapping[str, object],
    ) -> Array:
        """Estimate MMD² between two samples."""
        calls.require_kernel(options["kernel"])
        samples = self._real({"x": x, "y": y}, grad_convention)
        weights = self._checked_all({"x_weights": x_weights, "y_weights": y_weights})
        return self.call("mmd2", samples | weights, options)

    def wae_mmd(
        self, z: object, z_prior: object, grad_convention: str, options: Mapping[str, Any]
    ) -> Array:
        """Compute the penalty of Wasserstein autoencoders."""
        variance = _inputs.positive(options["sigma2_p"], "sigma2_p")
        samples = self._real({"z": z, "z_prior": z_prior}, grad_convention)
        return self.call("wae_mmd", samples, {**options, "sigma2_p": variance})

    def _checked_all(self, given: Mapping[str, object]) -> dict[str, Array]:
        """Check the arrays that were given."""
        return {
            name: self.checked(value, name) for name, value in given.items() if value is not None
        }

    def _real(self, samples: Mapping[str, object], grad_convention: str) -> dict[str, Array]:
        """Return samples as real ones, with real and imaginary parts along the last axis."""
        _inputs.choice(grad_convention, arguments.GRAD_CONVENTIONS, "grad_convention")
        arrays = {name: self.dense(value, name) for name, value in samples.items()}
        if not any([self.is_complex(a) for a in arrays.values()]):
            return self._checked_all(arrays)
        return {name: self._features(a, name, grad_convention) for name, a in arrays.items()}

    def _features(self, sample: Any, name: str, grad_convention: str) -> Any:
        """Return the parts of a sample, whose gradient follows a convention."""
        arguments.require_rows(sample.shape, name)
        parts: Any = self.parts(sample if self.is_complex(sample) else self.checked(sample, name))
        if grad_convention == self.grad_convention:
            return parts
        sign: Any = self.constant([1.0, -1.0], parts)
        return sign * parts + self.without_gradient((1 - sign) * parts)

    # --- distributions -----------------------------------------------------------------

    def log_det(self, value: object, like: Array) -> object:
        """Return a log-determinant as an array if it is a number."""
        return self.constant(value, like) if isinstance(value, arguments.NUMBERS) else value

    def kl(
        self,
        mean: object,
        scales: Sequence[object],
        q_mean: object,
        q_scales: Sequence[object],
        *options: Any,
    ) -> Array:
        """Compute KL(p ‖ q) between Gaussians, whose scales are in the order of `SCALES`."""
        given = arguments.gaussian_arguments(mean, scales, q_mean, q_scales)
        return self._divergence(given, *options)

    def categorical_kl(
        self, parameters: Mapping[str, object], q_parameters: Mapping[str, object], *options: Any
    ) -> Array:
        """Compute KL(p ‖ q) between categorical distributions."""
        given = arguments.categorical_arguments(parameters, q_parameters)
        return self._divergence(given, *options)

    def _divergence(
        self, given: Mapping[str, object], where: object, reduce: str, n_threads: int | None
    ) -> Array:
        """Compute the divergences of a batch, after all arguments are expanded to its shape."""
        _inputs.choice(reduce, REDUCTIONS, "reduce")
        arrays: dict[str, Any] = {}
        halves = {}
        for name, value in given.items():
            if isinstance(value, arguments.NUMBERS) and arrays:
                value = self.constant(value, next(iter(arrays.values())))
            arrays[name] = self.checked(value, name)
            if arrays[name] is not value and (half := _inputs.half_type(value)):
                halves[name] = half
        batch, shapes = arguments.expanded({name: a.shape for name, a in arrays.items()})
        for name, shape in shapes.items():  # no view where none is needed: see `torch._multiply`
            if arrays[name].shape != shape:
                arrays[name] = self.expanded(arrays[name], shape)
        if where is not None:
            mask: Any = self.mask(where, "where")
            arguments.require_batch(mask.shape, batch)
            arrays["where"] = self.expanded(mask, batch)
        known = {"halves": halves} if halves else {}  # for tolerances of sums
        return self.call("kl", arrays, {"n_threads": n_threads, **known}, reduce)

    def kl_flow(
        self,
        z_p: object,
        mean_p: object,
        logstd_p: object,
        logstd_q: object,
        noise_q: object,
        log_det: object,
        mask: object,
        options: Mapping[str, object],
    ) -> Array:
        """Estimate the divergence of a posterior and a prior behind a flow."""
        given = {"z_p": z_p, "mean_p": mean_p, "logstd_p": logstd_p, "logstd_q": logstd_q}
        arrays: dict[str, Any] = self._checked_all({**given, "noise_q": noise_q})
        like = arrays["z_p"]
        arrays["log_det"] = self.checked(self.log_det(log_det, like), "log_det")
        if options["reduce"] == "per_item" and arrays["log_det"].ndim == 0:
            arrays["log_det"] = self.expanded(arrays["log_det"], like.shape[:1])
        if mask is not None:
            arrays["mask"] = self.mask(mask, "mask")
        return self.call("kl_flow", arrays, options)


def times(upstream: Any, gradient: Any) -> Any:
    """Multiply a gradient by that of the value, whose axes are the first of the array."""
    if upstream.ndim == 0 and upstream.dtype == gradient.dtype:
        return upstream * gradient
    trailing = (1,) * (gradient.ndim - upstream.ndim)
    return upstream.reshape(upstream.shape + trailing) * gradient
