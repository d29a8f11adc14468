"""
Train two autoencoders on handwritten digits, and test whether their latents follow the prior.

Both have a decoder that turns draws of N(0, I) into digits, which works as far as the latents of
real digits look like such draws. A Wasserstein autoencoder (WAE-MMD) pulls all latents of a batch
together towards the prior, by `fastdiv.torch.wae_mmd`; a variational autoencoder (VAE) pulls the
posterior of every single digit, by `fastdiv.torch.kl`. Latents of digits that neither has seen are
compared with the prior by a permutation test, before and after training. Needs torch, scikit-learn
and matplotlib, and less than a minute on the CPU:

    python examples/wae.py [wae.png]

The latents of an untrained VAE pass the test: they are draws of posteriors close to the prior, and
say nothing about the digits. To tell the two apart takes the reconstructions.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import fastdiv
from fastdiv.torch import kl, wae_mmd

LATENT, HIDDEN, BATCH, HELD_OUT = 6, 128, 128, 300
PENALTY = 2.0
"""Weight of the WAE's penalty, beside squared errors summed over the pixels."""
NOISE = 0.2
"""Standard deviation of the pixels given the code, in the VAE's likelihood."""


class Autoencoder(nn.Module):
    """Two small perceptrons; the encoder of a VAE has twice as many outputs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(64, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, outputs),
        )
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 64),
            nn.Sigmoid(),
        )

    def error(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the squared error of the decoded latents, summed over the pixels."""
        return ((self.decoder(z) - x) ** 2).sum(-1).mean()


class WAE(Autoencoder):
    name, epochs = "WAE-MMD", 100

    def __init__(self) -> None:
        super().__init__(LATENT)

    def latents(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def loss(self, x: Tensor) -> Tensor:
        z = self.latents(x)
        return self.error(x, z) + PENALTY * wae_mmd(z, torch.randn_like(z))


class VAE(Autoencoder):
    name, epochs = "VAE", 300

    def __init__(self) -> None:
        super().__init__(2 * LATENT)

    def latents(self, x: Tensor) -> Tensor:
        """Return a draw of the posterior of each digit."""
        return self.draw(*self.posterior(x))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.encoder(x).chunk(2, dim=-1)
        return mean, logvar

    @staticmethod
    def draw(mean: Tensor, logvar: Tensor) -> Tensor:
        return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)

    def loss(self, x: Tensor) -> Tensor:
        mean, logvar = self.posterior(x)
        z = self.draw(mean, logvar)
        return self.error(x, z) / (2 * NOISE**2) + kl(mean, logvar=logvar, reduce="mean")


def train(model: WAE | VAE, digits: Tensor) -> None:
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, model.epochs)
    for _ in range(model.epochs):
        for rows in torch.randperm(len(digits)).split(BATCH):
            optimiser.zero_grad()
            model.loss(digits[rows]).backward()
            optimiser.step()
        schedule.step()


@torch.no_grad()
def compare_with_prior(model: WAE | VAE, digits: Tensor) -> fastdiv.TwoSampleResult:
    z = model.latents(digits)
    return fastdiv.mmd_test(z, torch.randn_like(z), fastdiv.RBF(LATENT**0.5), rng=0)


def tiled(images: Tensor, columns: int) -> Any:
    """Put 8 × 8 images side by side."""
    a = images.reshape(-1, columns, 8, 8).numpy()
    framed = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return framed.swapaxes(1, 2).reshape(10 * len(a), 10 * columns)


@torch.no_grad()
def draw_images(axes: Any, model: WAE | VAE, digits: Tensor) -> None:
    chosen = digits[:32]
    decoded = model.decoder(model.latents(chosen))
    pairs = torch.stack([chosen.reshape(4, 8, 64), decoded.reshape(4, 8, 64)], dim=1)
    samples = model.decoder(torch.randn(64, LATENT))
    for axis, images in zip(axes, (pairs.reshape(64, 64), samples), strict=True):
        axis.imshow(tiled(images, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    axes[0].set_ylabel(model.name, fontsize=13)


def draw_test(axis: Any, result: fastdiv.TwoSampleResult, when: str) -> None:
    axis.hist(result.null_distribution, bins=30, color="0.75", label="permuted")
    axis.axvline(result.statistic, color="#d55e00", linewidth=2, label="codes and prior")
    axis.set_yticks([])
    axis.locator_params(axis="x", nbins=5)
    axis.margins(x=0.1)
    text = f"{when}: MMD² = {result.statistic:.4f}, p = {result.pvalue:.3f}"
    axis.set_title(text.replace("-", "−"), fontsize=10)


def main(path: str) -> None:
    mpl.use("agg")
    from matplotlib import pyplot as plt

    torch.set_num_threads(1)  # layers so small gain nothing from more
    fastdiv.set_num_threads(1)
    digits = torch.from_numpy(load_digits().data.astype(np.float32) / 16)
    digits = digits[torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))]
    held_out, seen = digits[:HELD_OUT], digits[HELD_OUT:]
    figure, axes = plt.subplots(2, 4, figsize=(12, 6.2), layout="constrained")
    for row, kind in zip(axes, (WAE, VAE), strict=True):
        torch.manual_seed(0)
        model = kind()
        before = compare_with_prior(model, held_out)
        train(model, seen)
        after = compare_with_prior(model, held_out)
        with torch.no_grad():
            error = model.error(held_out, model.latents(held_out))
        print(
            f"{model.name}: squared error {error:.2f} per digit\n"
            f"  untrained: MMD² = {before.statistic:.4f}, p = {before.pvalue:.3f}\n"
            f"  trained:   MMD² = {after.statistic:.4f}, p = {after.pvalue:.3f}"
        )
        draw_images(row[:2], model, held_out)
        draw_test(row[2], before, "untrained")
        draw_test(row[3], after, "trained")
        row[0].set_title("unseen digits, reconstructions below", fontsize=10)
        row[1].set_title("decoded draws of the prior N(0, I)", fontsize=10)
    axes[0, 2].legend(loc="upper center", frameon=False)
    for axis in axes[1, 2:]:
        axis.set_xlabel("MMD² between unseen codes and prior")
    figure.savefig(f"{path}.tmp", format="png", dpi=100)
    os.replace(f"{path}.tmp", path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "wae.png")
