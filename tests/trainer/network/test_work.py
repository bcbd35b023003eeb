"""Multiply-accumulates of a network, against figures worked out by hand."""

from __future__ import annotations

import pytest

from lemonade_es.task import Task
from lemonade_es.trainer.checking.check import check
from lemonade_es.trainer.measurement import Budget
from lemonade_es.trainer.recipe import Recipe

TASK = Task("image", "small", (3, 8, 8), 10)


def network(init, forward):
    lines = [
        "import torch, torch.nn as nn, torch.nn.functional as F",
        "class Net(nn.Module):",
        "    def __init__(self):",
    ]
    lines += ["        super().__init__()", *(f"        {line}" for line in init.split("; "))]
    return "\n".join([*lines, "    def forward(self, x):", *(f"        {line}" for line in forward.split("; "))]) + "\n"


ROWS = "x.permute(0, 2, 1, 3).flatten(2)"  # eight steps of 24 features
ATTEND = (
    "t = self.q(x.flatten(2).mT); t = t.view(len(t), 64, 2, 8).transpose(1, 2); "
    "y = F.scaled_dot_product_attention(t, t, t); return self.f(y.transpose(1, 2).flatten(2).mean(1))"
)
ATTENTION_MACS = 64 * 3 * 16 + 2 * 64 * 64 * (8 + 8) + 16 * 10


@pytest.mark.parametrize(
    ("init", "forward", "macs"),
    [
        pytest.param(*case[1:], id=case[0])
        for case in (
            (
                "grouped convolution",
                "self.a = nn.Conv2d(3, 12, 3, padding=1, groups=3); self.f = nn.Linear(12, 10)",
                "return self.f(self.a(x).mean((2, 3)))",
                64 * 12 * 1 * 9 + 12 * 10,
            ),
            (
                "transposed convolution",
                "self.a = nn.ConvTranspose2d(3, 6, 2, stride=2); self.f = nn.Linear(6, 10)",
                "return self.f(self.a(x).mean((2, 3)))",
                64 * 3 * 6 * 4 + 6 * 10,
            ),
            (
                "transposed and grouped",
                "self.a = nn.ConvTranspose2d(3, 6, 2, stride=2, groups=3); self.f = nn.Linear(6, 10)",
                "return self.f(self.a(x).mean((2, 3)))",
                64 * 3 * 2 * 4 + 6 * 10,
            ),
            (
                "one dimension",
                "self.a = nn.Conv1d(24, 5, 3); self.f = nn.Linear(5, 10)",
                "return self.f(self.a(x.flatten(1, 2)).mean(2))",
                6 * 5 * 24 * 3 + 5 * 10,
            ),
            (
                "three dimensions",
                "self.a = nn.Conv3d(1, 4, (2, 3, 3)); self.f = nn.Linear(4, 10)",
                "return self.f(self.a(x[:, None]).mean((2, 3, 4)))",
                2 * 6 * 6 * 4 * 18 + 4 * 10,
            ),
            ("attention on meta", "self.q = nn.Linear(3, 16); self.f = nn.Linear(16, 10)", ATTEND, ATTENTION_MACS),
            (
                "attention on the CPU",
                "self.q = nn.Linear(3, 16); self.f = nn.Linear(16, 10)",
                f"x.sum().item(); {ATTEND}",
                ATTENTION_MACS,
            ),
            (
                "multi-head attention",
                "self.q, self.f = nn.Linear(3, 16), nn.Linear(16, 10); self.m = nn.MultiheadAttention(16, 4)",
                "t = self.q(x.flatten(2).permute(2, 0, 1)); return self.f(self.m(t, t, t)[0].mean(0))",
                64 * 3 * 16 + 64 * 16 * 48 + 4 * 64 * 64 * (4 + 4) + 64 * 16 * 16 + 16 * 10,
            ),
            (
                "two layers of LSTM in both directions",
                "self.l = nn.LSTM(24, 7, 2, batch_first=True, bidirectional=True); self.f = nn.Linear(14, 10)",
                f"return self.f(self.l({ROWS})[0][:, -1])",
                8 * 2 * 4 * 7 * (24 + 7) + 8 * 2 * 4 * 7 * (14 + 7) + 14 * 10,
            ),
            (
                "LSTM with projection",
                "self.l = nn.LSTM(24, 7, proj_size=3, batch_first=True); self.f = nn.Linear(3, 10)",
                f"return self.f(self.l({ROWS})[0][:, -1])",
                8 * (4 * 7 * (24 + 3) + 7 * 3) + 3 * 10,
            ),
            (
                "packed LSTM",
                "self.l = nn.LSTM(24, 7, batch_first=True); self.f = nn.Linear(7, 10)",
                f"return self.f(self.l(nn.utils.rnn.pack_padded_sequence({ROWS}, [8] * len(x), True))[1][0][0])",
                8 * 4 * 7 * (24 + 7) + 7 * 10,
            ),
            (
                "GRU",
                "self.l = nn.GRU(24, 7, batch_first=True); self.f = nn.Linear(7, 10)",
                f"return self.f(self.l({ROWS})[0][:, -1])",
                8 * 3 * 7 * (24 + 7) + 7 * 10,
            ),
            (
                "einsum",
                "self.w = nn.Parameter(torch.randn(3, 10))",
                "return torch.einsum('bchw,co->bohw', x, self.w).mean((2, 3))",
                64 * 3 * 10,
            ),
            ("matmul", "self.w = nn.Parameter(torch.randn(192, 10))", "return x.flatten(1) @ self.w", 192 * 10),
            (
                "bmm",
                "self.w = nn.Linear(8, 10)",
                "return self.w(torch.bmm(x[:, 0], x[:, 1]).mean(1))",
                8 * 8 * 8 + 8 * 10,
            ),
            (
                "matrix times vector",
                "self.q = nn.Parameter(torch.randn(3)); self.f = nn.Linear(64, 10)",
                "return self.f(x.flatten(2).mT @ self.q)",
                64 * 3 + 64 * 10,
            ),
            (
                "bilinear layer",
                "self.b = nn.Bilinear(3, 4, 10); self.a = nn.Linear(3, 4)",
                "m = x.mean((2, 3)); return self.b(m, self.a(m))",
                3 * 4 + 3 * 4 * 10,
            ),
            (
                "a layer used twice",
                "self.a = nn.Conv2d(3, 3, 3, padding=1); self.f = nn.Linear(3, 10)",
                "return self.f(self.a(self.a(x)).mean((2, 3)))",
                2 * 64 * 81 + 3 * 10,
            ),
            (
                "functions of parameters",
                "self.w = nn.Parameter(torch.randn(4, 3, 3, 3)); self.v = nn.Parameter(torch.randn(10, 4))",
                "return F.linear(F.conv2d(x, self.w, stride=2).mean((2, 3)), self.v)",
                9 * 4 * 27 + 4 * 10,
            ),
            (
                "a norm of the weights is no work on the input",
                "self.f = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 10))",
                "return self.f(x.mean((2, 3)))",
                3 * 10,
            ),
            (
                "a part without gradient",
                "self.a = nn.Conv2d(3, 3, 3, padding=1); self.f = nn.Linear(3, 10)",
                "with torch.no_grad(): x = self.a(x); return self.f(x.mean((2, 3)))",
                64 * 81 + 3 * 10,
            ),
            (
                "sample by sample",
                "self.f = nn.Linear(3, 10)",
                "return torch.stack([self.f(r.mean((1, 2))) for r in x])",
                3 * 10,
            ),
            (
                "a scripted layer",
                "self.f = torch.jit.script(nn.Linear(3, 10))",
                "return self.f(x.mean((2, 3)))",
                3 * 10,
            ),
            ("unfolded windows", "self.f = nn.Linear(27, 10)", "return self.f(F.unfold(x, 3).mT).mean(1)", 36 * 270),
        )
    ],
)
def test_multiply_accumulates_are_those_counted_by_hand(init, forward, macs):
    report = check(network(init, forward), TASK, Budget(), Recipe(), 0)
    assert report.ok, report.message
    assert report.macs == macs


TEXT = Task("text", "some", (12,), 2, vocabulary_size=9)
LENGTHS = "n = (x != 0).sum(1).clamp(min=1); "


@pytest.mark.parametrize(
    "forward",
    [
        LENGTHS + "p = nn.utils.rnn.pack_padded_sequence(self.e(x), n.cpu(), True, False); "
        "return self.f(self.l(p)[1][0][0])",
        LENGTHS + "return self.f(self.l(self.e(x[:, : int(n.max())]))[0].mean(1))",
    ],
    ids=["packed", "cut"],
)
def test_work_on_texts_is_that_of_their_whole_length(forward):
    init = "self.e = nn.Embedding(9, 5); self.l = nn.LSTM(5, 7, batch_first=True); self.f = nn.Linear(7, 2)"
    report = check(network(init, forward), TEXT, Budget(), Recipe(), 0)
    assert report.ok, report.message
    assert report.macs == 12 * 4 * 7 * (5 + 7) + 7 * 2
