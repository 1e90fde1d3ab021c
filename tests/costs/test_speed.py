"""tools/fps.py and tools/throughput.py: what is timed and under which setting, tables, failures, going on."""

from utils import tables
from utils.costs import speed
from utils.costs import survey as speed_survey
from utils.costs.picture import speed_against_arithmetic
from utils.costs.speed import Setting, Speed, measure

import pytest
import torch
from PIL import Image

import train
from models import create_model
from tests.helpers import ROOT
from tools import fps, throughput

FAMILY = (
    "--model-prefix",
    "squeezenet",
    "--img-size",
    "32",
    "32",
    "--rounds",
    "2",
    "--warmup",
    "1",
    "--num-classes",
    "5",
)
ONE = (*FAMILY, "--model-suffix", "1.1")


class Watch:
    """In place of `interleaved`: keeps what is to be timed, calls it once and reports 0.1 s, then 0.3 s."""

    def __call__(self, callables, *, rounds, warmup, device):
        [self.call] = callables.values()
        self.rounds, self.warmup, self.device = rounds, warmup, device
        self.threads = torch.get_num_threads()
        self.inference = torch.is_inference_mode_enabled()
        self.logits = self.call()
        return {name: [0.1, 0.3] for name in callables}


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    monkeypatch.setattr(speed, "interleaved", watch)
    return watch


@pytest.mark.parametrize("dtype", speed.DTYPES)
@pytest.mark.parametrize("channels_last", [True, False])
def test_the_network_runs_under_the_setting(watch, dtype, channels_last):
    model = create_model("squeezenet", "1.1", 5).eval()
    setting = Setting(torch.device("cpu"), dtype, channels_last, False, threads=2, warmup=4, rounds=6)
    result = measure(model, (32, 48), 3, setting)
    [images] = watch.call.args
    expected = getattr(torch, dtype)
    assert images.shape == (3, 3, 32, 48)
    assert {tensor.dtype for tensor in (images, watch.logits, *model.parameters())} == {expected}
    assert images.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert model.features[0].weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert watch.logits.shape == (3, 5)
    assert (watch.rounds, watch.warmup, watch.threads, watch.inference) == (6, 4, 2, True)
    assert (result.median, result.images_per_second) == pytest.approx((0.2, 15.0))
    assert result.p95 == pytest.approx(0.29)


def test_compiled_anew_for_each_measurement(watch, monkeypatch):
    events = []

    def compile_(model, **options):
        events.append(("compile", options))
        return model

    monkeypatch.setattr(torch, "compile", compile_)
    monkeypatch.setattr(torch.compiler, "reset", lambda: events.append("reset"))
    setting = Setting(torch.device("cpu"), "float32", True, True, threads=1, warmup=1, rounds=1)
    for batch_size in (1, 2):
        measure(create_model("squeezenet", "1.1", 5).eval(), (32, 32), batch_size, setting)
    assert events == ["reset", ("compile", {"dynamic": False})] * 2


def test_peak_memory_counts_what_is_held(watch, monkeypatch):
    monkeypatch.setattr(speed, "peak_growth", lambda call: 1000)
    model = create_model("squeezenet", "1.1", 5).eval()
    setting = Setting(torch.device("cpu"), "bfloat16", True, False, threads=1, warmup=1, rounds=1)
    held = 2 * (sum(parameter.numel() for parameter in model.parameters()) + 4 * 3 * 32 * 32)
    assert measure(model, (32, 32), 4, setting).peak_memory == held + 1000
    monkeypatch.setattr(speed, "peak_growth", lambda call: None)
    assert measure(model, (32, 32), 4, setting).peak_memory is None


def test_words_reach_the_measurement(monkeypatch, tmp_path):
    seen = []

    def fake(model, img_size, batch_size, setting):
        seen.append((img_size, batch_size, setting))
        return Speed(batch_size, 0.1, 0.2, None)

    monkeypatch.setattr(speed_survey, "measure", fake)
    words = ["--device", "cpu", "--dtype", "bfloat16", "--no-channels-last", "--compile", "--threads", "3"]
    assert throughput.main([*ONE, "--batch-sizes", "8", "2", "8", *words]) == 0
    expected = Setting(torch.device("cpu"), "bfloat16", False, True, threads=3, warmup=1, rounds=2)
    assert seen == [((32, 32), 2, expected), ((32, 32), 8, expected)]
    seen.clear()
    assert fps.main([*ONE, "--device", "cpu"]) == 0
    default = Setting(torch.device("cpu"), "float32", True, False, torch.get_num_threads(), warmup=1, rounds=2)
    assert seen == [((32, 32), 1, default)]


def test_one_network_from_another_folder(python, tmp_path):
    done = python(tmp_path, [str(ROOT / "tools" / "fps.py"), *ONE, "--threads", "1"])
    assert (done.returncode, done.stderr) == (0, "")
    headers, row, _, *notes = done.stdout.splitlines()
    assert headers.split()[:6] == ["network", "size", "batch", "median", "ms", "p95"]
    assert row.split()[:4] == ["squeezenet", "1.1", "32x32", "1"]
    assert all(
        text in notes[0] for text in ("cpu", "float32", "channels_last", "threads 1", f"torch {torch.__version__}")
    )
    assert list(tmp_path.iterdir()) == []


def test_a_family_writes_table_and_plot(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "logs" / "other"
    folder.mkdir(parents=True)
    (folder / "throughput.png").write_bytes(b"mine")
    assert throughput.main([*FAMILY, "--batch-sizes", "1", "2"]) == 0
    rows = tables.read_csv(folder / "throughput_1.csv")
    assert [(row["model_suffix"], row["batch_size"]) for row in rows] == [
        ("1.0", "1"),
        ("1.0", "2"),
        ("1.1", "1"),
        ("1.1", "2"),
    ]
    for row in rows:
        assert float(row["images_per_second"]) == pytest.approx(1e3 * int(row["batch_size"]) / float(row["median_ms"]))
        assert float(row["median_ms"]) <= float(row["p95_ms"])
        assert (row["dtype"], row["memory_format"], row["error"]) == ("float32", "channels_last", "")
    with Image.open(folder / "throughput_1.png") as picture:
        assert min(picture.size) > 500
    assert (folder / "throughput.png").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]


def test_networks_of_a_family_are_points_without_a_line():
    setting = dict(device="cpu", dtype="float32", memory_format="channels_last", threads=1, batch_size=1, error=None)
    row = dict(model_prefix="squeezenet", height=224, width=224, additions=0, **setting)
    speeds = {"1.0": (8e8, 30.0), "1.1": (3e8, 60.0)}
    rows = [
        {**row, "model_suffix": name, "multiply_adds": adds, "images_per_second": speed}
        for name, (adds, speed) in speeds.items()
    ]
    [line] = speed_against_arithmetic(rows).axes[0].lines
    assert line.get_linestyle() == "None"
    assert sorted(zip(*line.get_data())) == [(0.3, 60.0), (0.8, 30.0)]


def test_a_table_without_a_row_leaves_no_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def stopped(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(speed_survey, "measure_network", stopped)
    assert fps.main(list(FAMILY)) == 130
    assert list((tmp_path / "logs" / "other").iterdir()) == []


def test_a_checkpoint_says_everything(make_config, watch, capsys):
    best = train.run(make_config(epochs=2)) / "best.pth"
    assert fps.main(["--weights", str(best)]) == 0
    assert watch.logits.shape == (1, 3)
    assert "shufflenetv2 0.5  32x32" in capsys.readouterr().out


def failing(batch_sizes, calls):
    """A measurement that has no memory for some batch sizes."""

    def fake(model, img_size, batch_size, setting):
        calls.append((model.model_name[1], batch_size))
        if batch_size in batch_sizes:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")
        return Speed(batch_size, 0.1, 0.2, 10 * 2**20)

    return fake


def test_a_failure_is_a_row_and_the_rest_goes_on(monkeypatch, tmp_path, capsys):
    path, calls = tmp_path / "table.csv", []
    monkeypatch.setattr(speed_survey, "measure", failing({8}, calls))
    words = [*FAMILY, "--batch-sizes", "2", "8", "16", "--output", str(path)]
    assert throughput.main(words) == 0
    rows = tables.read_csv(path)
    assert len(rows) == len(calls) == 6
    assert [row["batch_size"] for row in rows if "out of memory" in row["error"]] == ["8", "8"]
    assert {row["images_per_second"] for row in rows} == {"20.0", "", "160.0"}
    assert "out of memory" in capsys.readouterr().out
    calls.clear()
    monkeypatch.setattr(speed_survey, "measure", failing(set(), calls))
    assert throughput.main([*words, "--resume"]) == 0
    assert calls == [("1.0", 8), ("1.1", 8)]  # what had failed, and nothing else
    assert [row["images_per_second"] for row in tables.read_csv(path)] == ["20.0", "80.0", "160.0"] * 2


def test_what_was_measured_survives_a_stop(monkeypatch, tmp_path):
    path, calls = tmp_path / "table.json", []

    def stopped(model, img_size, batch_size, setting):
        if model.model_name[1] == "1.1":
            raise KeyboardInterrupt
        return Speed(batch_size, 0.1, 0.2, None)

    monkeypatch.setattr(speed_survey, "measure", stopped)
    assert fps.main([*FAMILY, "--output", str(path)]) == 130
    monkeypatch.setattr(speed_survey, "measure", failing(set(), calls))
    assert fps.main([*FAMILY, "--output", str(path)]) == 2
    assert fps.main([*FAMILY, "--output", str(path), "--resume"]) == 0
    assert calls == [("1.1", 1)]


def test_rows_of_another_setting_are_not_gone_on_with(monkeypatch, tmp_path, capsys):
    path = tmp_path / "table.csv"
    monkeypatch.setattr(speed_survey, "measure", failing(set(), []))
    assert fps.main([*FAMILY, "--output", str(path)]) == 0
    assert fps.main([*FAMILY, "--output", str(path), "--resume", "--dtype", "bfloat16"]) == 2
    assert "was measured with dtype 'float32', not 'bfloat16'" in capsys.readouterr().err
    for text in ("", "a,b\n1,2\n"):
        path.write_text(text, encoding="utf-8")
        assert fps.main([*FAMILY, "--output", str(path), "--resume"]) == 2
        assert f"{path}: expected a table of this tool" in capsys.readouterr().err
        assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model-prefix", "resnett"), "nearest: 'resnet'"),
        ((*ONE, "--device", "tpu"), "device"),
        ((*ONE, "--resume"), "--resume needs --output"),
        ((*ONE, "--output", "table.xls"), ".csv, .json"),
        ((*FAMILY, "--img-size", "8", "8"), "squeezenet 1.0: images of 8x8 are too small"),
    ],
)
def test_faults_are_reported(words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert fps.main(list(words)) == 2
    assert message in capsys.readouterr().err


def test_no_success_is_an_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(speed_survey, "measure", failing({1}, []))
    assert fps.main(list(ONE)) == 2
    assert "error: squeezenet 1.1: OutOfMemoryError: CUDA out of memory" in capsys.readouterr().err
