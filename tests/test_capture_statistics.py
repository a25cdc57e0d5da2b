"""The numbers of `reslab.capture`: statistics of a tensor, counts, and the gradients of the weights."""

import math

import numpy as np
import pytest
import torch
from capture_reference import exact_rms, images, loss_of, one_thread_and_seed, small_net  # noqa: F401
from torch import nn

from reslab.capture import dead, mean, rms, weight_gradients
from reslab.capture.statistics import count, to_host

# statistics of a tensor


def test_statistics_of_a_tensor_worked_out_by_hand():
    x = torch.tensor([[3.0, 0.0, -1.0], [4.0, 0.0, 0.0]])
    assert rms(x).item() == pytest.approx(math.sqrt(26 / 6), rel=1e-15)
    assert mean(x).item() == 1.0
    assert dead(x).item() == pytest.approx(1 / 3, rel=1e-7)  # only the second unit is 0 for both examples


def test_a_dead_unit_is_exactly_zero_everywhere():
    x = torch.zeros(2, 4, 2, 2)
    assert dead(x).item() == 1
    x[1, 0, 1, 1] = 1e-45  # one pixel of one example, the smallest number there is
    x[:, 1] = -1  # negative is not dead
    x[0, 2] = torch.tensor([[1.0, -1.0], [0.0, 0.0]])  # the sum is 0, the unit is not
    assert dead(x).item() == 0.25
    x[0, 3, 0, 0] = math.nan
    assert dead(x).item() == 0


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 3, 2), (5, 4, 3, 2, 2)])
def test_a_unit_is_dimension_1(shape):
    x = torch.ones(shape)
    x[:, 2] = 0
    assert dead(x).item() == 0.25
    x[3] = 0  # an example of zeros makes no unit dead
    assert dead(x).item() == 0.25


def test_statistics_of_a_vector_and_of_a_number():
    assert [f(torch.tensor([1.0, -7.0])).item() for f in (rms, mean, dead)] == [pytest.approx(5, rel=1e-15), -3, 0]
    assert [f(torch.tensor(-3.0)).item() for f in (rms, mean, dead)] == [3, -3, 0]
    assert dead(torch.tensor(0.0)).item() == 1


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1e-18, 1e-15, 1.0, 1e18, 1e30])
def test_rms_of_numbers_whose_squares_float32_cannot_hold(size):
    x = torch.full((7, 3), size) * torch.tensor([1.0, -1.0, 1.0])
    assert rms(x).item() == pytest.approx(x[0, 0].item(), rel=1e-14, abs=0)


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1e-18, 1e-15, 1.0, 1e18, 1e30])
@pytest.mark.parametrize("count", [2**12, 2**17, 2**17 + 1])
def test_rms_of_many_numbers_is_good_to_six_digits(count, size):
    x = torch.randn(count, generator=torch.Generator().manual_seed(0)) * size
    x[0] = 0
    assert rms(x).item() == pytest.approx(exact_rms(x), rel=1e-6, abs=0)


def test_statistics_of_half_precision_do_not_overflow():
    x = torch.full((64, 2, 8), 60000.0, dtype=torch.float16)
    assert rms(x).item() == pytest.approx(x[0, 0, 0].item(), rel=1e-12)
    assert mean(x).item() == x[0, 0, 0].item()
    assert dead(x).item() == 0


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_weight_gradients_equal_autograd(dtype, relative):
    model = small_net(shortcut="B", norm="none", init="torch").to(dtype)
    model.fc.requires_grad_(False)
    loss_of(model(images().to(dtype))).backward()
    frame = weight_gradients(model)
    assert list(frame.columns) == ["parameter", "shape", "weight_rms", "gradient_rms", "gradient_norm"]
    assert list(frame["parameter"]) == [name for name, _ in model.named_parameters()]
    assert frame["shape"][0] == "4×3×3×3"
    for row, parameter in zip(frame.itertuples(), model.parameters(), strict=True):
        assert row.weight_rms == pytest.approx(exact_rms(parameter), rel=relative)
        if parameter.grad is None:
            assert math.isnan(row.gradient_rms)
            assert math.isnan(row.gradient_norm)
        else:
            assert row.gradient_rms == pytest.approx(exact_rms(parameter.grad), rel=relative)
            assert row.gradient_norm == pytest.approx(math.sqrt(parameter.grad.double().square().sum().item()), rel=relative)
    assert list(frame["gradient_rms"].isna()) == [name.startswith("fc") for name in frame["parameter"]]


def test_weight_gradients_before_any_backward_pass():
    model = small_net()
    frame = weight_gradients(model)
    assert frame["gradient_rms"].isna().all()
    assert frame["gradient_norm"].isna().all()
    assert frame["weight_rms"].notna().all()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_weight_gradients_do_not_lose_tiny_ones():
    model = nn.Linear(3, 2)
    (model(torch.ones(1, 3)) * 1e-30).sum().backward()
    assert list(weight_gradients(model)["gradient_rms"]) == pytest.approx([torch.tensor(1e-30).item()] * 2, rel=1e-12, abs=0)


def test_weight_gradients_of_a_shared_parameter_come_once_and_of_none_not_at_all():
    shared = nn.Linear(2, 2)
    assert list(weight_gradients(nn.Sequential(shared, nn.ReLU(), shared))["parameter"]) == ["0.weight", "0.bias"]
    frame = weight_gradients(nn.ReLU())
    assert frame.empty
    assert list(frame.columns) == ["parameter", "shape", "weight_rms", "gradient_rms", "gradient_norm"]


# counts


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_counts_equal_those_of_numpy(dtype, layout):
    x = torch.randn(5, 3, 4, 6).to(dtype).to(memory_format=layout)
    edges = torch.tensor([-2, -0.5, 0, 0.25, 1, 1.5])
    counts = count(x if dtype == torch.float64 else x.float(), edges.to(torch.promote_types(dtype, torch.float32)))
    expected, _ = np.histogram(x.double().numpy(), [-np.inf, *edges.tolist(), np.inf])
    assert counts.tolist() == [*expected, 0]
    assert counts.sum() == x.numel()


def test_an_edge_belongs_to_the_bin_on_its_right_and_nothing_is_lost():
    edges = torch.tensor([0.0, 1.0, 2.0])
    x = torch.tensor([-math.inf, -1e-45, -0.0, 0.0, 0.5, 1.0, 2.0, math.inf, math.nan, math.nan])
    assert count(x, edges).tolist() == [2, 3, 1, 2, 2]
    assert count(torch.tensor(0.5), edges).tolist() == [0, 1, 0, 0, 0]
    assert count(torch.empty(0, 3), edges).tolist() == [0] * 5
    assert count(torch.arange(6.0)[::2], edges).tolist() == [0, 1, 0, 2, 0]  # 0, 2, 4: not side by side in memory


def test_numbers_come_to_the_host_as_they_are_whatever_their_types():
    tenth = torch.tensor(0.1)
    mixed = [tenth, torch.tensor(1e-300, dtype=torch.float64), torch.tensor(2**40 + 1), tenth.half(), torch.tensor(True)]
    values = to_host(mixed)
    assert values == [tenth.item(), 1e-300, 2**40 + 1, tenth.half().item(), True]
    assert to_host([torch.tensor([1, 2]), torch.tensor([3, 4])]) == [[1, 2], [3, 4]]
    assert to_host([]) == []
