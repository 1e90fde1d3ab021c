"""The keys of a training and a prediction: the schema of `train_config.py` and `predict_config.py`.

Every key is declared once, here; docs/configuration.md, --help and the shipped files are rendered from it. All problems
of a file are reported together, before anything is written.
"""

from dataclasses import dataclass
from typing import Any, Literal

from ..data.crops import AREA, ASPECT
from ..data.images import MAX_PIXELS
from ..data.policies import FILLS, POLICIES
from ..data.preprocess import INTERPOLATION, TTA
from ..data.resizing import RESIZE_MODES
from ..trackers.registry import TRACKERS
from ..training.metrics import MONITORS
from ..training.objective import LOSSES
from ..training.optim import OPTIMIZERS
from ..training.schedulers import SCHEDULES, WARMUPS
from .schema import (
    auto_key,
    auto_keys,
    auto_or,
    choice,
    either,
    flag,
    id_list,
    integer,
    key,
    number,
    path,
    paths,
    plain_values,
    sequence,
    some_of,
    text,
)

TITLE_OF_A_RUN = "The configuration of a run: python train.py --config with this file starts it again."

PAIR = sequence(integer(1), length=2)
THREE = sequence(number(0, 1), length=3)


DROP = "chance that {} is left out in training"
RESIZE = "to val_resize whatever the shape; until it covers val_resize; or whole into img_size, between bars"
LARGEST = "pixels, height x width, that an image may have; larger ones are refused as decompression bombs"
THREADS = "threads that a CPU computes with; auto: its cores, by affinity and quota"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The keys of train_config.py; sizes are (height, width), rates and probabilities 0..1.

    A key may be 'auto' until utils/recipe has found its value from the data, the weights and the network: types are
    those of then.
    """

    config_path: str = key("", path(), "another config file to read instead of this one", group="Run")
    log_root: str = key("./logs", path(), "runs go to log_root/<prefix>_<suffix>/<exp_name>N")
    exp_name: str = key("exp", text(), "N counts up and is never reused; _N behind a digit")
    only_val: bool = key(False, flag(), "evaluate load_from on val, write tables and plots, do not train")
    split: str = key("val", choice("val", "test", "train"), "the folder of pictures that only_val evaluates on")
    calibrate: bool = key(True, flag(), "fit best.pth a temperature on val, for predict's probabilities")
    keep_features: bool = key(True, flag(), "store in best.pth what predict's reject goes by")
    tta: str = key("none", choice(*TTA), "views of an image that only_val averages")
    seed: int = key(0, integer(0), "with it a run repeats, whatever the number of workers")
    loggers: tuple = key((), some_of(*TRACKERS), "trackers of each epoch's figures, see docs/trackers.md")
    project: str = key("image-classification", text(), "of a tracker, which the run belongs to")
    run_name: str = key("", text(), "of the run in trackers; '' is <prefix>_<suffix>/<exp_name>N")

    model_prefix: str = key("resnet", text(), "family of the network", group="Network")
    model_suffix: str = key("18", text(), "its variant")
    load_from: str = key("", path(), "weights to start from, or the checkpoint to resume; a run's folder: its best.pth")
    pretrained: bool | str = key(
        False, either(flag(), text()), "True starts from the public weights in docs/networks.md, or a name in there"
    )
    weights_dir: str = key("", path(), "folder of public weights; '' is torch hub's cache, which TORCH_HOME moves")
    weights_mirror: str = key("", text(), "host in place of the one that public weights come from: https://...")
    resume: bool = key(False, flag(), "continue the run that wrote load_from, in its own folder")
    use_ema: bool = auto_key(
        False, flag(), "average the weights over time; evaluated and reported beside the raw ones", example=True
    )
    ema_decay: float = auto_key(0.9998, number(0, 1), "share of the average that an update keeps, after a warm-up")
    ema_steps: int = key(1, integer(1), "optimizer steps between two updates of the average")

    num_classes: int | Literal["auto"] = key(
        "auto", auto_or(integer(1)), "must agree with the folders of train", group="Data"
    )
    img_path: str = key("./data/digits", path(), "folder with train/<class>/* and val/<class>/*")
    on_bad_image: str = key("error", choice("error", "skip"), "what to do about an unreadable file; skip names it")
    max_image_pixels: int = key(MAX_PIXELS, integer(1), LARGEST)
    cache: str = key("none", choice("none", "ram"), "whether decoded images are kept in memory; they must fit")
    list_cache: str = key(
        "auto", choice("auto", "none"), "auto remembers which files large folders hold, until one of them changes"
    )
    mean: tuple = auto_key((0.5, 0.5, 0.5), THREE, "of images in 0..1; ImageNet weights want [0.485, 0.456, 0.406]")
    std: tuple = auto_key(
        (0.5, 0.5, 0.5), sequence(number(above=0), length=3), "ImageNet weights want [0.229, 0.224, 0.225]"
    )
    img_size: tuple = auto_key((224, 224), PAIR, "height and width that the network sees")
    val_resize: tuple = auto_key((256, 256), PAIR, "val is resized to this, then centre-cropped to img_size")
    resize_mode: str = auto_key("squash", choice(*RESIZE_MODES), RESIZE)
    interpolation: str = auto_key("bilinear", choice(*INTERPOLATION), "between pixels, of that; antialiased")
    pad_value: int = key(128, integer(0, high=255), "grey of the bars of letterbox")
    num_workers: int | Literal["auto"] = key(
        "auto", auto_or(integer(0)), "loading processes per training process; 0 works everywhere"
    )
    batch_size: int = auto_key(128, integer(1), "images per batch and process")
    persistent_workers: bool = key(True, flag(), "keep the workers between epochs")
    pin_memory: bool = key(True, flag(), "page-locked batches for faster copies; CUDA only")

    augment: str = auto_key(
        "tawide",
        choice(*POLICIES),
        "policy after crop and flip: none, RandAugment, TrivialAugmentWide, AutoAugment of that set, AugMix, 3-Augment",
        group="Augmentation",
    )
    horizontal_flip: float = auto_key(0.5, number(0, 1), "chance that an image is mirrored")
    vertical_flip: float = key(0.0, number(0, 1), "chance that an image is turned upside down")
    crop_scale: tuple = auto_key(
        AREA, sequence(number(0.01, 1), length=2), "least and greatest share of the area in a crop", example=(0.25, 1.0)
    )
    crop_ratio: tuple = key(
        ASPECT, sequence(number(0.01, 100), length=2), "least and greatest width of a crop, in heights"
    )
    rotate: float = key(0.0, number(0, 180), "degrees that an image is turned by at most, either way")
    fill: str = key(
        "mean", choice(*FILLS), "of what comes into a turned or shifted picture: the colour `mean`", plain="black"
    )
    color_jitter: float = key(0.0, number(0, 1), "greatest change of brightness, contrast and saturation, as a share")
    grayscale_prob: float = key(0.0, number(0, 1), "chance that an image loses its colours")
    blur_prob: float = key(0.0, number(0, 1), "chance that an image is blurred")
    random_erase_prob: float = auto_key(
        0.0, number(0, 1), "chance that a rectangle of an image is blanked", example=0.25
    )
    mixup_prob: float = auto_key(0.0, number(0, 1), "chance that a batch is blended with itself", example=0.5)
    cutmix_prob: float = auto_key(
        0.0, number(0, 1), "chance that a batch swaps boxes; both > 0: one of them is drawn", example=0.5
    )
    mix_off_epochs: int = auto_key(0, integer(0), "the last epochs train without mixing", example=5)

    freeze: str = key(
        "",
        text(),
        "what is never trained: '', 'body' (all but the head), 'stages:N' or a regular expression of names",
        group="Fine-tuning",
    )
    head_init: str = auto_key(
        "default",
        choice("default", "probe"),
        "how a head begins that loaded weights do not bring: at random, or fitted to what their body makes of train",
    )
    freeze_epochs: int = auto_key(0, integer(0), "the first epochs train the head alone", example=1)
    freeze_bn: bool = auto_key(
        False, flag(), "BatchNorm goes by the averages that weights bring, which stay as they are", example=True
    )
    layer_decay: float = auto_key(
        1.0, number(0.01, 1), "learning rate of a stage, as a share of the stage behind it", example=0.9
    )
    head_lr_mult: float = auto_key(
        1.0, number(above=0), "learning rate of the head, in multiples of init_lr", example=10.0
    )
    drop_path: float | Literal["auto"] = auto_key(
        "auto", number(0, 0.99), DROP.format("a residual branch"), example=0.1
    )
    dropout: float | Literal["auto"] = auto_key(
        "auto", number(0, 0.99), DROP.format("a value before the head"), example=0.2
    )

    epochs: int = auto_key(100, integer(1), "passes over train", group="Optimisation")
    monitor: str = key("accuracy", choice(*MONITORS), "the figure of val by which the best epoch is chosen")
    patience: int = key(0, integer(0), "epochs without progress of it that end the run; 0: none do")
    min_delta: float = key(0.0, number(0), "progress is more than this")
    start_from_epoch: int = key(0, integer(0), "so many first epochs do not count for patience")
    max_minutes: float = key(0, number(0), "minutes until the run ends, if epochs is auto; 0 is no limit")
    optimizer_type: str = auto_key("sgd", choice(*OPTIMIZERS), "how gradients move weights")
    init_lr: float = auto_key(0.1, number(above=0), "learning rate after the warm-up", example=0.001)
    momentum: float = key(0.9, number(0, 1), "of sgd and rmsprop")
    nesterov: bool = key(False, flag(), "Nesterov's momentum, sgd only")
    weight_decay: float = auto_key(1e-4, number(0), "on weight matrices and kernels; biases and norms are left alone")
    betas: tuple = key((0.9, 0.999), sequence(number(0, 1), length=2), "of adam and adamw")
    eps: float = key(1e-6, number(above=0), "of adam, adamw and rmsprop")
    accumulate_steps: int = key(1, integer(1), "batches per optimizer step")
    clip_grad: float | bool = auto_key(
        False, either(flag(), number(above=0)), "norm to clip gradients at; True means 1", example=1.0
    )
    loss_type: str = key("CELoss", choice(*LOSSES), "the second smooths labels by 0.1")
    smoothing: float = auto_key(0.0, number(0, 1), "label smoothing", example=0.1)

    scheduler_type: str = key(
        "cosine_lr",
        choice(*SCHEDULES),
        "cosine down to min_lr, x lr_gamma at each of steps + warmup_epochs, or x lr_gamma an epoch",
        group="Learning rate",
    )
    min_lr: float = auto_key(1e-7, number(0), "floor of the cosine")
    lr_gamma: float | Literal["auto"] = key(
        "auto", auto_or(number(0, 1)), "auto: 0.1 for step_lr, 0.9 for exponential_lr"
    )
    steps: tuple = auto_key((30, 60, 90), sequence(integer(1)), "epochs after the warm-up at which step_lr falls")
    warmup_epochs: float = auto_key(5, number(0), "counted within epochs, in parts of one too; 0 means none")
    warmup_type: str = key("linear", choice(*WARMUPS), "rise from 0.05 x init_lr, or hold 1/3 of it")

    device: str = key("auto", text(), "'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'", group="Machine")
    num_threads: int | Literal["auto"] = key("auto", auto_or(integer(1, high=1024)), THREADS)
    use_benchmark: bool = key(True, flag(), "let cuDNN time its algorithms")
    use_apex: bool = key(True, flag(), "mixed precision; on a CPU only if amp_dtype names bfloat16")
    amp_dtype: str = key("auto", choice("auto", "float16", "bfloat16"), "auto is what suits the GPU")
    channels_last: bool = key(True, flag(), "memory format that convolutions prefer")
    compile: bool | str = key(
        False, either(flag(), choice("default", "reduce-overhead")), "torch.compile; True is its mode 'default'"
    )
    cuda_graphs: str = key(
        "auto", choice("auto", "none"), "auto records steps as CUDA graphs where one process trains on one GPU"
    )
    save_steps: int = key(0, integer(0), "also write last.pth every so many optimizer steps")
    keep: str = key("all", choice("all", "best"), "best deletes last.pth and previous.pth once the run has ended well")
    world_size: int | Literal["auto"] = key("auto", auto_or(integer(1)), "processes; comes from the launcher")
    gpu_ids: tuple | Literal["auto"] = key("auto", auto_or(id_list()), "GPUs of the processes on this machine")
    dist_backend: str = key("auto", choice("auto", "nccl", "gloo"), "auto is nccl on CUDA, gloo elsewhere")
    dist_url: str = key("env://", text(), "where the processes meet")
    sync_bn: bool = key(False, flag(), "BatchNorm statistics over all processes")

    @classmethod
    def plain(cls, **values: Any) -> "TrainConfig":
        """Without a key that waits for its rule: `values`, and for the others what runs had before there were rules."""
        return cls(**{**plain_values(cls), **values})

    @property
    def gamma(self) -> float:
        return self.lr_gamma if self.lr_gamma != "auto" else 0.1 if self.scheduler_type == "step_lr" else 0.9

    @property
    def clip_norm(self) -> float:
        """Norm at which gradients are clipped; infinity where they are not."""
        return float("inf") if self.clip_grad is False else float(self.clip_grad)


AUTO_KEYS = auto_keys(TrainConfig)


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """The keys of predict_config.py. Those of foreign weights are read from a checkpoint of ours."""

    load_from: str = key(
        "", path(), "checkpoint, or a run's folder; '' is best.pth of the newest run in ./logs", group="What to predict"
    )
    predict_img_path: str | tuple[str, ...] = key(
        "./data/digits/val/3/0045.png", paths(), "an image, a folder (nested ones too) or a glob; or a list of them"
    )
    device: str = key("auto", text(), "'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'")
    num_threads: int | Literal["auto"] = key("auto", auto_or(integer(1, high=1024)), THREADS)
    batch_size: int = key(32, integer(1), "images at a time")
    topk: int = key(5, integer(1), "classes to name for each image")
    output: str = key("", path(), "csv or json file; '' writes beside the checkpoint")
    resume: bool = key(False, flag(), "go on where a job with the same output was killed")
    embed: str = key("", path(), ".npz file of what the network makes of each image before its head; '' writes none")
    sort_into: str = key("", path(), "folder that gets the images, in a folder for each class; '' leaves them alone")
    sort_as: str = key("copy", choice("copy", "link"), "how sort_into gets them")
    tta: str = key(
        "none", choice(*TTA), "views of an image whose probabilities are averaged: itself; mirrored; 5 crops"
    )
    reject: str = key("none", choice("none", "confidence", "knn"), "by what an image is said to be of no known class")
    min_confidence: float | Literal["auto"] = key(
        "auto", auto_or(number(0, 1)), "of reject = 'confidence'; auto keeps 95 % of val"
    )
    max_image_pixels: int = key(MAX_PIXELS, integer(1), LARGEST)
    model_prefix: str = key(
        "", text(), "family of the network", group="Only for weights that are no checkpoint of ours"
    )
    model_suffix: str = key("", text(), "its variant")
    class_indices_path: str = key("", path(), "json file {'0': 'cat', ...}")
    num_classes: int | Literal["auto"] = key("auto", auto_or(integer(1)), "auto: as many as class_indices_path names")
    mean: tuple = key((0.485, 0.456, 0.406), THREE, "of images in 0..1")
    std: tuple = key((0.229, 0.224, 0.225), sequence(number(above=0), length=3), "of images in 0..1")
    img_size: tuple = key((224, 224), PAIR, "height and width that the network sees")
    val_resize: tuple = key((256, 256), PAIR, "images are resized to this, then centre-cropped to img_size")
    resize_mode: str = key("squash", choice(*RESIZE_MODES), RESIZE)
    interpolation: str = key("bilinear", choice(*INTERPOLATION), "between pixels, of that; antialiased")
    pad_value: int = key(128, integer(0, high=255), "grey of the bars of letterbox")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths and globs of predict_img_path."""
        return (self.predict_img_path,) if isinstance(self.predict_img_path, str) else self.predict_img_path
