"""Fixtures of all tests."""

# ruff: noqa: I001
import reslab  # noqa: F401 (before torch: it sets how torch's idle threads wait, here as in a lesson)
import pytest
import torch


@pytest.fixture(scope="module")
def one_thread():
    """Tensors as small as these gain nothing from more threads, and a busy neighbour costs them nothing with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
