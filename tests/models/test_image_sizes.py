"""Networks whose parameters depend on the image size: other sizes, refusals, and weights carried over from a size."""

import pytest
import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.layers.pos_embed_rel import resize_rel_pos_bias_table_simple
from torch.nn import functional

from models import create_model, resmlp, swint, vit  # noqa: F401  (importing a family registers it)

SMALL = {  # variants with fewer and narrower layers
    "vit": ("base-patch16", dict(dim=48, depth=2, heads=3, dropout=0.0)),
    "resmlp-mixer": ("12", dict(dim=24, depth=2, drop_path=0.0)),
    "swint": ("tiny-224", dict(dim=24, depths=(2, 2, 2, 2), drop_path=0.0)),
}
ASSUMED = ", taken as square, as the file does not say"  # which grid a table is for


def small(prefix, **overrides):
    """An untrained small network in eval mode, all of whose parameters are random, position tables above all."""
    suffix, arguments = SMALL[prefix]
    torch.manual_seed(0)
    network = create_model(prefix, suffix, num_classes=7, **{**arguments, **overrides}).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


# --- other sizes


@pytest.mark.parametrize("prefix", SMALL)
@pytest.mark.parametrize("size", [(32, 32), (96, 96), (224, 288), (97, 50), (224, 224)])
def test_every_size_that_it_is_built_for_works(prefix, size):
    network = small(prefix, img_size=size).train()
    logits = network(torch.randn(2, 3, *size))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("prefix", ["vit", "resmlp-mixer"])
def test_an_image_is_filled_up_with_zeros_to_whole_patches(prefix):
    network = small(prefix, img_size=(40, 50))
    filled_up = small(prefix, img_size=(48, 64))
    images = torch.randn(2, 3, 40, 50)
    filled_up.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(images), filled_up(functional.pad(images, (0, 14, 0, 8))))


@pytest.mark.parametrize("prefix", ["vit", "resmlp-mixer"])
def test_another_size_than_it_was_built_for_is_refused(prefix):
    network = small(prefix, img_size=(64, 96))
    with pytest.raises(ValueError, match=r"96x64 do not fit: this network was built for 64x96"):
        network(torch.randn(1, 3, 96, 64))
    with pytest.raises(ValueError, match=r"64x95"):  # even where the grid of patches would be the same
        network(torch.randn(1, 3, 64, 95))


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (32, 32), (97, 50), (160, 224), (288, 256)])
def test_swin_takes_any_size_whatever_it_was_built_for(size):
    assert small("swint")(torch.randn(1, 3, *size)).shape == (1, 7)


def swin_of_timm(img_size, **arguments):
    arguments = {"depths": (2, 2, 2, 2), "embed_dim": 24, "num_classes": 7, "img_size": img_size, **arguments}
    return timm.create_model("swin_tiny_patch4_window7_224", **arguments).eval()


@pytest.mark.parametrize("size", [(32, 32), (96, 96), (160, 224), (224, 96), (256, 256)])
def test_swin_built_for_a_size_is_timms_built_for_it(size):
    network = small("swint", img_size=size)
    reference = swin_of_timm(size)
    reference.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, *size)
    torch.testing.assert_close(network(images), reference(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(32, 32), (160, 96), (448, 256)])
def test_swin_at_another_size_is_timms_at_that_size(size):
    network = small("swint")
    reference = swin_of_timm(224, strict_img_size=False)
    reference.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, *size)
    torch.testing.assert_close(network(images), reference(images), rtol=1e-4, atol=1e-4)


# --- weights from another size: what holds for all


@pytest.mark.parametrize("prefix", SMALL)
def test_a_state_that_fits_passes_untouched(prefix):
    network = small(prefix, img_size=(64, 96))
    state = network.state_dict()
    fitted, changes = network.fit_to_size(state)
    assert changes == []
    assert fitted is not state
    assert list(fitted) == list(state)
    assert all(fitted[key] is state[key] for key in state)


@pytest.mark.parametrize("prefix", SMALL)
@pytest.mark.parametrize(("old", "new"), [((224, 224), (96, 160)), ((64, 64), (224, 224)), ((128, 128), (97, 50))])
def test_a_state_from_another_size_loads_and_the_change_is_reported(prefix, old, new):
    source = small(prefix, img_size=old)
    network = small(prefix, img_size=new)
    state = source.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    fitted, changes = network.fit_to_size(state)
    network.load_state_dict(fitted)  # strict: every key, every shape
    assert all(torch.equal(state[key], before[key]) for key in before), "the state that was given is left alone"
    changed = [key for key in state if fitted[key] is not state[key]]
    word = {"vit": "pos_embed", "resmlp-mixer": "linear_tokens", "swint": "relative_position_bias_table"}[prefix]
    assert changed
    assert all(word in key for key in changed)
    assert changes
    assert all("bicubic" in change and " from " in change for change in changes)
    assert network(torch.randn(1, 3, *new)).isfinite().all()


@pytest.mark.parametrize("prefix", SMALL)
def test_a_state_without_those_tensors_is_no_matter(prefix):
    network = small(prefix)
    head = {key: value for key, value in network.state_dict().items() if key.startswith("head")}
    assert network.fit_to_size(head) == (head, [])


@pytest.mark.parametrize("prefix", SMALL)
def test_a_grid_that_is_not_square_is_refused(prefix):
    source = small(prefix, img_size=(96, 64))
    network = small(prefix, img_size=(224, 224))
    with pytest.raises(ValueError, match="no square grid"):
        network.fit_to_size(source.state_dict())


@pytest.mark.parametrize("prefix", SMALL)
@pytest.mark.parametrize(("old", "new"), [((32, 128), (64, 64)), ((32, 128), (64, 128)), ((128, 32), (32, 128))])
def test_tables_are_resized_from_the_grid_that_the_images_had(prefix, old, new):
    """Of 32x128, 64x64 and 128x32 the tables of ViT and ResMLP have one shape, and so have some of Swin's."""
    network = small(prefix, img_size=new)
    state = small(prefix, img_size=old).state_dict()
    fitted, changes = network.fit_to_size(state, old)
    network.load_state_dict(fitted)
    assert changes
    assert all(" resized from " in change or " resampled from " in change for change in changes)
    assert not any(ASSUMED in change for change in changes)
    if prefix != "swint":
        sizes = f"from {old[0] // 16}x{old[1] // 16} to {new[0] // 16}x{new[1] // 16}"
        assert all(sizes in change for change in changes)
    back, _ = small(prefix, img_size=old).fit_to_size(state, old)
    assert all(back[key] is state[key] for key in state)


def test_vit_reads_the_rows_of_a_grid_that_is_not_square():
    """A table that differs from row to row alone keeps doing so."""
    source = small("vit", img_size=(32, 128))
    rows = torch.tensor([0.0, 1.0]).repeat_interleave(8)
    with torch.no_grad():
        source.pos_embed[0, 1:] = rows[:, None]
    fitted, changes = small("vit", img_size=(64, 64)).fit_to_size(source.state_dict(), (32, 128))
    patches = fitted["pos_embed"][0, 1:, 0].view(4, 4)
    torch.testing.assert_close(patches, patches[:, :1].expand(4, 4))
    assert (patches.diff(dim=0) > 0.05).all()
    assert changes == ["pos_embed resized from 2x8 to 4x4 patches (bicubic)"]


@pytest.mark.parametrize("prefix", SMALL)
def test_a_grid_that_contradicts_its_table_is_refused(prefix):
    network = small(prefix, img_size=(64, 64))
    with pytest.raises(ValueError, match=r"positions are not those of|is for no window on maps"):
        network.fit_to_size(network.state_dict(), (16, 48))


@pytest.mark.parametrize("prefix", ["vit", "resmlp-mixer"])
def test_a_table_that_could_be_square_too_is_the_networks_own_and_said(prefix):
    network = small(prefix, img_size=(32, 128))
    state = network.state_dict()
    fitted, [note] = network.fit_to_size(state)
    assert all(fitted[key] is state[key] for key in state)
    assert note.endswith("taken as the network's, not as square, which the 16 positions fit too")


@pytest.mark.parametrize(("prefix", "narrow"), [("vit", dict(dim=24)), ("swint", dict(heads=(1, 2, 4, 8)))])
def test_tensors_of_another_variant_are_refused(prefix, narrow):
    source = small(prefix, img_size=(64, 64), **narrow)
    network = small(prefix, img_size=(224, 224))
    with pytest.raises(ValueError, match=r"no (position )?table"):
        network.fit_to_size(source.state_dict())


@pytest.mark.parametrize("prefix", SMALL)
def test_half_precision_stays_half_precision(prefix):
    source = small(prefix, img_size=(64, 64))
    network = small(prefix, img_size=(96, 96))
    fitted, _ = network.fit_to_size({key: value.bfloat16() for key, value in source.state_dict().items()})
    assert {value.dtype for value in fitted.values()} == {torch.bfloat16}


# --- one by one


@pytest.mark.parametrize("size", [(384, 384), (96, 160), (97, 50)])
def test_vit_resizes_its_position_table_as_timm(size):
    source = small("vit")
    network = small("vit", img_size=size)
    fitted, changes = network.fit_to_size(source.state_dict())
    expected = resample_abs_pos_embed(source.pos_embed, new_size=list(network.grid), old_size=[14, 14])
    assert torch.equal(fitted["pos_embed"], expected)
    new = f"{network.grid[0]}x{network.grid[1]}"
    assert changes == [f"pos_embed resized from 14x14 to {new} patches (bicubic){ASSUMED}"]


def test_swin_resizes_its_tables_as_microsoft():
    source = small("swint", window=7)
    network = small("swint", window=12, img_size=(384, 384))
    fitted, changes = network.fit_to_size(source.state_dict())
    for key, table in source.state_dict().items():
        if key.endswith("relative_position_bias_table"):
            expected = resize_rel_pos_bias_table_simple(table, (12, 12), (23 * 23, table.shape[1]))
            torch.testing.assert_close(fitted[key], expected)
    assert changes == [f"8 relative position bias tables resized from windows of 7x7 to 12x12 (bicubic){ASSUMED}"]


def test_swin_tells_each_kind_of_window_once():
    source = small("swint")
    network = small("swint", img_size=(96, 160))  # maps 24x40, 12x20, 6x10 and 3x5
    _, changes = network.fit_to_size(source.state_dict())
    assert changes == [
        f"2 relative position bias tables resized from windows of 7x7 to 6x7 (bicubic){ASSUMED}",
        f"2 relative position bias tables resized from windows of 7x7 to 3x5 (bicubic){ASSUMED}",
    ]


def mixing(network):
    """The token mixing of the first block as a map from grids to grids, (C, rows, columns)."""
    layer = network.blocks[0].linear_tokens
    return lambda grid: layer(grid.flatten(1)).unflatten(1, network.grid)


def carried_over(source, size):
    network = small("resmlp-mixer", img_size=size)
    network.load_state_dict(network.fit_to_size(source.state_dict())[0])
    return network


@pytest.mark.parametrize("size", [(384, 384), (96, 160), (97, 50)])
def test_resmlp_mixes_what_was_constant_as_before(size):
    """Sums of rows carry over: a constant map has the answer of the old network, resized, at every size."""
    source = small("resmlp-mixer")
    network = carried_over(source, size)
    constant = torch.tensor([0.0, 1.0, -3.0])[:, None, None]
    answer = mixing(network)(constant.expand(3, *network.grid))
    old_answer = mixing(source)(constant.expand(3, *source.grid))
    expected = functional.interpolate(old_answer[None], network.grid, mode="bicubic", antialias=True)[0]
    torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(384, 384), (96, 160)])
def test_resmlp_mixes_by_way_of_the_old_grid(size):
    """The one matrix is the three steps: resize to the old grid, mix there, resize back."""
    source = small("resmlp-mixer")
    network = carried_over(source, size)
    grid = torch.randn(3, *network.grid)
    old = functional.interpolate(grid[None], source.grid, mode="bicubic", antialias=True)[0]
    expected = functional.interpolate(mixing(source)(old)[None], network.grid, mode="bicubic", antialias=True)[0]
    torch.testing.assert_close(mixing(network)(grid), expected, rtol=1e-4, atol=1e-4)


def test_resmlp_keeps_what_a_smooth_mixing_does_to_a_smooth_map():
    """A blur of a given width of the image stays a blur of that width, on a finer grid and on a coarser one."""

    def blur(rows, columns):  # (positions, positions), each row a Gaussian around its position, summing to 1
        y = ((torch.arange(rows) + 0.5) / rows).repeat_interleave(columns)
        x = ((torch.arange(columns) + 0.5) / columns).repeat(rows)
        distance = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
        return torch.softmax(-distance / (2 * 0.15**2), dim=1)

    def wave(rows, columns):
        y = (torch.arange(rows) + 0.5) / rows
        x = (torch.arange(columns) + 0.5) / columns
        return torch.sin(5 * y)[:, None] + torch.cos(4 * x)

    source = small("resmlp-mixer")
    with torch.no_grad():
        source.blocks[0].linear_tokens.weight.copy_(blur(*source.grid))
        source.blocks[0].linear_tokens.bias.zero_()
    for size in ((448, 448), (128, 192)):
        network = carried_over(source, size)
        answer = mixing(network)(wave(*network.grid)[None])[0]
        expected = (blur(*network.grid) @ wave(*network.grid).flatten()).view(network.grid)
        assert (answer - expected).abs().max() < 0.05 * expected.abs().max()
