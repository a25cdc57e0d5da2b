"""The numbers of `reslab.capture`: statistics of a tensor, counts, and the gradients of the weights."""

import itertools
import math

import numpy as np
import pytest
import torch
from capture_reference import exact_rms, images, loss_of, one_thread_and_seed, small_net  # noqa: F401
from torch import nn

from reslab.capture import capture, dead, mean, rms, weight_gradients
from reslab.capture.statistics import count, pieces, to_host

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


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 3, 2, 2), (0,)])
def test_nothing_has_no_statistics(shape):
    assert all(math.isnan(f(torch.empty(shape)).item()) for f in (rms, mean, dead))


@pytest.mark.parametrize("units", [0, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dead_units_of_many_numbers(units, layout):
    x = torch.randn(64, 8, 8, 8, generator=torch.Generator().manual_seed(0)).to(memory_format=layout)
    x[:, :units] = 0
    x[:60, 7] = 0  # alive in the last examples alone
    assert dead(x).item() == units / 8


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_rms_of_complex_sparse_and_whole_numbers():
    z = torch.tensor([[3 + 4j, 0], [0, 1j]])
    assert rms(z).item() == rms(z.conj()).item() == pytest.approx(math.sqrt(26 / 4), rel=1e-15)
    with torch.sparse.check_sparse_tensor_invariants():  # else PyTorch warns that it does not check them
        twice = torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 3))  # one place, given in two parts
        rows = torch.sparse_csr_tensor([0, 1, 2, 3], [0, 1, 2], [1.0, 1.0, 1.0], (3, 3))
    assert rms(twice).item() == pytest.approx(math.sqrt(9 / 6), rel=1e-15)
    assert rms(rows).item() == pytest.approx(math.sqrt(3 / 9), rel=1e-15)
    assert rms(torch.tensor([3, -4])).item() == pytest.approx(math.sqrt(12.5), rel=1e-15)


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(0, 3),
    "a slice": lambda x: x[:, 1::2],
    "expanded": lambda x: x[:1].expand(3, -1, -1, -1),
    "one image": lambda x: x[:1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_are_the_whole_and_small(layout):
    x = LAYOUTS[layout](torch.randn(4, 8, 128, 130))
    parts = list(pieces(x, range(4)))
    assert len(parts) > 1 or x.numel() <= 2**17
    assert max(part.numel() for part in parts) <= 2**17
    assert sum(part.numel() for part in parts) == x.numel()
    assert sum(part.double().sum().item() for part in parts) == pytest.approx(x.double().sum().item(), rel=1e-9)
    assert all(part.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() for part in parts)
    assert all(part.shape[1] == x.shape[1] for part in pieces(x, (0, 2, 3)))
    assert rms(x).item() == pytest.approx(exact_rms(x), rel=1e-14)
    edges = torch.linspace(-2, 2, 9)
    assert count(x, edges)[:-1].tolist() == np.histogram(x.numpy(), [-np.inf, *edges.tolist(), np.inf])[0].tolist()


def peak(function):
    """The most bytes that a function on the CPU holds at a time, as PyTorch's allocator counts them."""
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, profile_memory=True, acc_events=True) as profile:
        function()
    sizes = [event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(itertools.accumulate(sizes), default=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_statistics_take_a_tenth_of_the_memory_of_what_they_measure(dtype, layout):
    # all dead, the slowest case
    x = torch.zeros(256 // dtype.itemsize, 16, 64, 128, dtype=dtype).to(memory_format=layout)
    size = x.untyped_storage().nbytes()
    assert size <= peak(x.clone) <= 1.01 * size  # it is measured
    edges = torch.linspace(-3, 3, 61)
    for statistic in (rms, mean, dead, lambda x: count(x, edges)):
        assert peak(lambda statistic=statistic: statistic(x)) < 0.1 * size
    model = nn.Identity()
    with torch.no_grad(), capture(model, bins=edges):
        assert peak(lambda: model(x)) < 0.1 * size


@pytest.mark.parametrize("shape", [(1, 2**23), (4, 2**21), (2**23,), (2**23, 1), (1, 4, 2**21)])
def test_they_take_a_tenth_whatever_the_shape(shape):
    x = torch.zeros(shape)
    edges = torch.linspace(-3, 3, 61)
    for statistic in (rms, mean, dead, lambda x: count(x, edges)):
        assert peak(lambda statistic=statistic: statistic(x)) < 0.1 * x.untyped_storage().nbytes()
    assert dead(x).item() == 1


def test_they_take_numbers_of_eight_bits_a_piece_at_a_time():
    x = torch.tensor([[0.0, 1.0, -2.0], [0.0, 1.0, 4.0]]).to(torch.float8_e4m3fn)
    assert rms(x).item() == pytest.approx(math.sqrt(22 / 6))
    assert mean(x).item() == pytest.approx(4 / 6)
    assert dead(x).item() == pytest.approx(1 / 3)
    large = torch.zeros(8, 2**20).to(torch.float8_e4m3fn)
    for statistic in (rms, mean, dead):
        assert peak(lambda statistic=statistic: statistic(large)) < 0.4 * large.numel()


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
            assert row.gradient_norm == pytest.approx(
                math.sqrt(parameter.grad.double().square().sum().item()), rel=relative
            )
    assert list(frame["gradient_rms"].isna()) == [name.startswith("fc") for name in frame["parameter"]]


def test_weight_gradients_of_what_is_no_model_are_refused():
    with pytest.raises(TypeError, match=r"model must be an nn\.Module, not list\."):
        weight_gradients([nn.Linear(2, 2)])


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
    assert list(weight_gradients(model)["gradient_rms"]) == pytest.approx(
        [torch.tensor(1e-30).item()] * 2, rel=1e-12, abs=0
    )


def test_weight_gradients_of_a_shared_parameter_come_once_and_of_none_not_at_all():
    shared = nn.Linear(2, 2)
    assert list(weight_gradients(nn.Sequential(shared, nn.ReLU(), shared))["parameter"]) == ["0.weight", "0.bias"]
    frame = weight_gradients(nn.ReLU())
    assert frame.empty
    assert list(frame.columns) == ["parameter", "shape", "weight_rms", "gradient_rms", "gradient_norm"]


def test_weight_gradients_of_a_sparse_embedding():
    model = nn.Embedding(5, 3, sparse=True)
    model(torch.tensor([1, 1, 2])).sum().backward()
    assert model.weight.grad.is_sparse
    (row,) = weight_gradients(model).itertuples()
    assert row.weight_rms == pytest.approx(exact_rms(model.weight), rel=1e-6)
    assert row.gradient_norm == pytest.approx(math.sqrt(3 * 2**2 + 3 * 1), rel=1e-12)
    assert row.gradient_rms == pytest.approx(math.sqrt(15 / 15), rel=1e-12)


def test_weight_gradients_of_complex_parameters():
    model = nn.Linear(2, 1, bias=False, dtype=torch.cfloat)
    model.weight.data = torch.tensor([[3 + 4j, 0]])
    (model(torch.tensor([[1j, 2.0]])).real.sum()).backward()
    (row,) = weight_gradients(model).itertuples()
    assert row.weight_rms == pytest.approx(math.sqrt(25 / 2), rel=1e-6)
    assert (
        row.gradient_norm
        == pytest.approx(math.sqrt(model.weight.grad.abs().square().sum().item()), rel=1e-6)
        == math.sqrt(5)
    )


def test_weight_gradients_of_lazy_parameters():
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2))
    frame = weight_gradients(model)
    assert list(frame["shape"]) == ["", "", "2×3", "2"]
    assert list(frame["weight_rms"].isna()) == [True, True, False, False]
    model(torch.ones(1, 4)).sum().backward()
    assert weight_gradients(model).notna().all(axis=None)
    assert list(weight_gradients(nn.LazyLinear(3))["parameter"]) == ["weight", "bias"]


def test_weight_gradients_on_the_meta_device_have_no_numbers():
    frame = weight_gradients(nn.Linear(3, 2, device="meta"))
    assert list(frame["shape"]) == ["2×3", "2"]
    assert frame.iloc[:, 2:].isna().all(axis=None)


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
    mixed = [
        tenth,
        torch.tensor(1e-300, dtype=torch.float64),
        torch.tensor(2**40 + 1),
        tenth.half(),
        torch.tensor(True),
    ]
    values = to_host(mixed)
    assert values == [tenth.item(), 1e-300, 2**40 + 1, tenth.half().item(), True]
    assert to_host([torch.tensor([1, 2]), torch.tensor([3, 4])]) == [[1, 2], [3, 4]]
    assert to_host([]) == []
