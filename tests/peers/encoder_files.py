"""Writes weights files in the common formats: .safetensors in the layouts of Hugging Face, OpenAI and torchvision, with
configs.

A .safetensors file (https://huggingface.co/docs/safetensors) has the length of a JSON header as u64, the header (name:
dtype, shape, data_offsets), and the data. Each writer adds a few tensors that real files have besides those of the
vision network.
"""
import copy
import json
import os
import struct

import torch

from encoder_networks import heads_of

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
NAMES = {torch.int64: "I64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def raw(tensor):
    return tensor.view(torch.int16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


def write_safetensors(path, tensors):
    """Writes a .safetensors file, with wider number types first and tensors ordered by name within a type, as the
    format's own writer does."""
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name in order:
        begin, end = end, end + tensors[name].numel() * tensors[name].element_size()
        header[name] = {"dtype": NAMES[tensors[name].dtype], "shape": list(tensors[name].shape),
                        "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(raw(tensors[name].detach().contiguous()).tobytes())


def rounded(model, dtype):
    """Returns a copy of a model whose weights are exact in the number type `dtype`; the copy computes in float32."""
    return copy.deepcopy(model).to(DTYPES[dtype]).float()


def typed(tensors, dtype):
    return {name: t.to(DTYPES[dtype]) if t.is_floating_point() else t for name, t in tensors.items()}


def split_in_proj(name, tensor):
    """Splits the tensor in_proj into the tensors of queries, keys and values."""
    kind = name.rsplit("_", 1)[1]
    return {f"self_attn.{each}_proj.{kind}": part for each, part in zip("qkv", tensor.chunk(3))}


# Tensor names in the layouts of OpenAI and of Hugging Face, within a block and outside of blocks
RENAMED = {
    "attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2"}
OUTSIDE = {
    "class_embedding": "embeddings.class_embedding", "conv1.weight": "embeddings.patch_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight", "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias", "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias"}


def huggingface(model):
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name in OUTSIDE:
            tensors["vision_model." + OUTSIDE[name]] = tensor
        elif name == "proj":
            tensors["visual_projection.weight"] = tensor.T
        else:
            _, _, block, rest = name.split(".", 3)
            part, _, kind = rest.rpartition(".")
            inside = split_in_proj(rest, tensor) if "in_proj" in rest else {f"{RENAMED[part]}.{kind}": tensor}
            tensors.update({f"vision_model.encoder.layers.{block}.{each}": t for each, t in inside.items()})
    tokens = len(model.positional_embedding)
    tensors["vision_model.embeddings.position_ids"] = torch.arange(tokens)[None]
    tensors["text_model.embeddings.token_embedding.weight"] = torch.ones(9, 8)
    tensors["text_model.encoder.layers.0.layer_norm1.weight"] = torch.ones(8)
    tensors["text_projection.weight"] = torch.ones(model.proj.shape[1], 8)
    tensors["logit_scale"] = torch.tensor(4.6052)
    return tensors


def openai(model):
    tensors = {"visual." + name: tensor for name, tensor in model.state_dict().items()}
    tensors["positional_embedding"] = torch.ones(77, 8)
    tensors["transformer.resblocks.0.ln_1.weight"] = torch.ones(8)
    tensors["text_projection"] = torch.ones(8, model.proj.shape[1])
    tensors["logit_scale"] = torch.tensor(4.6052)
    return tensors


def torchvision(model):
    wide = next(reversed(model.layer4)).conv3.out_channels
    return {**model.state_dict(), "fc.weight": torch.ones(10, wide), "fc.bias": torch.ones(10)}


def huggingface_config(size, activation):
    vision = {"hidden_size": size.width, "intermediate_size": size.mlp, "num_attention_heads": heads_of(size),
              "num_hidden_layers": size.layers, "image_size": size.image, "patch_size": size.patch,
              "projection_dim": size.dim, "hidden_act": activation, "layer_norm_eps": 1e-5,
              "model_type": "clip_vision_model"}
    return {"model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": size.dim, "vision_config": vision,
            "text_config": {"hidden_size": 8, "hidden_act": activation, "num_hidden_layers": 1}}


def openclip_config(size, activation):
    vision = {"image_size": size.image, "layers": size.layers, "width": size.width, "patch_size": size.patch,
              "head_width": size.width // heads_of(size), "mlp_ratio": size.mlp / size.width}
    model = {"embed_dim": size.dim, "vision_cfg": vision, "text_cfg": {"context_length": 77, "width": 8, "layers": 1}}
    if activation == "quick_gelu":
        model["quick_gelu"] = True
    return {"model_cfg": model, "preprocess_cfg": {"interpolation": "bicubic"}}


LAYOUTS = {  # usual names of weights files, and the layout of each
    "huggingface": ("model.safetensors", huggingface, "config.json", huggingface_config),
    "openai": ("open_clip_model.safetensors", openai, "open_clip_config.json", openclip_config)}


def write_vision(folder, model, size, activation, layout, dtype):
    """Writes a weights file with its config beside it, and returns the path of the weights file."""
    weights, tensors, beside, config = LAYOUTS[layout]
    with open(os.path.join(folder, beside), "w", encoding="utf-8") as file:
        json.dump(config(size, activation), file)
    path = os.path.join(folder, weights)
    write_safetensors(path, typed(tensors(model), dtype))
    return path


def write_resnet50(folder, model, dtype):
    path = os.path.join(folder, "resnet50.safetensors")
    write_safetensors(path, typed(torchvision(model), dtype))
    return path
