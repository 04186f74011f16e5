"""What several exams of this chapter need."""

import torch.nn.functional as F

_HOUSE_RULES = ("House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients "
                "flow.")


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


def _windows(x, kernel_size, stride=None, padding=0, fill=0.0):
    """All windows, (N, C, H', W', kH, kW)."""
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    return F.pad(x, (pw, pw, ph, ph), value=fill).unfold(2, kh, sh).unfold(3, kw, sw)
