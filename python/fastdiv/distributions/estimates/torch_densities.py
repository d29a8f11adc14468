"""Evaluate log densities of torch distributions, which are −∞ outside of the support."""

from __future__ import annotations

import math
import sys
from typing import Any


def is_torch(value: object) -> bool:
    """Tell a torch distribution, or one derived from it, without importing torch."""
    return any(base.__module__.startswith("torch.distributions") for base in type(value).__mro__)


def log_density(q: Any, x: Any, p: object = None) -> Any:
    """
    Return log q(x), −∞ where the check of q's support fails, whatever `validate_args` is.

    It is −∞ too at outcomes of probability 0. A draw x of p that fails p's own check as well fails
    by rounding, and counts as inside.
    """
    torch = sys.modules["torch"]
    if _is_a(q, "MixtureSameFamily"):  # whose check wants x in the support of every component
        of_components = log_density(q.component_distribution, q._pad(x))
        joint = of_components + q.mixture_distribution.logits
        unused = _is_exactly(q.mixture_distribution, 0)
        return torch.logsumexp(torch.where(unused, -torch.inf, joint), dim=-1)
    inside = _inside(q, x)
    if inside is None or inside.all():
        return log_prob(q, x)
    drawn = _inside(p, x) if is_torch(p) else None
    if drawn is not None:
        inside = inside | ~drawn
    with torch.random.fork_rng(devices=[]):
        some = q.sample()  # torch refuses points outside of the support, unless told not to
    events = inside.reshape(inside.shape + (1,) * len(q.event_shape))
    values = log_prob(q, torch.where(events, x, some))
    return torch.where(inside, values, -torch.inf)


def log_prob(q: Any, x: Any) -> Any:
    """Return log q(x) at points of the support, 0 for a certain one, where logits may be ±∞."""
    values = q.log_prob(x)
    if not values.isnan().any():
        return values
    if _is_a(q, "Independent"):
        axes = len(q.event_shape) - len(q.base_dist.event_shape)
        return log_prob(q.base_dist, x).sum(tuple(range(-axes, 0)))
    if _counts_trials(q):
        never, always = _certainties(q)
        certain = (never | always) & ~_is_impossible(q, x)
        values = sys.modules["torch"].where(certain, 0.0, values)
    return values


def _inside(q: Any, x: Any) -> Any:
    """Tell which points are in the support, or return None if it is unknown."""
    if _is_a(q, "MixtureSameFamily"):
        inside = _inside(q.component_distribution, q._pad(x))
        used = ~_is_exactly(q.mixture_distribution, 0)
        return None if inside is None else (inside & used).any(-1)
    if _is_a(q, "Independent"):
        inside = _inside(q.base_dist, x)
        return _all_over(inside, len(q.event_shape) - len(q.base_dist.event_shape))
    try:
        inside = q.support.check(x)
    except (AttributeError, NotImplementedError, ValueError):  # none, or not to be checked
        return None
    if _is_a(q, "VonMises"):  # torch calls its support real, but it draws from a circle
        return inside & (x.abs() <= math.pi)
    if not _is_a(q, "TransformedDistribution"):
        impossible = _is_impossible(q, x)
        return inside if impossible is None else inside & ~impossible
    for transform in reversed(q.transforms):
        x = transform.inv(x)
    base = _inside(q.base_dist, x)
    return inside if base is None else inside & _all_over(base, base.ndim - inside.ndim)


def _is_impossible(q: Any, x: Any) -> Any:
    """Tell outcomes of a probability of exactly 0, or return None for other distributions."""
    if _is_a(q, "Categorical"):
        never = _is_exactly(q, 0)
        index = x.long().clamp(0, never.shape[-1] - 1)[..., None]
        batch = sys.modules["torch"].broadcast_shapes(index.shape[:-1], never.shape[:-1])
        return never.expand(*batch, -1).gather(-1, index.expand(*batch, 1))[..., 0]
    if _is_a(q, "OneHotCategorical") or _is_a(q, "Multinomial"):
        return (_is_exactly(q, 0) & (x > 0)).any(-1)
    if _counts_trials(q):
        never, always = _certainties(q)
        return never & (x > 0) | always & (x < getattr(q, "total_count", 1))
    return None


def _certainties(q: Any) -> tuple[Any, Any]:
    """Tell where success is never and where it is always, which no negative binomial allows."""
    always = _is_exactly(q, 1)
    return _is_exactly(q, 0), always & (not _is_a(q, "NegativeBinomial"))


def _counts_trials(q: Any) -> bool:
    """Tell distributions of the number of successes, whose logits may be infinite."""
    return any(_is_a(q, name) for name in ("Bernoulli", "Binomial", "NegativeBinomial"))


def _is_exactly(q: Any, probability: int) -> Any:
    """
    Tell which of q's probabilities are 0, or 1.

    Torch rounds those that it is given to the nearest between ε and 1 − ε, and derives the logits
    from them. Other finite logits were given themselves. Their probabilities are rounded only.
    """
    clamped = sys.modules["torch"].distributions.utils.probs_to_logits
    derived = clamped(q.probs, is_binary=_counts_trials(q))
    return (q.probs == probability) & ((q.logits == derived) | q.logits.isinf())


def _all_over(inside: Any, axes: int) -> Any:
    """Join the last axes."""
    for _ in range(axes if inside is not None else 0):
        inside = inside.all(-1)
    return inside


def _is_a(value: object, name: str) -> bool:
    """Tell a class of torch or one derived from it."""
    return isinstance(value, getattr(sys.modules["torch"].distributions, name))
