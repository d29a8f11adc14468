"""
Compute divergences between distributions in closed form.

Batched distributions are checked once, when they are made. A divergence broadcasts two of them and
hands the pair to the engine. Estimates from draws are in `estimates`, gradients through discrete
choices in `discrete`.

Files
-----
arrays: arrays of batched distributions: masks, names, repeated entries, blocks, overflow
categorical: `Categorical`, from probabilities or logits
categorical_pair: two categorical distributions side by side, with gradients
coupled: the coupled family: Student-t and compact-support normals
coupled_divergences: entropies and divergences of the coupled family, in closed form
discrete: gradients through discrete choices, and the simplex (a folder)
divergences: `kl`, `cross_entropy`, `jeffreys` and `jensen_shannon`
estimates: estimates from draws, where there is no closed form (a folder)
fitting: `fit_gaussian`
gaussian: `Gaussian`, in the parametrisation it was given
gradients: `kl_and_grad`
linear_algebra: Cholesky factors of Gaussians, their inverses, whitening
mixture: `GaussianMixture` and `kl_mixture`
overlaps: Rényi and Bhattacharyya divergences, Hellinger distances
pair: two distributions side by side, and Gaussians as the engine takes them
pairwise: `kl_matrix`, all pairs of two batches
transport: `wasserstein2`
"""
