"""More networks of torchvision: narrow ones, or few blocks of them."""

from __future__ import annotations

from matrix.networks import Known, tv
from torch import nn


def vgg(batch_norm: bool) -> nn.Module:
    from torchvision.models.vgg import VGG, make_layers

    stages = [8, "M", 16, "M", 24, 24, "M", 32, "M", 512, "M"]
    network = VGG(make_layers(stages, batch_norm=batch_norm), num_classes=5)
    network.classifier = nn.Sequential(nn.Linear(512 * 7 * 7, 16), nn.ReLU(), nn.Linear(16, 5))
    return network


def resnet(kind: str, **options: int) -> nn.Module:
    from torchvision.models import resnet as of

    return of.ResNet(getattr(of, kind), [1, 1, 1, 1], num_classes=5, **options)


def densenet() -> nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(8, (2, 2, 2, 2), 16, num_classes=5)


BARE = {"init_weights": False, "aux_logits": False}  # its own start takes long
TORCHVISION = (
    Known("torchvision AlexNet", tv("alexnet"), "features|avgpool", "maps", (6, 6), 0, (3, 224, 224)),
    Known("torchvision VGG", lambda: vgg(False), "features|avgpool", "maps", (7, 7), 0, (3, 224, 224)),
    Known("torchvision VGG, bn", lambda: vgg(True), "features|avgpool", "maps", (7, 7), 0, (3, 224, 224)),
    # its head is a convolution: the last maps are those of the classes
    Known("torchvision SqueezeNet 1.0", tv("squeezenet1_0"), "features|classifier.2", "maps", (3, 3)),
    Known("torchvision SqueezeNet 1.1", tv("squeezenet1_1"), "features|classifier.2", "maps", (3, 3)),
    Known("torchvision MobileNetV2", tv("mobilenet_v2", width_mult=0.25), "features", "maps", (2, 2)),
    Known("torchvision MobileNetV3, small", tv("mobilenet_v3_small"), "features", "maps", (2, 2)),
    Known("torchvision MobileNetV3, large", tv("mobilenet_v3_large"), "features", "maps", (2, 2)),
    Known("torchvision ShuffleNetV2", tv("shufflenet_v2_x0_5"), "conv5", "maps", (2, 2)),
    Known("torchvision MNASNet", tv("mnasnet0_5"), "layers", "maps", (2, 2)),
    Known("torchvision EfficientNet", tv("efficientnet_b0"), "features", "maps", (2, 2)),
    Known("torchvision RegNetX", tv("regnet_x_400mf"), "trunk_output", "maps", (2, 2)),
    Known("torchvision RegNetY", tv("regnet_y_400mf"), "trunk_output", "maps", (2, 2)),
    Known("torchvision ResNet, bottleneck", lambda: resnet("Bottleneck"), "layer4", "maps", (2, 2)),
    Known(
        "torchvision ResNeXt",
        lambda: resnet("Bottleneck", groups=32, width_per_group=4),
        *("layer4", "maps", (2, 2)),
    ),
    Known(
        "torchvision ResNet, wide",
        lambda: resnet("Bottleneck", width_per_group=128),
        *("layer4", "maps", (2, 2)),
    ),
    Known("torchvision DenseNet, narrow", densenet, "features", "maps", (2, 2)),
    Known("torchvision GoogLeNet", tv("googlenet", **BARE), "inception5b", "maps", (2, 2)),
    Known(
        "torchvision Inception v3",
        tv("inception_v3", **BARE),
        *("Mixed_7c", "maps", (3, 3), 0, (3, 139, 139)),
    ),
)
