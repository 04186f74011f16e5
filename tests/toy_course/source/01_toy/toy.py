# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] with_reading=30
# # Toys
#
# {exercises} exercises ({points} points) in {minutes} minutes.
#
# ### [](#toy_relu) Nothing negative ●○○○○ 5 min
#
# Negative numbers become zero. The input stays as it was.
#
# ### [](#toy_affine) A straight line ●○○○○ 5 min
#
# Scale, then shift. Without a shift nothing is added. It takes whole numbers, too.
#
# ### [](#toy_average) The middle ●●○○○ 10 min
#
# The mean of all numbers. Of nothing there is no mean: raise a ValueError. It is not [](#toy_affine).

# %%
import torch

from convcraft import examine, try_it


# %% nbgrader={"grade_id": "toy_relu", "solution": true}
def toy_relu(x):
    """Zero where x is negative, x elsewhere; any shape."""
    ### BEGIN SOLUTION
    return x * (x > 0)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("toy_relu"):
    print(toy_relu(torch.tensor([-1.0, 2.0])))

# %% nbgrader={"grade_id": "toy_relu_exam", "grade": true}
examine("toy_relu", toy_relu)

# %% nbgrader={"grade_id": "toy_affine", "solution": true}
def toy_affine(x, scale, shift=0.0):
    """x scaled, then shifted; any shape."""
    ### BEGIN SOLUTION
    return x * scale + shift
    ### END SOLUTION

# %% nbgrader={"grade_id": "toy_affine_exam", "grade": true}
examine("toy_affine", toy_affine)

# %% nbgrader={"grade_id": "toy_average", "solution": true}
def toy_average(x):
    """The mean of all numbers in x, a scalar tensor; ValueError for an empty x."""
    ### BEGIN SOLUTION
    if not x.numel():
        raise ValueError("nothing to average")
    return x.mean()
    ### END SOLUTION

# %% nbgrader={"grade_id": "toy_average_exam", "grade": true}
examine("toy_average", toy_average)
