"""Options that must change the speed alone: page-locked batches, the memory format, compilation."""

from dataclasses import fields

from utils.config import TrainConfig
from utils.training import build

import pytest
import torch

import train
from models import create_model
from tests.gpu.runs import apart, moved, needs_cuda
from tests.helpers.runs import assert_same_run, results


def losses(folder):
    return [float(row["train_loss"]) for row in results(folder)]


@pytest.mark.usefixtures("deterministic")
def test_page_locked_batches_change_no_bit(device, make_config):
    needs_cuda(device, "no memory is page-locked")
    changes = dict(model_prefix="regnetx", model_suffix="200mf", epochs=2, num_workers=2, use_benchmark=False)
    locked, plain = (train.run(make_config(pin_memory=pin, **changes)) for pin in (True, False))
    assert_same_run(locked, plain)


def test_the_memory_format_changes_roundings_alone(make_config):
    changes = dict(model_prefix="regnetx", model_suffix="200mf")  # which blows no rounding up
    changes |= dict(epochs=1, warmup_epochs=0, use_apex=False, init_lr=1e-3)
    last, first = (train.run(config := make_config(channels_last=chosen, **changes)) for chosen in (True, False))
    assert losses(last) == pytest.approx(losses(first), rel=1e-3)  # the roundings of two algorithms, within two steps
    assert apart(moved(last, config), moved(first, config)) <= 0.05


def offered():
    """What the config's key `compile` takes, besides False: a word a mode, or True where it is a switch."""
    [field] = [field for field in fields(TrainConfig) if field.name == "compile"]

    def takes(value):
        try:
            field.metadata["kind"].convert(value)
        except ValueError:
            return False
        return True

    return [word for word in ("default", "reduce-overhead") if takes(word)] or [True]


class Graphs:
    """An observer that notes how many graphs have been compiled at the end of each epoch."""

    every = 0

    def __init__(self):
        self.counts = [self.now()]

    def now(self):
        return torch._dynamo.utils.counters["stats"]["unique_graphs"]

    def on_step(self, step, figures): ...

    def on_epoch(self, epoch):
        self.counts.append(self.now())


@pytest.fixture
def shallow(monkeypatch, device):
    """A ResNet of a block a stage, which compiles in half the time; in a rehearsal it is traced alone."""

    def create(*names, **options):
        return create_model(*names, depths=(1, 1, 1, 1), **options)

    monkeypatch.setattr(build, "create_model", create)
    compile_model = torch.compile
    if device.type != "cuda":
        monkeypatch.setattr(torch, "compile", lambda model, **_: compile_model(model, backend="eager"))
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("names", [("resnet", "18"), ("mobilenetv3", "small"), ("convnext", "tiny")], ids=" ".join)
@pytest.mark.parametrize("amp_dtype", ["float16", "bfloat16"])
def test_recorded_steps_are_those_of_eager_ones(device, make_config, noted_recordings, names, amp_dtype):
    """Bit for bit, dropout and the last batch of another size among them: 21 images in batches of 4, in two epochs."""
    needs_cuda(device, "nothing is recorded")
    changes = dict(model_prefix=names[0], model_suffix=names[1], amp_dtype=amp_dtype, use_benchmark=False, epochs=2)
    changes |= dict(accumulate_steps=1, batch_size=4, init_lr=1e-3)
    graphs, eager = (train.run(make_config(cuda_graphs=word, **changes)) for word in ("auto", "none"))
    assert len(noted_recordings) == 1
    assert_same_run(graphs, eager)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("mode", "accumulate"), [*((mode, 1) for mode in offered()), ("default", 2)])
def test_compiled_steps_are_those_of_eager_ones_and_the_last_batch_compiles_nothing(
    device, make_config, noted_recordings, mode, accumulate
):
    """21 images in batches of 6, the last of 3, which stays eager; steps of one batch are recorded, too."""
    if mode != "default":
        needs_cuda(device, "one mode is traced as the other")
    changes = dict(model_prefix="resnet", model_suffix="18", epochs=2, warmup_epochs=0, init_lr=1e-3, use_apex=False)
    changes |= dict(accumulate_steps=accumulate)
    torch.compiler.reset()  # what tests before this one compiled counts towards the compiler's limit for a function
    graphs = Graphs()
    compiled = train.run(make_config(compile=mode, **changes), observers=[graphs])
    assert len(noted_recordings) == (device.type == "cuda" and mode == "default" and accumulate == 1)
    eager = train.run(make_config(cuda_graphs="none", **changes))
    before, first, *later = graphs.counts
    assert 1 <= first - before <= 3, "one for training, one for evaluation, one for the average"
    assert later == [first], "the second epoch compiles again"
    assert losses(compiled)[0] == pytest.approx(losses(eager)[0], rel=5e-3)  # other roundings, over two steps
    assert losses(compiled) == pytest.approx(losses(eager), rel=0.05)  # and over four, which make them grow
