"""
Differentiate through discrete choices, and project onto the simplex that they live on.

Optimisation over categories belongs here. The categorical distribution itself and its divergences
are in `distributions`.

Files
-----
relaxation: `score_function_grad`, `gumbel_softmax` and `enumeration_grad`
simplex: `project_simplex` and `quadratic_energy_and_grad`
"""
