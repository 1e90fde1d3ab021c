"""The learning rate at values worked out by hand, and its torch form."""

from utils.config import TrainConfig
from utils.training.schedulers import learning_rate, make_scheduler

import pytest
import torch

STEPS = 4  # steps per epoch
STEP = dict(scheduler_type="step_lr", steps=(3, 5), init_lr=0.1)
EXPONENTIAL = dict(scheduler_type="exponential_lr", init_lr=0.1)
COSINE = dict(scheduler_type="cosine_lr", init_lr=0.1, min_lr=0.02)


def config(**values):
    return TrainConfig.plain(**{"epochs": 10, "warmup_epochs": 2, **values})


@pytest.mark.parametrize(
    ("values", "step", "expected"),
    [
        # linear warm-up over 8 steps, from 0.05 to 1 of init_lr, then the schedule
        (COSINE, 0, 0.005),
        (COSINE, 1, 0.1 * (0.05 + 0.95 / 8)),
        (COSINE, 4, 0.0525),
        (COSINE, 7, 0.1 * (0.05 + 0.95 * 7 / 8)),
        (COSINE, 8, 0.1),
        # cosine over 32 steps: half-way at 24, a quarter at 16
        (COSINE, 16, 0.06 + 0.04 * 2**-0.5),
        (COSINE, 24, 0.06),
        (COSINE, 32, 0.06 - 0.04 * 2**-0.5),
        (COSINE, 40, 0.02),
        ({**COSINE, "warmup_epochs": 0}, 0, 0.1),
        ({**COSINE, "warmup_epochs": 0}, 20, 0.06),
        # constant warm-up
        ({**COSINE, "warmup_type": "constant"}, 0, 0.1 / 3),
        ({**COSINE, "warmup_type": "constant"}, 7, 0.1 / 3),
        ({**COSINE, "warmup_type": "constant"}, 8, 0.1),
        # falls at epochs 3 + 2 and 5 + 2, gamma 0.1
        (STEP, 8, 0.1),
        (STEP, 19, 0.1),
        (STEP, 20, 0.01),
        (STEP, 27, 0.01),
        (STEP, 28, 0.001),
        (STEP, 39, 0.001),
        ({**STEP, "warmup_epochs": 0}, 11, 0.1),
        ({**STEP, "warmup_epochs": 0}, 12, 0.01),
        ({**STEP, "lr_gamma": 0.5}, 39, 0.025),
        ({**STEP, "steps": (5, 3)}, 20, 0.01),
        # falls at the end of each epoch after the warm-up, gamma 0.9
        (EXPONENTIAL, 8, 0.1),
        (EXPONENTIAL, 11, 0.1),
        (EXPONENTIAL, 12, 0.09),
        (EXPONENTIAL, 39, 0.1 * 0.9**7),
        ({**EXPONENTIAL, "lr_gamma": 0.5, "warmup_epochs": 0}, 8, 0.025),
        # never above init_lr, also where the warm-up ends within an epoch
        ({**EXPONENTIAL, "lr_gamma": 0.1, "warmup_epochs": 0.5}, 2, 0.1),
        ({**EXPONENTIAL, "lr_gamma": 0.1, "warmup_epochs": 0.5}, 4, 0.01),
        ({**EXPONENTIAL, "lr_gamma": 0.0, "warmup_epochs": 1.5}, 6, 0.1),
        ({**EXPONENTIAL, "lr_gamma": 0.0, "warmup_epochs": 1.5}, 8, 0.0),
    ],
)
def test_the_rate_is_the_one_worked_out_by_hand(values, step, expected):
    assert learning_rate(config(**values), step, STEPS) == pytest.approx(expected, rel=1e-12)


def test_the_last_step_of_a_cosine_is_near_the_floor():
    values = config(epochs=100, warmup_epochs=5, min_lr=1e-7)
    last = learning_rate(values, 100 * 50 - 1, 50)
    assert 1e-7 < last < 1e-7 + 1e-6 * values.init_lr


@pytest.mark.parametrize("values", [COSINE, STEP, EXPONENTIAL, {**COSINE, "warmup_epochs": 0}])
@pytest.mark.parametrize("warmup_type", ["linear", "constant"])
@pytest.mark.parametrize("steps_per_epoch", [1, 3, 7])
def test_the_torch_scheduler_follows_it_through_a_run(values, warmup_type, steps_per_epoch):
    values = config(**values, warmup_type=warmup_type)
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [parameters[0]], "weight_decay": 0.1}, {"params": [parameters[1]]}]
    optimizer = torch.optim.SGD(groups, values.init_lr)
    scheduler = make_scheduler(optimizer, values, steps_per_epoch)
    for step in range(10 * steps_per_epoch):
        expected = learning_rate(values, step, steps_per_epoch)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([expected] * 2, rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_the_torch_scheduler_goes_on_from_its_state():
    def new():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
        return optimizer, make_scheduler(optimizer, config(), STEPS)

    optimizer, scheduler = new()
    for _ in range(13):
        optimizer.step()
        scheduler.step()
    again, resumed = new()
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(scheduler.state_dict())
    for both in ((optimizer, scheduler), (again, resumed)):
        both[0].step()
        both[1].step()
    assert again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] == pytest.approx(
        learning_rate(config(), 14, STEPS)
    )  # fmt: skip
