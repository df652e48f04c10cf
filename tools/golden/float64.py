"""Makes transformers' DeepseekV3 compute in float64 from end to end.

The model casts to float32 in five places, whatever dtype it is given: RMSNorm, the router's logits, the
attention's softmax, the rotary tables' frequencies and their angles. All of them are written as
`torch.float32` or `torch.float` in two modules, so that a stand-in for the name `torch` in those modules,
which says float64 for both, lifts them all; the formulas stay transformers' own. `only_float64` proves
that nothing was left behind.
"""

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import modeling_rope_utils
from transformers.models.deepseek_v3 import modeling_deepseek_v3


class _Torch64:
    """The module torch, except that its single precision is double."""

    float32 = torch.float64
    float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@contextlib.contextmanager
def float64_model():
    """While it is open, models built and run compute in float64."""
    modules = (modeling_deepseek_v3, modeling_rope_utils)
    for module in modules:
        module.torch = _Torch64()
    try:
        yield
    finally:
        for module in modules:
            module.torch = torch


class only_float64(TorchDispatchMode):
    """Raises if an operation yields a narrower float than float64.

    One is let pass: position_ids.float(), whose values are whole numbers below 2^24 and so exact.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
                continue
            if tensor.dtype == torch.float64:
                continue
            whole = bool((tensor == tensor.round()).all()) and bool((tensor.abs() < 2**24).all())
            if not whole:
                raise AssertionError(f"{func} yields {tensor.dtype}: a cast of transformers is not lifted")
        return out
