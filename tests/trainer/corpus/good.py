"""Sources that must reach the top of the ladder."""

from __future__ import annotations

from tests.trainer.corpus.sample import TEXT, Sample, network

PLAIN = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.25)
        self.fc1 = nn.Linear(16 * 8 * 8, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(x.size(0), -1)
        x = self.drop(F.relu(self.fc1(x)))
        return self.fc2(x)
"""

RESIDUAL = """
class Block(nn.Module):
    def __init__(self, inp, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.short = nn.Identity() if inp == out else nn.Sequential(nn.Conv2d(inp, out, 1, stride))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += self.short(x)
        return F.relu(y)

class ResNet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.layers = nn.Sequential(Block(8, 8), Block(8, 16, 2))
        self.fc = nn.Linear(16, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, x):
        return self.fc(self.layers(self.stem(x)).mean((2, 3)))
"""

ATTENTION = """
class SelfAttention(nn.Module):
    def __init__(self, c, heads=2):
        super().__init__()
        self.norm = nn.LayerNorm(c)
        self.attn = nn.MultiheadAttention(c, heads, dropout=0.1, batch_first=True)

    def forward(self, x):
        b, c, h, w = x.shape
        t = x.flatten(2).transpose(1, 2)
        n = self.norm(t)
        t = t + self.attn(n, n, n, need_weights=False)[0]
        return t.transpose(1, 2).reshape(b, c, h, w)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, 4)
        self.attn = SelfAttention(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(F.adaptive_avg_pool2d(self.attn(self.stem(x)), 1).flatten(1))
"""

LAZY = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.LazyConv2d(8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))

    def forward(self, x):
        return self.body(x)
"""

ITEM = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.drops = [x.item() for x in torch.linspace(0, 0.1, 2)]
        self.conv = nn.Conv2d(3, 8, 3, 2)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        y = self.conv(x).mean((2, 3))
        if y.abs().max().item() > 100:
            y = y / 2
        return self.fc(y)
"""

FUNCTIONAL = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(8, 3, 3, 3) * 0.1)
        self.w2 = nn.Parameter(torch.randn(10, 8) * 0.1)
        self.w3 = nn.Parameter(torch.randn(8, 8) * 0.1)

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.w1, stride=2))
        x = F.dropout(x.mean(dim=[2, 3]), 0.3, self.training)
        return F.linear(x @ self.w3, self.w2)
"""

SEQUENTIAL = """
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
"""

DENSE = """
from collections import OrderedDict
from dataclasses import dataclass

@dataclass
class Config:
    growth: int = 4

class DenseNet(nn.Module):
    def __init__(self, config: Config = Config()):
        super().__init__()
        self.a = nn.Conv2d(3, config.growth, 3, 1, 1)
        self.b = nn.Conv2d(3 + config.growth, config.growth, 3, 1, 1)
        self.head = nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(11, 10)))

    def forward(self, x):
        x = torch.cat([x, F.relu(self.a(x))], dim=1)
        x = torch.cat([x, F.relu(self.b(x))], dim=1)
        return self.head(x)
"""

LSTM = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(500, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 8, num_layers=2, batch_first=True, bidirectional=True, dropout=0.2)
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        _, (h, _) = self.lstm(self.embed(x))
        return self.fc(torch.cat([h[-2], h[-1]], dim=1))
"""

TRANSFORMER = """
import math

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(500, 16)
        self.position = nn.Parameter(torch.zeros(1, 40, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.fc = nn.Linear(16, 2)

    def forward(self, x):
        mask = x == 0
        h = self.encoder(self.embed(x) * math.sqrt(16) + self.position, src_key_padding_mask=mask)
        return self.fc(h.masked_fill(mask.unsqueeze(-1), 0).sum(1) / (~mask).sum(1, keepdim=True).clamp(min=1))
"""

UNUSED = SEQUENTIAL.replace("nn.Sequential)", "nn.Module)").replace(
    "super().__init__(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))",
    "super().__init__()\n        self.used = nn.Linear(3, 10)\n        self.spare = nn.Linear(7, 7)\n\n"
    "    def forward(self, x):\n        return self.used(x.mean((2, 3)))",
)

FROZEN = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 10)

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()

    def forward(self, x):
        return self.fc(F.relu(self.norm(self.conv(x))).mean((2, 3)))
"""

GOOD = (
    Sample("plain", PLAIN),
    Sample("residual", RESIDUAL, net="ResNet()"),
    Sample("attention", ATTENTION),
    Sample("lazy", LAZY),
    Sample("item", ITEM),
    Sample("functional", FUNCTIONAL),
    Sample("sequential", SEQUENTIAL),
    Sample("dense", DENSE, net="DenseNet()"),
    Sample("unused", UNUSED, says="spare.weight, spare.bias"),
    Sample("instance", SEQUENTIAL + "model = Net()\n"),
    Sample("softmax", network("self.fc = nn.Linear(3, 10)", "return F.softmax(self.fc(x.mean((2, 3))), 1)")),
    Sample(
        "boolean-mask",
        network(
            "self.fc = nn.Linear(1, 10)",
            "return self.fc(x.mean((1, 2, 3))[x[:, 0, 0, 0] == x[:, 0, 0, 0]].unsqueeze(1))",
        ),
    ),
    Sample(
        "input-in-place",
        network("self.fc = nn.Linear(3, 10)", "x.mul_(2)\nreturn self.fc(x.mean((2, 3)))"),
        says="in place",
    ),
    Sample("train-without-return", FROZEN),
    Sample("lstm", LSTM, task=TEXT),
    Sample("transformer", TRANSFORMER, task=TEXT),
)
