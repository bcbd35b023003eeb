"""Model sources in the styles that LLMs write, each with the verdict that it should get.

Small ones are made here; whole files lie in ``corpus/*.txt``, each below a line
``#: NAME ok|CODE [net=EXPRESSION] [task=grey|text] [FLAG...]``. ``net`` is what plain PyTorch is to evaluate for the
network. Flags: ``compile`` (plain PyTorch needs a compiler for it), ``isolated`` (it reaches out of its process),
``memory`` (it asks for more than a machine has), ``policy`` (it could be trained, and is refused on purpose).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lemonade_es.task import Task

IMAGE = Task("image", "cifar10", (3, 32, 32), 10)
GREY = Task("image", "mnist", (1, 28, 28), 10)
TEXT = Task("text", "imdb", (40,), 2, vocabulary_size=500)

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """One source; ``code`` is ``None`` for a good one, ``says`` is part of the message."""

    name: str
    body: str
    code: str | None = None
    says: str = ""
    line: int | None = None
    task: Task = IMAGE
    net: str = "Net()"
    flags: tuple[str, ...] = ()
    head: str = HEAD

    @property
    def source(self) -> str:
        return self.head + self.body


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

BROKEN_TEXT_VOCABULARY = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.embed(x).mean(1))
"""

UNUSED = SEQUENTIAL.replace("nn.Sequential)", "nn.Module)").replace(
    "super().__init__(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))",
    "super().__init__()\n        self.used = nn.Linear(3, 10)\n        self.spare = nn.Linear(7, 7)\n\n"
    "    def forward(self, x):\n        return self.used(x.mean((2, 3)))",
)


def network(init: str, forward: str) -> str:
    """A class around a constructor's and a forward's statements."""
    lines = ["class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += [f"        {line}" for line in init.splitlines()] + ["    def forward(self, x):"]
    return "\n".join([*lines, *(f"        {line}" for line in forward.splitlines())]) + "\n"


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

BAD = (
    Sample("unclosed", "class Net(nn.Module:\n    pass\n", "SYNTAX_ERROR", "not valid Python", 4),
    Sample("nul", "x = 1\0\n", "SYNTAX_ERROR"),
    Sample("too-large", "# " + "x" * 100_000, "SOURCE_TOO_LARGE", "100000"),
    Sample("import-os", "import os\nos.system('true')\n" + SEQUENTIAL, "FORBIDDEN_IMPORT", "os.system", 5),
    Sample("relative-import", "from . import blocks\n" + SEQUENTIAL, "FORBIDDEN_IMPORT", line=4),
    Sample("wrong-import", "from torch.nn import Conv9d\n" + SEQUENTIAL, "IMPORT_FAILED", "Conv9d", 4),
    Sample(
        "missing-import",
        network("self.fc = nn.Linear(int(math.sqrt(9)), 10)", "return self.fc(x.mean((2, 3)))"),
        "UNDEFINED_NAME",
        "math",
        7,
    ),
    Sample("no-network", "def forward(x):\n    return x\n", "NO_NETWORK"),
    Sample(
        "needs-arguments",
        "class Net(nn.Module):\n    def __init__(self, width, classes=10):\n        super().__init__()\n",
        "NEEDS_ARGUMENTS",
        "width",
        4,
    ),
    Sample(
        "two-networks",
        "import torch.nn as nn\nteacher = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n"
        "student = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n",
        "SEVERAL_NETWORKS",
        "teacher, student",
    ),
    Sample(
        "quantised",
        "import torch, torch.nn as nn\nfloating = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n"
        "model = torch.ao.quantization.quantize_dynamic(floating, {nn.Linear}, dtype=torch.qint8)\n",
        "QUANTISED",
        "Layers of 8 bits (Linear) cannot learn; give the network in floating point",
    ),
    Sample(
        "half-quantised",
        network(
            "self.a = nn.Conv2d(3, 4, 3)\nself.b = torch.ao.nn.quantized.dynamic.Linear(4, 10)",
            "return self.b(self.a(x).mean((2, 3)))",
        ),
        "QUANTISED",
        "Layers of 8 bits (Linear) cannot learn",
    ),
    Sample(
        "complex-buffer",
        network(
            "self.fc = nn.Linear(3, 10)\nself.register_buffer('z', torch.zeros(2, dtype=torch.complex128))",
            "return self.fc(x.mean((2, 3)))",
        ),
        "UNSAVABLE",
        "'z', a tensor of complex128",
    ),
    Sample(
        "extra-state",
        network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3)))")
        + "    def get_extra_state(self):\n        return {'steps': 3}\n",
        "UNSAVABLE",
        "'_extra_state', a dict",
    ),
    Sample(
        "name-that-is-no-text",
        network(
            r"self.add_module('\ud800', nn.Linear(3, 10))",
            r"return getattr(self, '\ud800')(x.mean((2, 3)))",
        ),
        "UNSAVABLE",
        r"'\ud800.weight', a name that is no Unicode text",
    ),
    Sample(
        "torchscript-from-a-file",
        "import torch\nmodel = torch.jit.load('model.pt')\n",
        "NOT_PERMITTED",
        "make all that it needs itself",
    ),
    Sample(
        "auxiliary-outputs",
        network(
            "self.fc, self.aux = nn.Linear(3, 10), nn.Linear(3, 10)",
            "x = x.mean((2, 3))\nreturn (self.fc(x), self.aux(x)) if self.training else self.fc(x)",
        ),
        "WRONG_OUTPUT",
        "return the logits alone, in training mode, too",
    ),
    Sample("raises", network("raise ValueError('no such block')", "return x"), "BUILD_FAILED", "no such block", 7),
    Sample("exits", network("raise SystemExit(3)", "return x"), "BUILD_FAILED", "SystemExit", 7),
    Sample(
        "no-forward",
        PLAIN.partition("    def forward")[0],
        "NO_FORWARD",
        "forward",
    ),
    Sample("no-parameters", network("pass", "return x.mean((2, 3)).repeat(1, 4)[:, :10]"), "NO_PARAMETERS"),
    Sample(
        "shapes",
        network(
            "self.conv = nn.Conv2d(3, 8, 3)\nself.fc = nn.Linear(100, 10)",
            "x = self.conv(x)\nreturn self.fc(x.flatten(1))",
        ),
        "SHAPE_MISMATCH",
        "self.fc(x.flatten(1))",
        11,
    ),
    Sample(
        "channels", network("self.conv = nn.Conv2d(1, 8, 3)", "return self.conv(x)"), "SHAPE_MISMATCH", "channels", 9
    ),
    Sample(
        "join",
        network("self.a = nn.Conv2d(3, 8, 3)\nself.b = nn.Conv2d(8, 8, 3)", "y = self.a(x)\nreturn y + self.b(y)"),
        "SHAPE_MISMATCH",
        "28",
        11,
    ),
    Sample(
        "classes",
        network("self.fc = nn.Linear(3, 7)", "return self.fc(x.mean((2, 3)))"),
        "WRONG_OUTPUT",
        "gives 7",
    ),
    Sample(
        "tuple",
        network("self.fc = nn.Linear(3, 10)", "y = self.fc(x.mean((2, 3)))\nreturn y, y"),
        "WRONG_OUTPUT",
        "tuple",
    ),
    Sample(
        "fixed-batch",
        network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3))[:2])"),
        "WRONG_OUTPUT",
        "(4, 10)",
    ),
    Sample(
        "squeezed",
        network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3))).squeeze()"),
        "WRONG_OUTPUT",
        "eval mode",
    ),
    Sample(
        "infinite",
        network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3)).log())"),
        "NON_FINITE_LOSS",
        "nan",
    ),
    Sample(
        "nan-gradient",
        network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3))) + (self.fc.weight * 0).sum().sqrt()"),
        "NON_FINITE_GRADIENT",
        "fc.weight",
    ),
    Sample("detached", network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3))).detach()"), "NO_GRADIENT"),
    Sample(
        "in-place-trap",
        network("self.fc = nn.Linear(3, 10)", "y = self.fc(x.mean((2, 3))).exp()\ny += 1\nreturn y"),
        "IN_PLACE",
    ),
    Sample(
        "kept-graph",
        network(
            "self.fc = nn.Linear(3, 10)\nself.state = 0",
            "y = self.fc(x.mean((2, 3)))\nself.state = self.state + y.sum()\nreturn y + self.state",
        ),
        "GRAPH_KEPT",
    ),
    Sample(
        "cuda", network("self.fc = nn.Linear(3, 10).cuda()", "return self.fc(x.mean((2, 3)))"), "WRONG_DEVICE", line=7
    ),
    Sample(
        "double",
        network("self.fc = nn.Linear(3, 10)", "return self.fc(x.mean((2, 3)).double())"),
        "WRONG_DTYPE",
        line=9,
    ),
    Sample(
        "recursion",
        network("self.fc = nn.Linear(3, 10)", "return self.forward(x)"),
        "ENDLESS_RECURSION",
        "RecursionError",
        9,
    ),
    Sample(
        "huge",
        network("self.fc = nn.Linear(3072, 10)\nself.w = torch.ones(10**14)", "return self.fc(x.flatten(1))"),
        "OUT_OF_MEMORY",
    ),
    Sample("vocabulary", BROKEN_TEXT_VOCABULARY, "INDEX_OUT_OF_RANGE", "vocabulary", 12, TEXT),
)


def _filed(text: str) -> Sample:
    title, _, source = text.partition("\n")
    name, code, *options = title.split()
    words = dict(option.split("=", 1) for option in options if "=" in option)
    return Sample(
        name,
        source,
        code=None if code == "ok" else code,
        task={"grey": GREY, "text": TEXT}.get(words.get("task", ""), IMAGE),
        net=words.get("net", "Net()"),
        flags=tuple(option for option in options if "=" not in option),
        head="",
    )


FILES = tuple(
    _filed(text)
    for path in sorted(Path(__file__).with_name("corpus").glob("*.txt"))
    for text in re.split(r"^#: ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
)
