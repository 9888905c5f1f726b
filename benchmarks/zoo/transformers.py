"""Vision models of Hugging Face's transformers, from small configurations.

The library is imported when a model is made: that takes seconds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from zoo.entry import Entry, images, only

FOUR_STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1]}
ATTENTION: dict[str, Any] = {
    "num_attention_heads": [1, 2, 2, 4],
    "depths": [1, 1, 1, 1],
    "hidden_sizes": [8, 16, 16, 32],
}


def built(model: str, config: str, **settings: Any) -> Callable[[], nn.Module]:
    """What makes `model` at random, with the settings of its `config`."""

    def make() -> nn.Module:
        library = importlib.import_module("transformers")
        module = getattr(library, model)(getattr(library, config)(**settings))
        assert isinstance(module, nn.Module)
        return module.train()  # As modules of PyTorch are when they are new.

    return make


def logits(output: Any) -> Tensor:
    """The logits of a classifier or a segmentation."""
    return only(output.logits)


def hidden(output: Any) -> Tensor:
    """The last hidden state of a model without a head."""
    return only(output.last_hidden_state)


def coarsest(output: Any) -> Tensor:
    """The last map of a backbone."""
    return only(output.feature_maps[-1])


def classifier(name: str, family: str, size: int = 64, **settings: Any) -> Entry:
    """An entry of `family`'s image classifier, of ten classes."""
    make = built(f"{family}ForImageClassification", f"{family}Config", num_labels=10, **settings)
    return Entry(f"transformers_{name}", "transformers", make, images(3, size, size), logits)


def entry(name: str, make: Callable[[], nn.Module], output: Callable[[Any], Tensor]) -> Entry:
    """An entry of another model of images."""
    return Entry(f"transformers_{name}", "transformers", make, images(3, 64, 64), output)


def upernet() -> nn.Module:
    """UperNet over ConvNeXt: batch norm over layer norm, with pooled pyramids and two heads."""
    library = importlib.import_module("transformers")
    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = library.ConvNextConfig(**FOUR_STAGES, out_features=stages)
    settings = {"hidden_size": 16, "auxiliary_in_channels": 24, "auxiliary_channels": 16}
    config = library.UperNetConfig(backbone_config=backbone, num_labels=3, **settings)
    module = library.UperNetForSemanticSegmentation(config)
    assert isinstance(module, nn.Module)
    return module.train()


def detr() -> nn.Module:
    """DETR over a ResNet whose batch norms the library replaces by frozen ones."""
    library = importlib.import_module("transformers")
    backbone = library.ResNetConfig(**FOUR_STAGES, embedding_size=8, out_features=["stage4"])
    attention = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 5}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 16}
    widths = {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    config = library.DetrConfig(backbone_config=backbone, **attention, **layers, **widths)
    module = library.DetrForObjectDetection(config)
    assert isinstance(module, nn.Module)
    return module.train()


SCALED: dict[str, Any] = {"layer_scale_init_value": 0.5}
"""1e-6 or 1e-5 unless told, with which fresh blocks do next to nothing."""

RESNET = {**FOUR_STAGES, "embedding_size": 8}

ENTRIES = [
    classifier("resnet", "ResNet", **RESNET),
    classifier("resnet_basic", "ResNet", **RESNET, layer_type="basic"),
    classifier("regnet", "RegNet", **RESNET, groups_width=8),
    classifier("bit", "Bit", **RESNET, num_groups=4, drop_path_rate=0.1),
    classifier("bit_bottleneck", "Bit", **RESNET, num_groups=4, layer_type="bottleneck"),
    classifier("mobilenet_v1", "MobileNetV1", depth_multiplier=0.25),
    classifier("mobilenet_v2", "MobileNetV2", depth_multiplier=0.25),
    classifier(
        "efficientnet",
        "EfficientNet",
        width_coefficient=0.25,
        depth_coefficient=0.5,
        hidden_dim=320,
    ),
    classifier("convnext", "ConvNext", **FOUR_STAGES, **SCALED, drop_path_rate=0.1),
    classifier("convnext_v2", "ConvNextV2", **FOUR_STAGES, drop_path_rate=0.1),
    classifier("focalnet", "FocalNet", embed_dim=8, depths=[1, 1, 1, 1], image_size=64),
    classifier("poolformer", "PoolFormer", **FOUR_STAGES, **SCALED, drop_path_rate=0.1),
    classifier(
        "levit",
        "Levit",
        image_size=64,
        hidden_sizes=[16, 24, 32],
        num_attention_heads=[1, 2, 2],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
    ),
    classifier("cvt", "Cvt", embed_dim=[8, 16, 24], num_heads=[1, 2, 3], depth=[1, 2, 3]),
    classifier(
        "swiftformer", "SwiftFormer", depths=[1, 1, 2, 1], embed_dims=[8, 16, 16, 24], **SCALED
    ),
    classifier(
        "mobilevit",
        "MobileViT",
        image_size=64,
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 64],
    ),
    classifier(
        "mobilevit_v2",
        "MobileViTV2",
        image_size=64,
        width_multiplier=0.25,
        n_attn_blocks=[1, 1, 1],
        base_attn_unit_dims=[64, 96, 128],
    ),
    classifier(
        "swin",
        "Swin",
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 2, 1],
        num_heads=[1] * 4,
        window_size=2,
    ),
    classifier("pvt_v2", "PvtV2", image_size=64, **ATTENTION),
    classifier("textnet", "TextNet", hidden_sizes=[8, 8, 16, 16, 24], stem_out_channels=8),
    classifier(
        "hgnet_v2",
        "HGNetV2",
        **RESNET,
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 16, 24, 24],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[16, 24, 24, 32],
        stage_numb_of_layers=[2, 2, 2, 2],
        use_learnable_affine_block=True,
    ),
    entry(
        "segformer",
        built(
            "SegformerForSemanticSegmentation",
            "SegformerConfig",
            **ATTENTION,
            decoder_hidden_size=16,
            num_labels=3,
        ),
        logits,
    ),
    entry(
        "deeplab_mobilenet_v2",
        built(
            "MobileNetV2ForSemanticSegmentation",
            "MobileNetV2Config",
            depth_multiplier=0.25,
            output_stride=8,
            num_labels=3,
        ),
        logits,
    ),
    entry(
        "rt_detr_resnet",
        built("RTDetrResNetBackbone", "RTDetrResNetConfig", **RESNET, out_features=["stage4"]),
        coarsest,
    ),
    entry(
        "pp_lcnet",
        built("PPLCNetForImageClassification", "PPLCNetConfig", scale=0.25, class_expand=64),
        hidden,  # So it calls its classes.
    ),
    entry("upernet", upernet, logits),
    entry("detr", detr, logits),
    Entry(
        "transformers_wav2vec2",
        "transformers",
        built(
            "Wav2Vec2Model",
            "Wav2Vec2Config",
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            conv_dim=[8] * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            apply_spec_augment=False,
        ),
        images(4000),
        hidden,
    ),
]
