"""
Compute the maximum mean discrepancy: estimates, gradients and tests.

Every function here turns kernel sums over pairs (`fastdiv._sums`) into a statistic.

Files
-----
bandwidth: the median distance, the usual bandwidth of a kernel
call_options: types of the keyword options of several overloads
centre: the middle of samples, which far rows do not move
cmmd: `cmmd`, for CLIP embeddings
estimate: `mmd2`, `energy_distance` and `witness`
far_rows: rows far from all others, for a kernel that grows with the distance
gradients: `mmd2_and_grad`
kid: the kernel inception distance
matching: `kernel_mean_matching`
one_pass: MMD² and its gradients from one pass over the pairs
permutation: `mmd_test`, the permutation two-sample test
subsample: rows drawn from a pool, blind to their order
wae: `wae_mmd` and `wae_kernel`, for Wasserstein auto-encoders
"""
