"""
Hold the passages that many public docstrings share, each written once.

A docstring names a passage by a line of its own, such as ``{n_threads}``. `documented` puts the
passage there, with the indentation of that line. ``{Raises: invalid, squares_overflow}`` stands for
a section, its heading and these passages. Passages may name others.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any, TypeVar

PASSAGES = {
    "n_threads": """\
n_threads : int, optional
    Number of threads. Results do not depend on it. See `set_num_threads`.""",
    "progress": """\
progress : bool or callable, optional
    True for a bar on standard error, or a function of (done, total).""",
    "nan_policy": """\
nan_policy : {"raise", "omit"}, default "raise"
    Refuse NaN and infinite values, or drop the rows that hold them.""",
    "rng": """\
rng : None, int, sequence of int, SeedSequence, BitGenerator or Generator, optional
    Source of randomness, whatever ``numpy.random.default_rng`` takes.""",
    "invalid": """\
TypeError, ValueError
    If an argument is invalid.""",
    "bandwidth": """\
bandwidth : float or "median", default "median"
    σ > 0, in the units of the data. "median" is the median distance between distinct pooled rows.
    See `median_distance`.""",
    "same_kernel": """\
RBF
    The same kernel in terms of σ.""",
    "kernel_overflow": """\
OverflowError
    If kernel values are too large for their floating-point type.""",
    "squares_overflow": """\
OverflowError
    If squares overflow.""",
    "kernel_errors": """\
Raises
------
TypeError, ValueError
    If an argument is invalid, or the median bandwidth is zero.
{kernel_overflow}""",
    "score": """\
Returns
-------
float
    Score, without unit.

{Raises: invalid, squares_overflow}""",
    "silhouette_errors_and_source": """\
{Raises: invalid}
OverflowError
    If distances are too large for float64.

References
----------
P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
analysis", J. Comput. Appl. Math. 20 (1987) 53–65.""",
    "powers_of_distances": """\
TypeError, ValueError
    If an argument is invalid, all rows are equal, or powers of their distances underflow.
OverflowError
    If powers of the distances are too large for their floating-point type.""",
    "gretton_2012": """\
A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
test", JMLR 13 (2012) 723–773.""",
    "szekely_2013": """\
G. J. Székely, M. L. Rizzo, "Energy statistics: a class of statistics based on
distances", J. Stat. Plan. Inference 143 (2013) 1249–1272.""",
    "tolstikhin_2018": """\
I. Tolstikhin, O. Bousquet, S. Gelly, B. Schölkopf, "Wasserstein auto-encoders", ICLR (2018).""",
    "rasmussen_2006": """\
C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press (2006),
section 4.2.""",
    "raises_overflow": """\
{Raises: invalid}
OverflowError
    If a finite result is too large for float64.""",
    "value_per_pair": """\
ndarray of float64, shape ``np.broadcast_shapes(p.batch_shape, q.batch_shape)``""",
    "between_gaussians": """\
Parameters
----------
p, q : Gaussian
    As in `kl`.

Returns
-------
{value_per_pair}""",
    "hellinger": """\
{between_gaussians}
    Values between 0 and 1, 0 for padding of p or q.

{Raises: invalid}

References
----------
L. Pardo, "Statistical Inference Based on Divergence Measures" (2006), chapter 1.""",
    "keys": """\
The index of a frame holds the keys of a batch of one axis. Batches that are paired item by item
must have the same keys in the same order, if both have some. A default index 0, 1, … counts only
beside the same numbers in another order.""",
    "dense_matrices": """\
Returns
-------
ndarray of `dtype`, shape (*batch_shape, d, d)
    Dense, also for diagonal distributions.""",
    "log_densities": """\
Parameters
----------
x : array_like, shape (..., d)
    Points. Their leading axes broadcast against the batch shape. A frame must have the columns and
    the keys of the batch in the same order, if both have some.

Returns
-------
ndarray of float64, shape ``np.broadcast_shapes(x.shape[:-1], batch_shape)``
    Log densities in nats.

Raises
------
TypeError, ValueError
    If x does not fit or is not finite.
OverflowError
    If a log density is too large for float64.""",
    "number_of_draws": """\
Parameters
----------
n : int
    Points per distribution, at least 1.
{rng}""",
    "raises_draws": """\
{Raises: invalid}
OverflowError
    If a draw is too large for the dtype.""",
    "kappa": """\
kappa : float
    Coupling κ, with 1 + dκ > 0, up to 1e100. |κ| below 1e-300 counts as 0.""",
    "alpha": """\
alpha : float, default 2
    Exponent α, from 1e-6 to 1e6.""",
    "binkowski_2018": """\
M. Bińkowski, D. J. Sutherland, M. Arbel, A. Gretton, "Demystifying MMD GANs", ICLR (2018).""",
    "gil_2013": """\
M. Gil, F. Alajaji, T. Linder, "Rényi divergence measures for commonly used univariate
continuous distributions", Inf. Sci. 249 (2013) 124–131.""",
    "hershey_2007": """\
J. R. Hershey, P. A. Olsen, "Approximating the Kullback Leibler divergence between Gaussian
mixture models", ICASSP (2007).""",
    "hinton_2015": """\
G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network" (2015),
arXiv:1503.02531.""",
    "kim_2021": """\
J. Kim, J. Kong, J. Son, "Conditional variational autoencoder with adversarial learning for
end-to-end text-to-speech" (VITS), ICML (2021), equations (3) and (4).""",
    "nelson_2017": """\
K. P. Nelson, S. R. Umarov, M. A. Kon, "On the average uncertainty for systems with nonlinear
coupling", Physica A 468 (2017) 30–43.""",
}

_PLACE = re.compile(r"^( *)\{(?:([A-Z]\w+): )?([a-z]\w*(?:, [a-z]\w*)*)\}$", re.MULTILINE)

_Public = TypeVar("_Public", bound=Any)


def documented(public: _Public, passages: Mapping[str, str] = PASSAGES) -> _Public:
    """Put the passages that a docstring names into it."""

    def fill(place: re.Match[str]) -> str:
        indent, heading, names = place.groups()
        text = "\n".join(expand(passages[name]) for name in names.split(", "))
        if heading:
            text = f"{heading}\n{'-' * len(heading)}\n{text}"
        return textwrap.indent(text, indent)

    def expand(text: str) -> str:
        return _PLACE.sub(fill, text)

    if public.__doc__ is not None:  # None under ``python -OO``
        public.__doc__ = expand(public.__doc__)
    return public
