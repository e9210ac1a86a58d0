"""Changes of pixels: held against slow references, and against what ImageNet-C published."""

from __future__ import annotations

import colorsys
import io
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from reportgen.checks.case import View
from reportgen.checks.changes import Change
from reportgen.checks.corruptions.axes import AXES, SEVERITIES
from reportgen.measure.checks.corrupting import MAKERS, corrupted
from reportgen.measure.checks.views import Scale, unchanged, worked_out

# make_imagenet_c.py of Hendrycks & Dietterich: the list `c` of each function
PUBLISHED = {
    "noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot-noise": (60, 25, 12, 5, 3),
    "blur": (1, 2, 3, 4, 6),
    "motion-blur": (3, 5, 8, 12, 15),  # the sigmas; the radii are 10, 15, 15, 15, 20
    "brighter": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "jpeg": (25, 18, 15, 10, 7),
    "pixelation": (0.6, 0.5, 0.4, 0.3, 0.25),
}
BY = {axis.kind: axis for axis in AXES}


@pytest.fixture(scope="module")
def pictures():
    """Three pictures of 8 bits (3, 3, 40, 32): smooth, with edges, and noise, black and white among them."""
    draw = np.random.default_rng(3)
    y, x = np.mgrid[:40, :32] / 40
    smooth = np.stack([y, x, 1 - y])
    edges = np.stack([(x > 0.3) * 1.0, (y > 0.5) * 0.7, (x + y > 0.8) * 0.2])
    noise = draw.random((3, 40, 32))
    noise[:, :4], noise[:, 4:8] = 0, 1
    return torch.from_numpy(np.round(np.stack([smooth, edges, noise]) * 255) / 255).float()


def one(kind, picture, amount, more=0.0, seed=0):
    return corrupted(picture[None], Change(kind, amount, more), seed)[0]


def test_the_amounts_are_those_that_imagenet_c_published():
    assert {axis.kind: axis.amounts for axis in AXES if axis.published} == PUBLISHED
    assert BY["motion-blur"].more[1:] == tuple(2 * radius for radius in (10, 15, 15, 15, 20))
    saturate = [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)]
    more = BY["saturation"]
    assert list(zip(more.amounts, more.more[1:], strict=True))[2:] == saturate[2:]
    assert [1 - share for share, _ in saturate[:2]] == [pytest.approx(s) for s in BY["grey"].amounts[2:4]]


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.kind)
def test_a_severity_is_worse_than_a_milder_one_and_the_same_for_every_size(axis):
    for side in (28, 224, 448):
        amounts = [axis.amount(severity, side) for severity in (0, *SEVERITIES)]
        worse = [a >= b if axis.falling else a <= b for a, b in pairwise(amounts)]
        assert all(worse), (side, amounts)
    scaled = axis.amount(3, 448) / axis.amount(3, 224)
    assert scaled == (2 if axis.lengths else 1)
    assert axis.change(3, 448).more == axis.change(3, 224).more * (2 if axis.lengths else 1)


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.kind)
def test_what_comes_of_an_image_does_not_depend_on_its_batch(axis, pictures):
    change = axis.change(3, 32)
    together = corrupted(pictures, change, 0)
    turned = corrupted(pictures.flip(0), change, 0).flip(0)
    for n, picture in enumerate(pictures):
        alone = corrupted(picture[None], change, 0)[0]
        assert torch.equal(alone, together[n]) and torch.equal(alone, turned[n])
    assert together.shape == pictures.shape and together.dtype == torch.float32
    assert together.min() >= 0 and together.max() <= 1
    assert (together != pictures).any((1, 2, 3)).all(), "each is changed"


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.kind)
def test_grey_pictures_and_several_bands_are_changed_where_the_axis_fits(axis, pictures):
    for channels in (1, 3, 5):
        images = torch.cat([pictures, pictures.flip(1)], 1)[:, :channels]
        if axis.fits(channels):
            assert corrupted(images, axis.change(2, 32), 0).shape == images.shape
    assert axis.fits(3)


def test_chance_is_drawn_by_the_picture_and_the_seed_and_is_one_for_all_severities(pictures):
    mild, strong = (one("noise", pictures[0], amount) - pictures[0] for amount in (0.01, 0.02))
    inside = (pictures[0] > 0.2) & (pictures[0] < 0.8)
    torch.testing.assert_close(2 * mild[inside], strong[inside], atol=1e-5, rtol=1e-3)
    assert not torch.equal(one("noise", pictures[0], 0.1), one("noise", pictures[0], 0.1, seed=1))
    dusty = (pictures[0] * 0.3 + 0.4 - 0.4) / 0.3  # a normalisation that was undone
    torch.testing.assert_close(one("noise", dusty, 0.1), one("noise", pictures[0], 0.1), atol=1e-5, rtol=0)


def test_noise_has_its_deviation_and_shot_noise_is_counted():
    flat = torch.full((1, 3, 120, 120), 0.5)
    assert float((corrupted(flat, Change("noise", 0.08), 0) - flat).std()) == pytest.approx(0.08, rel=0.02)
    shots = corrupted(flat, Change("shot-noise", 60), 0)
    torch.testing.assert_close(shots * 60, (shots * 60).round(), atol=1e-4, rtol=0)
    assert float(shots.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(shots.std()) == pytest.approx(math.sqrt(0.5 / 60), rel=0.03)  # Poisson's


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_blur_is_scipys(sigma, pictures):
    for picture in pictures:
        slow = np.stack(
            [ndimage.gaussian_filter(p.astype(float), sigma, mode="nearest") for p in picture.numpy()]
        )
        found = one("blur", picture, sigma).numpy()
        np.testing.assert_allclose(found, slow, atol=2e-6)


def test_motion_blur_is_the_mean_along_a_line(pictures):
    """ImageMagick's kernel: half a Gaussian from the pixel outwards; between pixels linearly, by scipy."""
    sigma, length = 3.0, 20.0
    found = one("motion-blur", pictures[1], sigma, length).double().numpy()
    weights = np.exp(-(np.arange(21.0) ** 2) / (2 * sigma**2))
    weights /= weights.sum()

    def along(angle):
        y, x = np.mgrid[:40, :32]
        total = np.zeros((3, 40, 32))
        for step, weight in enumerate(weights):
            at = [y + step * math.sin(angle), x + step * math.cos(angle)]
            for channel in range(3):
                plane = pictures[1, channel].double().numpy()
                total[channel] += weight * ndimage.map_coordinates(plane, at, order=1, mode="nearest")
        return total

    errors = {a: np.abs(along(a) - found).max() for a in np.radians(np.arange(-45, 45.5, 1.5))}
    assert min(errors.values()) < 0.05, "some angle of -45 to 45 degrees explains it"
    assert max(errors.values()) > 0.1, "and others do not"


def test_light_and_colour_are_those_of_hsv(pictures):
    def slow(picture, change):
        rows = picture.permute(1, 2, 0).reshape(-1, 3).double().tolist()
        found = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*rgb))) for rgb in rows]
        return torch.tensor(found).reshape(40, 32, 3).permute(2, 0, 1)

    for picture in pictures:
        brighter = slow(picture, lambda h, s, v: (h, s, min(1, v + 0.3)))
        torch.testing.assert_close(one("brighter", picture, 0.3), brighter, atol=1e-5, rtol=0)
        gaudy = slow(picture, lambda h, s, v: (h, min(1, s * 5 + 0.1), v))
        torch.testing.assert_close(one("saturation", picture, 5, 0.1), gaudy, atol=1e-4, rtol=0)
    grey = one("grey", pictures[2], 1.0)
    luma = np.asarray(Image.fromarray((pictures[2].permute(1, 2, 0) * 255).byte().numpy()).convert("L"))
    np.testing.assert_allclose(grey.numpy() * 255, np.stack([luma] * 3), atol=1)
    assert torch.equal(one("darker", pictures[0], 0.5), pictures[0] * 0.5)


def test_contrast_keeps_the_mean_of_each_channel(pictures):
    found = one("contrast", pictures[0], 0.4)
    torch.testing.assert_close(found.mean((1, 2)), pictures[0].mean((1, 2)), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std((1, 2)), 0.4 * pictures[0].std((1, 2)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("quality", [85, 25, 7])
def test_jpeg_is_pillows(quality, pictures):
    for picture in (pictures[0], pictures[2, :1]):
        values = (picture.permute(1, 2, 0) * 255).round().byte().numpy().squeeze()
        file = io.BytesIO()
        Image.fromarray(values).save(file, "JPEG", quality=quality)
        expected = torch.from_numpy(np.array(Image.open(file))).reshape(40, 32, len(picture)) / 255
        assert torch.equal(one("jpeg", picture, quality), expected.permute(2, 0, 1))


def test_pixelation_is_pillows_on_8_bits_but_for_its_rounding(pictures):
    for picture in pictures:
        image = Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy())
        small = image.resize((int(32 * 0.4), int(40 * 0.4)), Image.Resampling.BOX)
        expected = np.array(small.resize((32, 40), Image.Resampling.BOX)).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(one("pixelation", picture, 0.4), expected, atol=1.01 / 255)


def test_a_shift_is_by_whole_pixels_with_the_mirror_image_at_the_edge(pictures):
    for seed in range(6):
        found = one("shift", pictures[2], 5, seed=seed).numpy()
        ways = []
        for rows, columns in ((5, 0), (-5, 0), (0, 5), (0, -5)):
            wide = np.pad(pictures[2].numpy(), ((0, 0), (5, 5), (5, 5)), mode="reflect")
            ways.append(wide[:, 5 - rows : 45 - rows, 5 - columns : 37 - columns])
        assert sum(np.array_equal(found, way) for way in ways) == 1
    sides = {one("shift", pictures[2], 5, seed=seed).numpy().tobytes() for seed in range(30)}
    assert len(sides) == 4
    assert one("shift", pictures[2], 200).shape == (3, 40, 32), "beyond the picture it is mirrored again"


@pytest.mark.parametrize(("kind", "amount"), [("turn", 12.0), ("scale", 1.3)])
def test_turn_and_scale_are_scipys_about_the_middle(kind, amount, pictures):
    picture = pictures[1].double().numpy()
    middle = np.array([39 / 2, 31 / 2])

    def slow(matrix, planes):
        offset = middle - matrix @ middle
        return np.stack([ndimage.affine_transform(p, matrix, offset, order=1, mode="mirror") for p in planes])

    turn = math.radians(amount)
    smooth = math.sqrt(1.3**2 - 1) / 2
    ways = {
        "turn": [
            slow(np.array([[math.cos(t), math.sin(t)], [-math.sin(t), math.cos(t)]]), picture)
            for t in (turn, -turn)
        ],
        "scale": [
            slow(np.eye(2) / 1.3, picture),
            slow(
                np.eye(2) * 1.3,
                np.stack([ndimage.gaussian_filter(p, smooth, mode="nearest") for p in picture]),
            ),
        ],
    }[kind]
    found = [one(kind, pictures[1], amount, seed=seed).numpy() for seed in range(8)]
    near = [[bool(np.abs(way - each).max() < 1e-3) for way in ways] for each in found]
    assert all(sum(row) == 1 for row in near), "each is one of the two"
    assert any(row[0] for row in near) and any(row[1] for row in near), "both sides are drawn"


def test_a_turn_by_a_quarter_is_a_quarter_turn(pictures):
    square = pictures[2, :, :32]
    found = one("turn", square, 90)
    ways = [square.rot90(k, (1, 2)) for k in (1, -1)]
    assert any(torch.allclose(found, way, atol=1e-5) for way in ways)


def test_a_patch_is_a_square_of_grey_wholly_within(pictures):
    for seed in range(5):
        found = one("patch", pictures[2], 7, seed=seed)
        changed = (found != pictures[2]).any(0)
        rows, columns = (np.flatnonzero(changed.any(side)) for side in (1, 0))
        assert (rows[-1] - rows[0], columns[-1] - columns[0]) == (6, 6)
        assert torch.equal(found[:, changed], torch.full((3, int(changed.sum())), 0.5))
    large = one("patch", pictures[2], 500)
    assert int((large == 0.5).all(0).sum()) == 32 * 32, "it is no larger than the picture"


def test_rounding_rounds_what_is_finer_and_moves_what_is_not(pictures):
    fine = pictures[0] * 0.999
    torch.testing.assert_close(one("rounding", fine, 0.5 / 255), (fine * 255).round() / 255)
    moved = one("rounding", pictures[0], 0.5 / 255) - pictures[0]
    assert 0 < float(moved.abs().max()) <= 0.5 / 255 + 1e-7
    assert torch.equal(((pictures[0] + moved) * 255).round(), (pictures[0] * 255).round()), (
        "rounding undoes it"
    )


def test_every_kind_can_be_made_and_a_view_with_one_is_no_unchanged_one(pictures):
    assert set(MAKERS) == {axis.kind for axis in AXES} | {"rounding"}
    own = Scale(torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4]))
    view = View("dark", pixels=Change("darker", 0.5))
    assert not unchanged(view, own, None)
    found = worked_out(view, own.done(pictures), own, None, seed=0)
    torch.testing.assert_close(found, own.done(pictures * 0.5), atol=1e-5, rtol=0)
