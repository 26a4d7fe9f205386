"""The networks of docs/encoder.md in plain PyTorch, written from their descriptions, with weights that are made up.

    CLIP      Radford et al. 2021, arXiv 2103.00020; the transformer: Dosovitskiy et al. 2021, arXiv 2010.11929
    ResNet-50 He et al. 2016, arXiv 1512.03385, version 1.5: a block's stride is that of its 3x3 convolution

Parameters are named as in the weights files of OpenAI and torchvision, so that state_dict() has these layouts. The
method forward(x, tell) calls tell(name, tensor[picture][row][column]) for every layer, with the names and the order of
libdkvb's trace.
"""
from collections import namedtuple
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

# Sizes of a vision transformer; `heads` is None for width / 64 heads, as in all published models.
Size = namedtuple("Size", "image patch width layers heads mlp dim")
SIZES = {
    "two-heads": Size(32, 8, 64, 2, 2, 256, 48),
    "plain": Size(48, 16, 128, 3, None, 512, 128),
    "odd": Size(35, 7, 72, 2, 3, 200, 40),
    "b32": Size(224, 32, 768, 12, None, 3072, 512),
    "b16": Size(224, 16, 768, 12, None, 3072, 512),
    "l14": Size(224, 14, 1024, 24, None, 4096, 768),
}


def heads_of(size):
    return size.heads or size.width // 64


def silent(_name, _tensor):
    pass


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"quick_gelu": QuickGELU, "gelu": nn.GELU}


class Attention(nn.Module):
    """Multi-head attention; the matrix in_proj has the rows of queries, keys and values one below the other, and a head
    has head_dim neighbouring rows."""

    def __init__(self, width, heads):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.heads, self.scale = heads, (width // heads) ** -0.5

    def forward(self, x):
        n, tokens, width = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = torch.softmax((q * self.scale) @ k.transpose(2, 3), 3)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(n, tokens, width))


class FusedAttention(Attention):
    """Multi-head attention by PyTorch's function scaled_dot_product_attention()."""

    def forward(self, x):
        return torch._native_multi_head_attention(
            x, x, x, x.shape[2], self.heads, self.in_proj_weight, self.in_proj_bias, self.out_proj.weight,
            self.out_proj.bias, need_weights=False)[0]


class Block(nn.Module):
    def __init__(self, size, activation):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.attn = Attention(size.width, heads_of(size))
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(size.width, size.mlp))
        self.mlp.add_module("act", ACTIVATIONS[activation]())
        self.mlp.add_module("c_proj", nn.Linear(size.mlp, size.width))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Vision(nn.Module):
    def __init__(self, size, activation="quick_gelu"):
        super().__init__()
        tokens = 1 + (size.image // size.patch) ** 2
        self.class_embedding = nn.Parameter(torch.empty(size.width))
        self.positional_embedding = nn.Parameter(torch.empty(tokens, size.width))
        self.proj = nn.Parameter(torch.empty(size.width, size.dim))
        self.conv1 = nn.Conv2d(3, size.width, size.patch, size.patch, bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(Block(size, activation) for _ in range(size.layers))

    def embed(self, x, tell):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        tell("patches", x)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        tell("embeddings", x)
        return x

    def forward(self, x, tell=silent):
        x = self.ln_pre(self.embed(x, tell))
        tell("pre_norm", x)
        for i, block in enumerate(self.transformer.resblocks):
            x = block(x)
            tell(f"block.{i}", x)
        x = self.ln_post(x[:, :1])
        tell("post_norm", x)
        x = x @ self.proj
        tell("projection", x)
        return x[:, 0]


def normal(generator, like, deviation, mean=0.0):
    return torch.randn(like.shape, generator=generator) * deviation + mean


def uneven(generator, like, spread):
    """Returns random factors around 1, never below 0."""
    return torch.exp(torch.randn(like.shape, generator=generator) * spread)


def fill_vision(model, seed):
    """Fills a vision transformer with random weights at the scale of trained ones: embeddings so small that the epsilon
    of the first norm matters, attention scores a few units apart, and branches as large as what they are added to. No
    weight is 0 or 1, so that every one matters."""
    g = torch.Generator().manual_seed(seed)
    fan_in = {"in_proj_weight": 1.4, "out_proj.weight": 0.7, "c_fc.weight": 1.2, "c_proj.weight": 0.7}
    with torch.no_grad():
        for name, p in model.named_parameters():
            gain = [gain for ending, gain in fan_in.items() if name.endswith(ending)]
            if gain:
                p.copy_(normal(g, p, gain[0] * p.shape[1] ** -0.5))
            elif name == "proj":
                p.copy_(normal(g, p, p.shape[0] ** -0.5))
            elif name == "conv1.weight":
                p.copy_(normal(g, p, 0.03 * p[0].numel() ** -0.5))
            elif "embedding" in name:
                p.copy_(normal(g, p, 0.02))
            elif name.endswith("weight"):
                p.copy_(uneven(g, p, 0.3))
            else:
                p.copy_(normal(g, p, 0.15))
    return model.eval()


def vision(size, activation, seed):
    return fill_vision(Vision(size, activation), seed)


class Bottleneck(nn.Module):
    def __init__(self, wide_in, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(wide_in, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or wide_in != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(wide_in, 4 * width, 1, stride, bias=False),
                                            nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (self.downsample(x) if self.downsample else x))


def pixels(x):
    """Reshapes [picture][channel][y][x] to [picture][pixel][channel]."""
    return x.flatten(2).transpose(1, 2)


class ResNet50(nn.Module):
    """The network ResNet-50 without its classifier; `width` is 64, or less for quick tests."""

    def __init__(self, width=64):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        wide_in = width
        for layer, blocks in enumerate((3, 4, 6, 3)):
            own = width << layer
            strides = [1 if layer == 0 else 2] + [1] * (blocks - 1)
            self.add_module(f"layer{layer + 1}", nn.Sequential(
                *(Bottleneck(4 * own if i else wide_in, own, stride) for i, stride in enumerate(strides))))
            wide_in = 4 * own

    def pool(self, x):
        return F.max_pool2d(x, 3, 2, 1)

    def forward(self, x, tell=silent):
        x = F.relu(self.bn1(self.conv1(x)))
        tell("conv1", pixels(x))
        x = self.pool(x)
        tell("maxpool", pixels(x))
        for layer in range(1, 5):
            for i, block in enumerate(getattr(self, f"layer{layer}")):
                x = block(x)
                tell(f"layer{layer}.{i}", pixels(x))
        x = x.mean((2, 3))
        tell("pool", x[:, None])
        return x


@contextmanager
def remembering(model):
    """Sets the batch norms so that their running statistics become those of the next batch."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    yield
    model.eval()


def resnet50(width, seed, pictures):
    """Makes a ResNet-50 with random weights. Its channels have very different scales, so that the epsilon of batch norm
    matters; its running statistics are near those of `pictures`, float[n][3][224][224], but not equal to them, as after
    training."""
    g = torch.Generator().manual_seed(seed)
    model = ResNet50(width)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 4:
                p.copy_(normal(g, p, p[0].numel() ** -0.5) * uneven(g, p[:, :1, :1, :1], 1.0))
            elif name.endswith("weight"):
                p.copy_(uneven(g, p, 0.3) * (0.5 if "bn3" in name else 1.0))
            else:
                p.copy_(normal(g, p, 0.2))
        with remembering(model):
            model(pictures)
        for name, b in model.named_buffers():
            if name.endswith("running_var"):
                b.mul_(uneven(g, b, 0.2))
            elif name.endswith("running_mean"):
                b.add_(normal(g, b, 0.1) * b.abs())
    return model
