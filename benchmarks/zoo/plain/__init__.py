"""Architectures in PyTorch alone, one to a file, written from their papers."""

from __future__ import annotations

from zoo.entry import Entry
from zoo.plain import (
    alexnet,
    branchy_net,
    conv_mixer,
    convnext,
    deeplab_v3,
    densenet,
    efficientnet,
    googlenet,
    group_norm_resnet,
    inception_v3,
    lenet,
    mnasnet,
    mobilenet_v2,
    mobilenet_v3,
    norm_free_resnet,
    pyramid_detector,
    regnet,
    repvgg,
    resnet,
    resnet_1d,
    resnext,
    shufflenet_v2,
    siamese,
    sn_gan,
    squeezenet,
    style_transfer,
    unet,
    vgg,
    video_resnet,
    wide_resnet,
    yolo,
)

FILES = (
    *(lenet, alexnet, vgg, squeezenet, norm_free_resnet),
    *(resnet, resnext, group_norm_resnet, wide_resnet, regnet, densenet, repvgg),
    *(googlenet, inception_v3, mobilenet_v2, mobilenet_v3, mnasnet, efficientnet, shufflenet_v2),
    *(convnext, conv_mixer, resnet_1d, video_resnet),
    *(unet, deeplab_v3, pyramid_detector, yolo, style_transfer, sn_gan, siamese, branchy_net),
)
"""Those without norms first, then classifiers, then the rest."""

ENTRIES: list[Entry] = [entry for file in FILES for entry in file.ENTRIES]
