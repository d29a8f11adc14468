"""Cases of `tests/record_results.py`: what is called, and how a result becomes text.

encode.py          exact text of values, errors, warnings and output
inputs.py          samples of every size, dtype, layout and scale; labels, weights, kernels
calls.py           every function of samples, applied to any pair of them
samples.py         sizes, kinds of input, kernels, weights, quantised rows, missing values
permutations.py    tests, gradients, matching, threads and progress
clusters.py        dispersion, medians, silhouettes, scores, gap statistic
gaussians.py       Gaussians in every parametrisation, mixtures, coupled distributions
discrete.py        categorical distributions, gradients, flows, estimates from draws
blocks.py          inputs larger than any block that the package computes at a time
errors.py          wrong arguments of every function
interface.py       signatures, fields, representations, pickles, settings
command_line.py    ``python -m fastdiv``
frameworks.py      `fastdiv.torch` and `fastdiv.jax`
"""
