"""Evaluate log densities of torch distributions, which are −∞ outside of the support."""

from __future__ import annotations

import sys
from typing import Any


def is_torch(value: object) -> bool:
    """Tell a torch distribution, or one derived from it, without importing torch."""
    return any(base.__module__.startswith("torch.distributions") for base in type(value).__mro__)


def log_density(q: Any, x: Any, p: object = None) -> Any:
    """
    Return log q(x), −∞ where the check of q's support fails, whatever `validate_args` is.

    A draw x of p that fails p's own check as well fails by rounding, and counts as inside.
    """
    torch = sys.modules["torch"]
    if _is_a(q, "MixtureSameFamily"):  # whose check wants x in the support of every component
        of_components = log_density(q.component_distribution, q._pad(x))
        return torch.logsumexp(of_components + q.mixture_distribution.logits, dim=-1)
    inside = _inside(q, x)
    if inside is None or inside.all():
        return q.log_prob(x)
    drawn = _inside(p, x) if is_torch(p) else None
    if drawn is not None:
        inside = inside | ~drawn
    with torch.random.fork_rng(devices=[]):
        some = q.sample()  # torch refuses points outside of the support, unless told not to
    events = inside.reshape(inside.shape + (1,) * len(q.event_shape))
    values = q.log_prob(torch.where(events, x, some))
    return torch.where(inside, values, -torch.inf)


def _inside(q: Any, x: Any) -> Any:
    """Tell which points are in the support, or return None if it is unknown."""
    if _is_a(q, "MixtureSameFamily"):
        inside = _inside(q.component_distribution, q._pad(x))
        return None if inside is None else inside.any(-1)
    if _is_a(q, "Independent"):
        inside = _inside(q.base_dist, x)
        return _all_over(inside, len(q.event_shape) - len(q.base_dist.event_shape))
    try:
        inside = q.support.check(x)
    except (AttributeError, NotImplementedError, ValueError):  # none, or not to be checked
        return None
    if not _is_a(q, "TransformedDistribution"):
        return inside
    for transform in reversed(q.transforms):
        x = transform.inv(x)
    base = _inside(q.base_dist, x)
    return inside if base is None else inside & _all_over(base, base.ndim - inside.ndim)


def _all_over(inside: Any, axes: int) -> Any:
    """Join the last axes."""
    for _ in range(axes if inside is not None else 0):
        inside = inside.all(-1)
    return inside


def _is_a(value: object, name: str) -> bool:
    """Tell a class of torch or one derived from it."""
    return isinstance(value, getattr(sys.modules["torch"].distributions, name))
