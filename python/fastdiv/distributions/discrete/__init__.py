"""
Gradients through discrete choices, and the simplex that they live on.

Files
-----
relaxation: `score_function_grad`, `gumbel_softmax` and `enumeration_grad`
simplex: `project_simplex` and `quadratic_energy_and_grad`
"""
