"""What is measured on a GPU: a network of ours, its namesakes elsewhere, and how they are trained in a comparison."""

from dataclasses import dataclass

CLASSES = 1000
LEARNING_RATE = 1e-4  # small: random images have nothing to teach
MOMENTUM, SMOOTHING = 0.9, 0.1

PEERS = {  # (prefix, suffix): timm's name, torchvision's
    ("resnet", "18"): ("resnet18", "resnet18"),
    ("resnet", "50"): ("resnet50", "resnet50"),
    ("mobilenetv3", "small"): ("mobilenetv3_small_100", "mobilenet_v3_small"),
    ("mobilenetv3", "large"): ("mobilenetv3_large_100", "mobilenet_v3_large"),
    ("convnext", "tiny"): ("convnext_tiny", "convnext_tiny"),
    ("vit", "base-patch16"): ("vit_base_patch16_224", "vit_b_16"),
    ("swint", "tiny-224"): ("swin_tiny_patch4_window7_224", "swin_t"),
}
DROP_PATH = {"convnext": 0.1, "swint": 0.2}  # of our variants, and of torchvision's
DROPOUT = {"mobilenetv3": 0.2}  # before the last layer, of ours and of torchvision's
ADAMW = {"convnext", "vit", "swint"}  # families that are trained with it, the others with SGD


@dataclass(frozen=True)
class Row:
    prefix: str
    suffix: str
    batch_size: int
    compile: bool = False
    img_size: int = 224
    ema: bool = False
    cuda_graphs: str = "auto"  # of ours

    @property
    def network(self) -> str:
        return f"{self.prefix} {self.suffix}"

    @property
    def title(self) -> str:
        return f"{self.network} x{self.batch_size}{' compiled' if self.compile else ''}"

    @property
    def optimizer(self) -> str:
        return "adamw" if self.prefix in ADAMW else "sgd"

    @property
    def weight_decay(self) -> float:
        return 0.05 if self.prefix in ADAMW else 1e-4

    @property
    def drop_path(self) -> float:
        return DROP_PATH.get(self.prefix, 0.0)

    @property
    def dropout(self) -> float:
        return DROPOUT.get(self.prefix, 0.0)

    def peer(self, place: int) -> str:
        """The name of the same network in timm (0) or torchvision (1). Raises ValueError if none is known."""
        if (self.prefix, self.suffix) not in PEERS:
            raise ValueError(f"no namesake of {self.network} is listed")
        return PEERS[self.prefix, self.suffix][place]


@dataclass(frozen=True)
class Loading:
    """How photographs are loaded."""

    folder: str  # of class folders
    images: int  # of an epoch: the files of the folder, repeated
    batch_size: int
    workers: int
    img_size: int = 224
    augment: str = "simple"

    @property
    def batches(self) -> int:
        return self.images // self.batch_size
