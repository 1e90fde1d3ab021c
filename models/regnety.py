"""RegNetY: "Designing Network Design Spaces", https://arxiv.org/abs/2003.13678. Keys: timm, as regnetx's.

The RegNetX with squeeze-excitation after the 3x3 convolution of every block.
Reference: timm regnety_002 and kin. Public weights: hub ids timm/regnety_002.pycls_in1k and kin, MIT; for 400mf, 1.6gf,
3.2gf, 16gf, 32gf also torchvision's regnet_y_400mf-e6988f5f.pth and kin, BSD-3-Clause, under other names.
torchvision's regnet_y_800mf and regnet_y_8gf are other networks: their widths round up to multiples of the group width.
"""

from .libraries import named
from .registry import register
from .regnetx import PARTS, RegNet, flops_of_timm, flops_of_torchvision

VARIANTS = {  # the networks released with the paper: pycls, configs/dds_baselines; the ratio: its models/regnet.py
    "200mf": dict(w0=24, wa=36.44, wm=2.49, depth=13, group_width=8, se_ratio=0.25),
    "400mf": dict(w0=48, wa=27.89, wm=2.09, depth=16, group_width=8, se_ratio=0.25),
    "600mf": dict(w0=48, wa=32.54, wm=2.32, depth=15, group_width=16, se_ratio=0.25),
    "800mf": dict(w0=56, wa=38.84, wm=2.4, depth=14, group_width=16, se_ratio=0.25),
    "1.6gf": dict(w0=48, wa=20.71, wm=2.65, depth=27, group_width=24, se_ratio=0.25),
    "3.2gf": dict(w0=80, wa=42.63, wm=2.66, depth=21, group_width=24, se_ratio=0.25),
    "4.0gf": dict(w0=96, wa=31.41, wm=2.24, depth=22, group_width=64, se_ratio=0.25),
    "6.4gf": dict(w0=112, wa=33.22, wm=2.27, depth=25, group_width=72, se_ratio=0.25),
    "8.0gf": dict(w0=192, wa=76.82, wm=2.19, depth=17, group_width=56, se_ratio=0.25),
    "12gf": dict(w0=168, wa=73.36, wm=2.37, depth=19, group_width=112, se_ratio=0.25),
    "16gf": dict(w0=200, wa=106.23, wm=2.48, depth=18, group_width=112, se_ratio=0.25),
    "32gf": dict(w0=232, wa=115.89, wm=2.53, depth=20, group_width=232, se_ratio=0.25),
}
LIBRARIES = dict(
    timm=named("regnety_{}", *VARIANTS, clean=flops_of_timm),
    torchvision=named("regnet_y_{}", "400mf", "1.6gf", "3.2gf", "16gf", "32gf", clean=flops_of_torchvision),
)

register("regnety", VARIANTS, **PARTS, libraries=LIBRARIES)(RegNet)
