"""Pictures for the networks: files, PIL's way from a file to pixels, and from pixels to what a network takes.

Sizes and roundings are those of torchvision's Resize and CenterCrop, which CLIP's preprocessing consists of.
"""
import glob
import os
import shutil
from collections import namedtuple

import numpy as np
import torch
from PIL import Image

BICUBIC, BILINEAR = Image.BICUBIC, Image.BILINEAR
Scale = namedtuple("Scale", "mean deviation")
CLIP = Scale((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET = Scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def fitted_size(size, shorter):
    """The longer side is rounded down."""
    width, height = size
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def middle(pixels, crop):
    """Half a pixel goes to the even side, as Python rounds."""
    top, left = (int(round((side - crop) / 2.0)) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top:top + crop, left:left + crop])


class Prepare(namedtuple("Prepare", "shorter crop filter scale")):
    def resized(self, picture):
        """uint8[height][width][3] of a PIL picture in RGB; one that has the right size already does not change."""
        return np.array(picture.resize(fitted_size(picture.size, self.shorter), self.filter))

    def pixels(self, picture):
        """uint8[crop][crop][3], the middle of that."""
        return middle(self.resized(picture), self.crop)


def prepare_clip(size):
    return Prepare(size.image, size.image, BICUBIC, CLIP)


RESNET50 = Prepare(256, 224, BILINEAR, IMAGENET)


def scaled(pixels, scale):
    """float32[n][3][h][w] of a list of uint8[h][w][3]."""
    x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in scale)
    return ((x - mean) / deviation).contiguous()


def embeddings(model, pixels, scale, batch=16):
    with torch.inference_mode():
        x = scaled(pixels, scale).to(next(model.parameters()).dtype)
        return torch.cat([model(part) for part in x.split(batch)]).numpy()


def opened(paths):
    return [Image.open(path).convert("RGB") for path in paths]


def made_up(folder, count):
    """Clouds of colour with edges in them, of many sizes and shapes, where there are no photographs."""
    random = np.random.default_rng(0)
    for i in range(count):
        width, height = random.integers(40, 500, 2)
        clouds = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((width, height), BICUBIC)
        pixels = np.array(clouds)
        pixels[height // 3:height // 2, width // 4:] ^= 0x55
        Image.fromarray(pixels).save(os.path.join(folder, f"{i:03}.png"))
    return sorted(glob.glob(os.path.join(folder, "*.png")))


def numbered(folder, paths):
    """The same files in this order, as a folder without classes has them."""
    return [shutil.copy(path, os.path.join(folder, f"{i:03}{os.path.splitext(path)[1]}"))
            for i, path in enumerate(paths)]


def files(data, folder, count):
    """Put `count` pictures into `folder`: photographs first, then small ones; made up where there are none."""
    found = [sorted(glob.glob(os.path.join(data, "images", pattern)))
             for pattern in ("photos/*.*", "folder/*/*.*")]
    if not found[0]:
        return made_up(folder, count)
    photos, small = found
    rest = max(0, count - len(photos))
    return numbered(folder, photos[:count] + small[::max(1, len(small) // max(1, rest))][:rest])
