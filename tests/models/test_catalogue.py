"""The list of networks: counts against published ones, names against the references of the tests."""

import pytest
import timm

from benchmarks.peers.networks import PARAMETERS, REFERENCES
from models import __main__ as command
from models import family_of, list_models
from models.catalogue import as_text, catalogue, entry
from models.dialects import layouts
from models.libraries import LIBRARIES
from models.public_weights import WEIGHTS

PUBLISHED = {  # multiply-adds in 10^9: the paper's table, or torchvision's where that says 3 digits
    ("resnet", "50"): 4.089,
    ("resnet", "18"): 1.814,
    ("vgg", "16"): 15.47,
    ("densenet", "121"): 2.834,
    ("mobilenetv2", "1.0"): 0.300,
    ("mobilenetv3", "large"): 0.219,
    ("mobilenetv3", "small"): 0.056,
    ("ghostnet", "1.0"): 0.141,
    ("shufflenetv2", "1.0"): 0.146,
    ("efficientnetv1", "b0"): 0.39,
    ("efficientnetv2", "small"): 8.366,
    ("regnety", "4.0gf"): 4.0,
    ("regnetx", "16gf"): 15.9,
    ("squeezenet", "1.1"): 0.349,
    ("mnasnet", "1.0"): 0.314,
    ("vit", "base-patch16"): 17.564,
    ("resmlp-mixer", "12"): 3.0,
    ("swint", "tiny-224"): 4.5,
    ("swint", "base-384"): 47.0,
    ("convnext", "tiny"): 4.5,
    ("convnext", "xlarge"): 60.9,
}


@pytest.fixture(scope="module")
def entries():
    return catalogue()


def test_all_are_listed_with_their_parameters(entries):
    assert [(each.prefix, each.suffix) for each in entries] == list_models()
    assert {(each.prefix, each.suffix): each.parameters for each in entries} == PARAMETERS


def test_multiply_adds_are_those_published(entries):
    counted = {(each.prefix, each.suffix): each.arithmetic for each in entries}
    assert {n: counted[n].multiply_adds / 1e9 for n in PUBLISHED} == pytest.approx(PUBLISHED, rel=0.03)
    assert [names for names in counted if counted[names].additions] == [("addernet", "50")]


def test_adder_layers_are_counted_as_additions():
    arithmetic = entry("addernet", "50").arithmetic
    assert arithmetic.additions == pytest.approx(7.7e9, rel=0.04)  # Table 3 of the paper
    assert arithmetic.multiply_adds == 64 * 112 * 112 * 3 * 49 + 2048 * 1000  # the first convolution and the last


def test_libraries_have_the_networks_that_weights_can_be_written_for():
    for library in LIBRARIES:
        named = {names for names in list_models() if names[1] in family_of(names[0]).libraries.get(library, {})}
        assert named == {names for names in list_models() if library in layouts(*names)}


def test_references_are_those_of_the_tests(entries):
    for each in entries:
        if each.prefix in ("addernet", "vovnet"):
            continue
        build = REFERENCES[each.prefix, each.suffix]
        library = "timm" if build.func is timm.create_model else "torchvision"
        assert each.reference.split("(")[0] == f"{library} {build.args[0]}"


def test_weights_are_of_networks_of_ours(entries):
    assert {(prefix, suffix) for prefix, family in WEIGHTS.items() for suffix in family} <= set(list_models())
    assert all(50 < each.weights.top1 < 90 for each in entries if each.weights)


def test_weights_on_the_hub_are_timms(entries):
    for each in entries:
        if each.weights and "/" in each.weights.name:
            config = timm.models.get_pretrained_cfg(each.weights.name.removeprefix("timm/"))
            assert each.weights.licence.lower() == config.license
            assert config.num_classes == 1000


def test_the_command_prints_the_list(entries, monkeypatch, capsys):
    monkeypatch.setattr(command, "catalogue", lambda: entries)
    monkeypatch.setattr("sys.argv", ["models"])
    assert command.main() == 0
    assert capsys.readouterr().out.startswith(as_text(entries))
