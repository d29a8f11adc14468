"""
Divergences estimated from draws, where there is no closed form.

Files
-----
coupled_monte_carlo: the coupled divergence and cross entropy, from draws
monte_carlo: `kl_monte_carlo`, `kl_from_log_probs` and their `Estimate`
nearest_neighbours: `kl_knn`, from distances to nearest neighbours
variational: `f_divergence_bound`, from the outputs of a critic
"""
