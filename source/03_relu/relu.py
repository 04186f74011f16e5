# %%
import torch
