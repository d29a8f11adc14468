"""
Estimate divergences from draws, for distributions without a closed form.

Everything that needs draws or samples belongs here. Divergences in closed form are in
`distributions`, and distances of samples by kernels in `mmd`.

Files
-----
coupled_monte_carlo: the coupled divergence and cross entropy, from draws
draws: draws of distributions of this package, SciPy and torch, with log densities at them
estimate: `Estimate`, a value with its standard error
flow: `kl_flow`, between a posterior and a prior behind a flow, from one draw
monte_carlo: `kl_monte_carlo` and `kl_from_log_probs`
nearest_neighbours: `kl_knn`, from distances to nearest neighbours
torch_densities: log densities of torch distributions, which are −∞ outside of the support
variational: `f_divergence_bound`, from the outputs of a critic
"""
