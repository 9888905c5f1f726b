"""Networks of MONAI, for images, volumes and signals.

The library is imported when a model is made: that takes seconds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from zoo.entry import Entry, first, images, only

FLAT, SMALL, SOLID = (64, 64), (32, 32), (32, 32, 32)


def built(network: str, *arguments: Any, **settings: Any) -> Callable[[], nn.Module]:
    """What makes `network` at random."""

    def make() -> nn.Module:
        library = importlib.import_module("monai.networks.nets")
        module = getattr(library, network)(*arguments, **settings)
        assert isinstance(module, nn.Module)
        return module

    return make


def entry(
    name: str,
    size: tuple[int, ...],
    make: Callable[[], nn.Module],
    output: Callable[[Any], Tensor] = only,
    channels: int = 1,
) -> Entry:
    """An entry of a network, over a batch of maps of this size."""
    return Entry(f"monai_{name}", "MONAI", make, images(channels, *size), output)


def resnet(block: str, dimensions: int) -> Callable[[], nn.Module]:
    """MONAI's ResNet, narrow."""
    settings = {"n_input_channels": 1, "num_classes": 5, "spatial_dims": dimensions}
    widths = [8, 16, 24, 32]
    return built("ResNet", block, [1, 1, 1, 1], widths, conv1_t_stride=2, **settings)


def squeezed(dimensions: int, block: str = "se_resnet_bottleneck") -> Callable[[], nn.Module]:
    """MONAI's SENet, narrow where it lets itself be: its stages are 64 to 512 channels wide."""
    grouped = {"groups": 32, "inplanes": 64} if block == "se_resnetxt_bottleneck" else {"groups": 1}
    settings = {"inplanes": 64, "reduction": 16, "num_classes": 5, "layers": [1, 1, 1, 1]}
    return built("SENet", dimensions, 1, block, **{**settings, **grouped})


def unet(dimensions: int, **settings: Any) -> Callable[[], nn.Module]:
    """MONAI's U-Net of three levels."""
    return built("UNet", dimensions, 1, 2, (8, 16, 32), (2, 2), **settings)


def dynamic(**settings: Any) -> Callable[[], nn.Module]:
    """nnU-Net's network of three levels."""
    shape = {"kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2]}
    return built("DynUNet", 2, 1, 2, **shape, filters=[8, 16, 24], **settings)


class Reconstruction(nn.Module):
    """An autoencoder without the noise on its code, which it has in evaluation too."""

    def __init__(self, autoencoder: nn.Module) -> None:
        super().__init__()
        self.autoencoder: Any = autoencoder

    def forward(self, x: Tensor) -> Tensor:
        """Returns what the code stands for."""
        return only(self.autoencoder.reconstruct(x))


def reconstruction() -> nn.Module:
    """The autoencoder of latent diffusion models, with group norm and attention."""
    settings = {"norm_num_groups": 4}
    return Reconstruction(
        built("AutoencoderKL", 2, 1, 1, (1, 1), (8, 16), (False, True), **settings)()
    )


FEATURES = (8, 8, 16, 16, 24, 8)
EFFICIENT = (
    "r1_k3_s11_e1_i32_o16_se0.25",
    "r2_k3_s22_e6_i16_o24_se0.25",
    "r2_k5_s22_e6_i24_o40_se0.25",
    "r1_k3_s22_e6_i40_o80_se0.25",
)
BATCH = {"norm": "batch"}
DENSE = {"init_features": 16, "growth_rate": 8, "block_config": (2, 2, 2), "dropout_prob": 0.1}
NARROW_EFFICIENT = {"width_coefficient": 0.25, "num_classes": 5, "image_size": 64}
SHALLOW: dict[str, Any] = {"blocks_down": (1, 1, 2), "blocks_up": (1, 1)}
HIGH = [
    {"name": "conv_0", "n_features": 8, "kernel_size": 3},
    {"name": "res_1", "n_features": 8, "kernels": (3, 3), "repeat": 1},
    {"name": "res_2", "n_features": 16, "kernels": (3, 3), "repeat": 2},
    {"name": "conv_1", "n_features": 16, "kernel_size": 1},
    {"name": "conv_2", "kernel_size": 1},
]

ENTRIES = [
    entry("resnet_2d", FLAT, resnet("bottleneck", 2)),
    entry("resnet_3d", SOLID, resnet("basic", 3)),
    entry("resnet_1d", (128,), resnet("basic", 1)),
    entry("densenet_2d", FLAT, built("DenseNet", 2, 1, 5, **DENSE)),
    entry("densenet_3d", SOLID, built("DenseNet", 3, 1, 5, **DENSE)),
    entry("densenet_1d", (128,), built("DenseNet", 1, 1, 5, **DENSE)),
    entry("densenet121", FLAT, built("DenseNet121", 2, 1, 5, init_features=8, growth_rate=4)),
    entry("se_resnet_2d", SMALL, squeezed(2)),
    entry("se_resnext_2d", SMALL, squeezed(2, "se_resnetxt_bottleneck")),
    entry("efficientnet_2d", FLAT, built("EfficientNet", EFFICIENT, 2, 1, **NARROW_EFFICIENT)),
    entry("efficientnet_3d", SOLID, built("EfficientNet", EFFICIENT, 3, 1, **NARROW_EFFICIENT)),
    entry(
        "efficientnet_b0",
        FLAT,
        built("EfficientNetBN", "efficientnet-b0", pretrained=False, in_channels=1, num_classes=5),
    ),
    entry("unet_2d", FLAT, unet(2)),
    entry("unet_2d_batch", FLAT, unet(2, num_res_units=2, norm="batch", dropout=0.1)),
    entry("unet_3d", SOLID, unet(3, num_res_units=1, norm="batch")),
    entry("unet_1d", (64,), unet(1, num_res_units=2, norm="batch", adn_ordering="ADN")),
    entry("unet_norm_free", FLAT, unet(2, norm=None)),
    entry("basic_unet_2d", FLAT, built("BasicUNet", 2, 1, 2, FEATURES, **BATCH)),
    entry("basic_unet_3d", SOLID, built("BasicUNet", 3, 1, 2, FEATURES)),
    entry(
        "basic_unet_plus_plus", FLAT, built("BasicUNetPlusPlus", 2, 1, 2, FEATURES, **BATCH), first
    ),
    entry("attention_unet", FLAT, built("AttentionUnet", 2, 1, 2, (8, 16, 24), (2, 2))),
    entry("segresnet_2d", FLAT, built("SegResNet", 2, 8, 1, 2, **SHALLOW)),
    entry("segresnet_3d_batch", SOLID, built("SegResNet", 3, 8, 1, 2, **SHALLOW, **BATCH)),
    entry(
        "segresnet_ds",
        FLAT,
        built("SegResNetDS", 2, 8, 1, 2, blocks_down=(1, 1, 1), dsdepth=2),
        first,
    ),
    entry("vnet", SMALL, built("VNet", 2, 1, 2, dropout_dim=2)),
    entry("dynunet", FLAT, dynamic()),
    entry(
        "dynunet_residual",
        FLAT,
        dynamic(res_block=True, norm_name="batch", deep_supervision=True),
        first,
    ),
    entry("highresnet", FLAT, built("HighResNet", 2, 1, 2, layer_params=HIGH)),
    entry(
        "flexible_unet",
        FLAT,
        built("FlexibleUNet", 1, 2, "resnet18", decoder_channels=(16, 16, 8, 8, 8)),
    ),
    entry(
        "unetr",
        SOLID,
        built("UNETR", 1, 2, SOLID, feature_size=8, hidden_size=32, mlp_dim=64, num_heads=2),
    ),
    entry(
        "swin_unetr",
        FLAT,
        built(
            "SwinUNETR",
            1,
            2,
            depths=(1, 1, 1, 1),
            num_heads=(1, 2, 2, 4),
            feature_size=12,
            spatial_dims=2,
            window_size=4,
        ),
    ),
    entry(
        "mednext",
        FLAT,
        built(
            "MedNeXt",
            2,
            8,
            1,
            2,
            kernel_size=3,
            blocks_down=(1, 1),
            blocks_up=(1, 1),
            blocks_bottleneck=1,
            use_residual_connection=True,
        ),
    ),
    entry("discriminator", FLAT, built("Discriminator", (1, *FLAT), (8, 16), (2, 2))),
    entry(
        "discriminator_batch", FLAT, built("Discriminator", (1, *FLAT), (8, 16), (2, 2), **BATCH)
    ),
    entry(
        "generator",
        (),
        built("Generator", (16,), (8, 8, 8), (16, 8, 1), (2, 2, 2), **BATCH),
        channels=16,
    ),
    entry(
        "patch_discriminator",
        FLAT,
        built("PatchDiscriminator", 2, 8, 1),
        lambda output: only(output[-1]),
    ),
    entry(
        "autoencoder",
        FLAT,
        built(
            "AutoEncoder",
            2,
            1,
            1,
            (8, 16),
            (2, 2),
            inter_channels=[16],
            inter_dilations=[2],
            num_res_units=1,
            **BATCH,
        ),
    ),
    entry("registration_unet", FLAT, built("RegUNet", 2, 1, 8, 2)),
    entry("quicknat", SMALL, built("Quicknat", 2, 1, 8, **BATCH)),
    entry(
        "voxelmorph_unet",
        FLAT,
        built("VoxelMorphUNet", 2, 2, 2, (8, 8, 16, 16, 16, 8), (8, 8)),
        channels=2,
    ),
    entry("autoencoder_kl", SMALL, reconstruction),
]
