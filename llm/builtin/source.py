"""A blueprint as PyTorch source that a person can read; :mod:`lemonade_es.llm.builtin.reader` reads it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from lemonade_es.llm.builtin.blueprint import Blueprint, Conv, Dense, Site, sites, strided
from lemonade_es.llm.builtin.cost import macs, parameters
from lemonade_es.task import TaskKind

INITIALIZERS = MappingProxyType(
    {
        "kaiming_normal_conv": 'nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")',
        "kaiming_uniform_conv": 'nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")',
        "xavier_dense": "nn.init.xavier_uniform_(module.weight)",
        "orthogonal_dense": "nn.init.orthogonal_(module.weight)",
        "small_residual": "nn.init.constant_(norms[-1].weight, 0.25)",
        "small_embedding": "nn.init.normal_(self.embedding.weight, std=0.02)",
    }
)
"""What ``Blueprint.initializers`` may name, and the call that each becomes."""

_CONV_BLOCK = '''
class ConvBlock(nn.Sequential):
    """Convolution, batch normalisation, activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, norm: bool = True
    ) -> None:
        super().__init__(
            nn.Conv{d}d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=not norm),
            nn.BatchNorm{d}d(outputs) if norm else nn.Identity(),
            nn.{activation}(),
        )
'''

_DENSE_BLOCK = '''
class DenseBlock(nn.Sequential):
    """Dense layer, batch normalisation, activation."""

    def __init__(self, inputs: int, outputs: int, norm: bool = True) -> None:
        super().__init__(
            nn.Linear(inputs, outputs, bias=not norm),
            nn.BatchNorm1d(outputs) if norm else nn.Identity(),
            nn.{activation}(),
        )
'''

_RESIDUAL = '''
class Residual(nn.Module):
    """The sum of a shortcut and of layers in sequence."""

    def __init__(self, shortcut: nn.Module, *layers: nn.Module) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.layers = nn.Sequential(*layers){init}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.layers(x)
'''

# Not zero: behind a rectifier, a branch that starts at zero has no gradient and never leaves it.
_RESIDUAL_INIT = """
        # A branch that starts small lets a deep network begin close to a shallow one.
        norms = [module for module in self.layers.modules() if isinstance(module, nn.BatchNorm{d}d)]
        if norms:
            {call}"""

_STOCHASTIC_DEPTH = '''
class StochasticDepth(nn.Module):
    """Drops a residual branch for a random share of the batch while training (Huang et al., 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        shape = (x.shape[0],) + (1,) * (x.dim() - 1)
        kept = torch.rand(shape, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)
'''

# An embedding is transposed, and random numbers in such an order take four times as long.
_IN_ORDER = ", memory_format=torch.contiguous_format"

_GAUSSIAN_NOISE = '''
class GaussianNoise(nn.Module):
    """Multiplies by noise around one while training (Srivastava et al., 2014, section 10)."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * torch.empty_like(x{order}).normal_(1.0, self.deviation)
'''

_IMAGE_FORWARD = """
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))
"""

_TABLE_FORWARD = """
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(rows))
"""

_TEXT_FORWARD = """
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        embedded = self.embedding(tokens).transpose(1, 2)
        return self.head(self.features(embedded))
"""


_FORWARD: Mapping[TaskKind, str] = MappingProxyType(
    {"image": _IMAGE_FORWARD, "text": _TEXT_FORWARD, "table": _TABLE_FORWARD}
)


def render(blueprint: Blueprint) -> str:
    """The network as a Python file with one class ``Network``, constructible without arguments."""
    block = _DENSE_BLOCK if blueprint.kind == "table" else _CONV_BLOCK
    d = _dimensions(blueprint)
    units = [unit for stage in blueprint.stages for unit in stage.units]
    parts = [_opening(blueprint), block.format(d=d, activation=blueprint.activation)]
    if any(unit.skip for unit in units):
        call = INITIALIZERS["small_residual"]
        small = "small_residual" in blueprint.initializers
        parts.append(_RESIDUAL.format(init=_RESIDUAL_INIT.format(d=d, call=call) if small else ""))
    if any(unit.stochastic_depth for unit in units):
        parts.append(_STOCHASTIC_DEPTH)
    if blueprint.noise:
        parts.append(_GAUSSIAN_NOISE.format(order=_IN_ORDER if blueprint.kind == "text" else ""))
    parts.append("\n" + "\n".join(_network(blueprint)) + "\n")
    return "\n".join(parts) + _FORWARD[blueprint.kind]


def subject(blueprint: Blueprint) -> str:
    """What the network is for, in words."""
    wanted = "one number" if blueprint.objective == "regression" else f"{blueprint.classes} classes"
    if blueprint.kind == "text":
        return f"texts of {blueprint.input_shape[0]} tokens out of {blueprint.vocabulary_size} and {wanted}"
    if blueprint.kind == "table":
        return f"table rows of {blueprint.input_shape[0]} features and {wanted}"
    return f"{'x'.join(map(str, blueprint.input_shape))} images and {wanted}"


def _dimensions(blueprint: Blueprint) -> int:
    """Of the batch normalisation: that of table rows is the one for sequences."""
    return max(len(blueprint.size), 1)


def _opening(blueprint: Blueprint) -> str:
    kind = "dense" if blueprint.kind == "table" else "convolutional"
    return (
        f'"""A {kind} network for {subject(blueprint)}.\n\n'
        f"{parameters(blueprint):,} parameters, {macs(blueprint):,} multiply-accumulates for one input.\n"
        '"""\n\nimport torch\nfrom torch import nn\n'
    )


def _network(blueprint: Blueprint) -> Iterator[str]:
    readout = "average" if blueprint.readout == "Avg" else "maximum"
    over = "all positions" if blueprint.places == 1 else f"each of {blueprint.places}x{blueprint.places} places"
    body = f"Stages of convolutions, pooled to the {readout} over {over}"
    yield "class Network(nn.Module):"
    yield f'    """{"Dense layers" if blueprint.kind == "table" else body}, then a dense head."""'
    yield ""
    yield "    def __init__(self) -> None:"
    yield "        super().__init__()"
    if blueprint.embedding is not None:
        yield (
            f"        self.embedding = nn.Embedding({blueprint.vocabulary_size}, {blueprint.embedding}, padding_idx=0)"
        )
        if "small_embedding" in blueprint.initializers:
            yield f"        {INITIALIZERS['small_embedding']}"
    yield "        self.features = nn.Sequential("
    yield from (f"            {line}" for line in _features(blueprint))
    yield "        )"
    yield "        self.head = nn.Sequential("
    yield from (f"            {line}" for line in _head(blueprint))
    yield "        )"
    yield from (f"        {line}" for line in _initialization(blueprint))


def _features(blueprint: Blueprint) -> Iterator[str]:
    d = _dimensions(blueprint)
    if blueprint.embedding_dropout:
        yield f"nn.Dropout({blueprint.embedding_dropout}),"
    if blueprint.noise:
        yield f"GaussianNoise({blueprint.noise}),"
    for site in sites(blueprint):
        if site.index == 0:
            if site.stage > 0:
                yield f"nn.{blueprint.pooling}Pool{d}d({blueprint.stages[site.stage].pool}),"
            if blueprint.kind != "table":
                yield f"# stage {site.stage + 1}: {'x'.join(map(str, strided(site.size, site.unit.stride)))}"
        yield from _unit(site, d, table=blueprint.kind == "table")


def _unit(site: Site, dimensions: int, *, table: bool) -> Iterator[str]:
    indent = "    " if site.unit.skip else ""
    if site.unit.skip:
        yield "Residual("
        yield f"{indent}{_shortcut(site, dimensions, table=table)},"
    inputs = site.inputs
    for conv in site.unit.convs:
        yield f"{indent}{_dense_block(inputs, conv) if table else _conv(inputs, conv)},"
        inputs = conv.width
    if site.unit.stochastic_depth:
        yield f"{indent}StochasticDepth({site.unit.stochastic_depth}),"
    if site.unit.skip:
        yield "),"
    if site.unit.dropout:
        yield f"nn.Dropout({site.unit.dropout}),"


def _shortcut(site: Site, dimensions: int, *, table: bool) -> str:
    if not site.projects:
        return "nn.Identity()"
    if table:
        return f"nn.Linear({site.inputs}, {site.unit.width}, bias=False)"
    stride = f", stride={site.unit.stride}" if site.unit.stride != 1 else ""
    convolution = f"nn.Conv{dimensions}d({site.inputs}, {site.unit.width}, 1{stride}, bias=False)"
    if not site.normalises_projection:
        return convolution
    return f"nn.Sequential({convolution}, nn.BatchNorm{dimensions}d({site.unit.width}))"


def _conv(inputs: int, conv: Conv) -> str:
    options = f", kernel={conv.kernel}" if conv.kernel != 3 else ""
    options += f", stride={conv.stride}" if conv.stride != 1 else ""
    options += ", norm=False" if not conv.norm else ""
    return f"ConvBlock({inputs}, {conv.width}{options})"


def _dense_block(inputs: int, layer: Conv) -> str:
    return f"DenseBlock({inputs}, {layer.width}{'' if layer.norm else ', norm=False'})"


def _head(blueprint: Blueprint) -> Iterator[str]:
    if blueprint.kind != "table":
        yield f"nn.Adaptive{blueprint.readout}Pool{len(blueprint.size)}d({blueprint.places}),"
        yield "nn.Flatten(),"
    if blueprint.head_dropout:
        yield f"nn.Dropout({blueprint.head_dropout}),"
    inputs = blueprint.features
    for dense in blueprint.hidden:
        yield from _dense(inputs, dense, blueprint.activation)
        inputs = dense.width
    yield f"nn.Linear({inputs}, {blueprint.classes}),"


def _dense(inputs: int, dense: Dense, activation: str) -> Iterator[str]:
    yield f"nn.Linear({inputs}, {dense.width}),"
    if dense.norm:
        yield f"nn.LayerNorm({dense.width}),"
    yield f"nn.{activation}(),"
    if dense.dropout:
        yield f"nn.Dropout({dense.dropout}),"


def _initialization(blueprint: Blueprint) -> Iterator[str]:
    kinds = {f"nn.Conv{_dimensions(blueprint)}d": "_conv", "nn.Linear": "_dense"}
    calls = {
        layer: INITIALIZERS[name]
        for layer, ending in kinds.items()
        for name in blueprint.initializers
        if name.endswith(ending)
    }
    if not calls:
        return
    yield "for module in self.modules():"
    for number, (layer, call) in enumerate(calls.items()):
        yield f"    {'elif' if number else 'if'} isinstance(module, {layer}):"
        yield f"        {call}"
