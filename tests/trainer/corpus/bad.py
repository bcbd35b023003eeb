"""Sources that must be refused, with the code, the line and a part of the message."""

from __future__ import annotations

from tests.trainer.corpus.good import PLAIN, SEQUENTIAL
from tests.trainer.corpus.sample import TEXT, Sample, network

BROKEN_TEXT_VOCABULARY = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.embed(x).mean(1))
"""

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
