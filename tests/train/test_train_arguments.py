"""What `train`, `fit` and `evaluate` take, a person's own model among it, and what they refuse at the call."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from trainings import HOW, RESUMABLE, Linear, assert_one_sentence, assert_same_history, assert_same_tensors, state_of

from reslab.datasets import digits
from reslab.nets import NetSpec, build, replace
from reslab.runs import Run
from reslab.train import TrainSpec, evaluate, fit, pick_device, train

# Bad arguments, at the call


def test_a_split_that_the_net_was_not_made_for_is_refused_naming_both():
    net = build(NetSpec(depth=8, width=4, classes=100))
    before = state_of(net)
    has, gives = "in_channels 3, image_size 32, classes 100", "in_channels 1, image_size 8, classes 10"
    with pytest.raises(ValueError, match=f"the net has {has}, and digits gives {gives};") as error:
        train(net, digits())
    assert_one_sentence(error)
    assert_same_tensors(net.state_dict(), before)


def test_a_batch_larger_than_the_split_is_refused(split, spec):
    with pytest.raises(ValueError, match="batch_size is 201, and digits has 200 training images; take at most those"):
        train(build(spec), split, TrainSpec(batch_size=201))
    assert next(train(build(spec), split, TrainSpec(batch_size=200))).epoch == 1


def test_devices_are_named_and_those_not_there_refused(split, spec, monkeypatch, what_auto_means):
    monkeypatch.setattr("reslab.train.device.AUTO", what_auto_means)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device().type == pick_device("cpu").type == "cpu"
    assert pick_device(torch.device("cpu")) == torch.device("cpu")
    for device in ("cuda", "cuda:1", "mps", torch.device("cuda")):
        with pytest.raises(ValueError, match="this machine has none; device='auto'") as error:
            train(build(spec), split, HOW, device=device)
        assert_one_sentence(error)
    with pytest.raises(ValueError, match=r"device is 'cdua'; .* Did you mean 'cuda'\?"):
        fit(spec, split, HOW, device="cdua")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device() == pick_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (lambda spec, net, split: (spec, split, HOW), "model must be a Module, not NetSpec"),
        (lambda spec, net, split: (net, split.x_train, HOW), "split must be a Split, as .* make one, not Tensor"),
        (lambda spec, net, split: (net, split, {"lr": 0.1}), "how must be a TrainSpec, not dict"),
        (lambda spec, net, split: (net, split, spec), "how must be a TrainSpec, not NetSpec"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused_in_one_sentence(split, spec, arguments, says):
    with pytest.raises(TypeError, match=says) as error:
        train(*arguments(spec, build(spec), split))
    assert_one_sentence(error)


def test_what_is_no_checkpoint_is_not_resumed_from(split, spec):
    run = next(train(build(spec), split, HOW)).run()
    for wrong in ("part.safetensors", run):
        with pytest.raises(TypeError, match=r"resume must be a Checkpoint, not (str|Run); Checkpoint\.load"):
            train(build(spec), split, HOW, resume=wrong)


# A person's own model


class Own(nn.Module):
    """As in tutorials: .view, which takes only PyTorch's usual layout, dropout, and a layer used now and then."""

    def __init__(self, channels=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 8 * 8, 10)
        self.sometimes = nn.Linear(10, 10)
        self.frozen = nn.Parameter(torch.ones(10), requires_grad=False)
        self.spec, self.seed = "mine", torch.tensor(1)  # names that mean nothing here
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        x = self.norm(self.conv(x)).relu_()
        x = F.dropout(x, 0.1, self.training)
        x = self.fc(x.view(len(x), -1)) * self.frozen
        return x + self.sometimes(x) if self.passes % 3 == 0 else x


@pytest.mark.parametrize("channels", [1, 3])
def test_a_persons_own_model_trains(split, channels, tmp_path):
    if channels == 3:
        parts = {name: getattr(split, name).expand(-1, 3, -1, -1).contiguous() for name in ("x_train", "x_test")}
        split = dataclasses.replace(split, **parts, mean=(), std=(), name="colour")
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="sometimes, of the 4 modules watched, was not called"):  # in captured steps
        *_, last = train(Own(channels), split, replace(HOW, epochs=4, capture_every=5))
    run = last.run()
    assert (run.name, run.spec, run.seed, run.outcome) == ("Own", None, None, "finished")
    assert run.final_train_error < 0.3  # chance is 0.9
    assert run.layers["module"].unique().tolist()[:2] == ["conv", "norm"]
    run.save(tmp_path / "own.json")
    assert Run.load(tmp_path / "own.json").name == "Own"


def test_the_plainest_model_trains(split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    *_, last = train(model, split, replace(HOW, epochs=4))
    assert last.run().parameters == 650
    assert last.loss < 0.5  # ln 10 = 2.3 before


class Returns(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what, self.norm, self.fc = what, nn.BatchNorm2d(1), nn.Linear(64, 10)

    def forward(self, x):
        return self.what(self.fc(self.norm(x).flatten(1)))


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda logits: logits[:, :5], r"makes \(2, 5\) of images \(2, 1, 8, 8\); it must return logits, \(2, 10\)"),
        (lambda logits: logits[:, :, None, None], r"makes \(2, 10, 1, 1\)"),
        (lambda logits: logits.mean(0, keepdim=True), r"makes \(1, 10\)"),
        (lambda logits: logits.sum(), r"makes \(\)"),
        (lambda logits: (logits, logits), "makes a tuple"),
        (lambda logits: {"logits": logits}, "makes a dict"),
        (lambda logits: None, "makes a NoneType"),
        (
            lambda logits: logits @ torch.ones(3, 10),
            r"does not take images \(2, 1, 8, 8\): .*mat1 and mat2 shapes cannot be multiplied",
        ),
        (lambda logits: logits.view(7, 3), r"does not take images"),
    ],
)
def test_a_model_that_makes_no_logits_is_refused_at_the_call_and_left_as_it_was(split, what, says):
    model = Returns(what)
    before = state_of(model)
    with pytest.raises(ValueError, match=f"Returns {says}") as error:
        train(model, split, HOW)
    assert_one_sentence(error)
    assert_same_tensors(model.state_dict(), before)  # the running statistics of the norm too
    assert all(module.training for module in model.modules())


# evaluate and fit


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("batch_size", [512, 23, 20])
def test_evaluate_is_the_error_by_hand(split, spec, part, batch_size):
    net = build(spec)
    list(train(net, split, replace(HOW, epochs=0.5)))
    before = state_of(net)
    error = evaluate(net, split, part, batch_size=batch_size)
    assert_same_tensors(net.state_dict(), before)
    wrong = 0
    net.eval()
    with torch.no_grad():
        x, y = split.batch(slice(None), part)
        wrong = sum(int(logits.argmax()) != label for logits, label in zip(net(x), y.tolist(), strict=True))
    assert error == wrong / len(y)
    assert 0 < error < 1


def test_evaluate_puts_back_every_modules_own_mode(split, spec):
    net = build(spec)
    net.stage2.eval()  # as one who fine-tunes with fixed statistics
    modes = [module.training for module in net.modules()]
    assert len(set(modes)) == 2
    evaluate(net, split)
    assert [module.training for module in net.modules()] == modes
    with pytest.raises(ValueError, match=r"Did you mean 'test'\?"):
        evaluate(net, split, "tset")
    assert [module.training for module in net.modules()] == modes
    net.eval()
    evaluate(net, split)
    assert not any(module.training for module in net.modules())
    assert torch.is_grad_enabled()


def test_a_model_evaluated_first_can_still_be_trained(split):
    class Keeps(Linear):
        kept = None

        def forward(self, x):
            if self.kept is None:
                self.kept = torch.ones(64)  # as attention keeps its mask
            return (x.flatten(1) * self.kept * self.weight.mean().exp()) @ self.weight.T

    model = Keeps()
    fresh = digits().subset(200, 60)
    evaluate(model, fresh)
    *_, last = train(model, fresh, HOW)
    assert last.state == "finished"


def test_fit_returns_the_run_and_a_rerun_is_identical_but_for_the_time(split, spec):
    one, again = (fit(spec, split, RESUMABLE, seed=3, progress=False) for _ in range(2))
    assert isinstance(one, Run)
    assert (one.name, one.spec, one.how, one.dataset, one.seed) == ("resnet-8", spec, RESUMABLE.to_dict(), "digits", 3)
    assert one.outcome == "finished"
    assert one.parameters == sum(parameter.numel() for parameter in build(spec).parameters())
    assert one.history.columns.tolist() == ["step", "epoch", "lr", "loss", "train_error", "test_error", "seconds"]
    assert_same_history(one, again)
    assert not fit(spec, split, RESUMABLE, seed=4, progress=False).history["loss"].equals(one.history["loss"])
    net = build(spec, seed=3)
    *_, last = train(net, split, replace(HOW, epochs=3))
    assert last.run().final_train_error == evaluate(net, split, "train")


def test_fit_shows_a_bar_unless_told_not_to(split, spec, capsys):
    fit(spec, split, HOW)
    assert "resnet-8" in capsys.readouterr().err
    fit(spec, split, HOW, progress=False)
    assert capsys.readouterr().err == ""


def test_fit_names_train_for_a_model_of_ones_own(split):
    with pytest.raises(TypeError, match=r"^fit builds the net of a NetSpec; a Linear of your own is trained by "):
        fit(nn.Linear(2, 2), split)
