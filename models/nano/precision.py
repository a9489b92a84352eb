"""In which numbers a device multiplies matrices fastest."""

import torch


def fastest(device: torch.device) -> torch.dtype:
    """bfloat16, or float32 where that is faster: a processor without AVX-512 imitates products of 16 bits, slowly."""
    if device.type == "cpu":
        return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
