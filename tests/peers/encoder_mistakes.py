"""Typical mistakes in writing the encoder networks, each as a change to a correct PyTorch network.

A comparison that would not notice these mistakes proves nothing, so encoder_reference.py checks that it notices each.
"""
import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import encoder_pictures as pictures
from encoder_networks import ACTIVATIONS, Block, ResNet50


class NormAfter(Block):
    def forward(self, x):
        x = self.ln_1(x + self.attn(x))
        return self.ln_2(x + self.mlp(x))


def in_proj_as(order):
    def change(model):
        for block in model.transformer.resblocks:
            for p in (block.attn.in_proj_weight, block.attn.in_proj_bias):
                p.data = order(p.data, block.attn.heads)
    return change


def keys_first(p, _heads):
    q, k, v = p.chunk(3)
    return torch.cat([k, q, v])


def by_head(p, heads):
    """Mistake: reads in_proj as if the queries, keys and values of a head were stored together."""
    rest = p.shape[1:]
    return p.view(heads, 3, -1, *rest).transpose(0, 1).reshape(-1, *rest)


def other_activation(model):
    for block in model.transformer.resblocks:
        block.mlp.act = ACTIVATIONS["gelu" if not isinstance(block.mlp.act, nn.GELU) else "quick_gelu"]()


def projection_not_transposed(model):
    model.proj.data = model.proj.T.reshape(model.proj.shape)


def scale_of_width(model):
    for block in model.transformer.resblocks:
        block.attn.scale = block.attn.out_proj.in_features ** -0.5


def class_token_last(model):
    """Mistake: the class token is the last one; as attention does not depend on the order of tokens, only the positions
    change."""
    model.positional_embedding.data = model.positional_embedding.roll(1, 0)


def norm_after(model):
    for block in model.transformer.resblocks:
        block.__class__ = NormAfter


def without(name):
    return lambda model: setattr(model, name, nn.Identity())


class PoolWithoutPadding(ResNet50):
    def pool(self, x):
        return F.max_pool2d(x, 3, 2, 0, ceil_mode=True)


def pool_without_padding(model):
    model.__class__ = PoolWithoutPadding


def epsilon(value):
    def change(model):
        for m in model.modules():
            if isinstance(m, (nn.LayerNorm, nn.BatchNorm2d)):
                m.eps = value
    return change


def patches_by_pixel(model):
    w = model.conv1.weight
    w.data = w.reshape(len(w), *w.shape[2:], 3).permute(0, 3, 1, 2).contiguous()


def blue_first(model):
    model.conv1.weight.data = model.conv1.weight.flip(1)


def stride_of_v1(model):
    for m in model.modules():
        if hasattr(m, "conv3"):
            m.conv1.stride, m.conv2.stride = m.conv2.stride, m.conv1.stride


NETWORK = {
    "clip": {
        "GELU and quick GELU confused": other_activation,
        "projection not transposed": projection_not_transposed,
        "`in_proj` read as keys, queries, values": in_proj_as(keys_first),
        "`in_proj` read head by head": in_proj_as(by_head),
        "attention scaled by the width of the token": scale_of_width,
        "class token last": class_token_last,
        "norms after the branches": norm_after,
        "no norm before the blocks": without("ln_pre"),
        "no norm after them": without("ln_post"),
        "epsilon 1e-6": epsilon(1e-6),
        "patch weights read as [P][P][3]": patches_by_pixel,
        "blue, green, red": blue_first,
    },
    "resnet50": {
        "stride in the 1x1 convolution": stride_of_v1,
        "epsilon 1e-3": epsilon(1e-3),
        "pool without padding": pool_without_padding,
        "blue, green, red": blue_first,
    },
}


def no_antialias(picture, prepare):
    """Mistake: resizes without antialiasing, from the nearest four (bicubic) or two (bilinear) pixels in each
    direction, however much smaller the picture gets."""
    rgb = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()
    kind = {pictures.BICUBIC: "bicubic", pictures.BILINEAR: "bilinear"}[prepare.filter]
    size = pictures.fitted_size(picture.size, prepare.shorter)
    small = F.interpolate(rgb, size[::-1], mode=kind, align_corners=False).round().clamp(0, 255)
    return pictures.middle(small[0].permute(1, 2, 0).numpy().astype(np.uint8), prepare.crop)


def squashed(picture, prepare):
    return np.array(picture.resize((prepare.crop, prepare.crop), prepare.filter))


def other_filter(picture, prepare):
    other = pictures.BILINEAR if prepare.filter == pictures.BICUBIC else pictures.BICUBIC
    return prepare._replace(filter=other).pixels(picture)


def no_margin(picture, prepare):
    return prepare._replace(shorter=prepare.crop).pixels(picture)


PIXELS = {
    "clip": {"bilinear for bicubic": other_filter, "no antialias": no_antialias, "squashed to a square": squashed},
    "resnet50": {"bicubic for bilinear": other_filter, "no antialias": no_antialias,
                 "224 in place of 256 before the crop": no_margin},
}
SCALES = {"clip": {"ImageNet's mean and deviation": pictures.IMAGENET},
          "resnet50": {"CLIP's mean and deviation": pictures.CLIP}}


def all_of(kind, model, prepare, opened):
    """Yields (mistake, embeddings by a network with it) for opened PIL pictures."""
    right = [prepare.pixels(picture) for picture in opened]
    for name, change in NETWORK[kind].items():
        wrong = copy.deepcopy(model)
        change(wrong)
        yield name, pictures.embeddings(wrong, right, prepare.scale)
    for name, other in PIXELS[kind].items():
        yield name, pictures.embeddings(model, [other(picture, prepare) for picture in opened], prepare.scale)
    for name, scale in SCALES[kind].items():
        yield name, pictures.embeddings(model, right, scale)
