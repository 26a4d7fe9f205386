"""Pictures for comparing encoders: picture files, their conversion to pixels by PIL, and from pixels to a network's
input.

Sizes and roundings are those of torchvision's Resize and CenterCrop, of which CLIP's preprocessing consists.
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
    """Returns the size of a resized picture, whose longer side is rounded down."""
    width, height = size
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def middle(pixels, crop):
    """Returns the centre crop of a picture; half a pixel is rounded to the even side, as Python rounds."""
    top, left = (int(round((side - crop) / 2.0)) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top:top + crop, left:left + crop])


class Prepare(namedtuple("Prepare", "shorter crop filter scale")):
    def resized(self, picture):
        """Resizes a PIL picture in RGB to uint8[height][width][3]; a picture of the right size does not change."""
        return np.array(picture.resize(fitted_size(picture.size, self.shorter), self.filter))

    def pixels(self, picture):
        """Returns the centre crop of the resized picture, uint8[crop][crop][3]."""
        return middle(self.resized(picture), self.crop)


def prepare_clip(size):
    return Prepare(size.image, size.image, BICUBIC, CLIP)


RESNET50 = Prepare(256, 224, BILINEAR, IMAGENET)


def scaled(pixels, scale):
    """Converts a list of pictures uint8[h][w][3] to float32[n][3][h][w]."""
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
    """Makes pictures of coloured clouds with edges, of many sizes and shapes, if there are no photographs."""
    random = np.random.default_rng(0)
    for i in range(count):
        width, height = random.integers(40, 500, 2)
        clouds = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((width, height), BICUBIC)
        pixels = np.array(clouds)
        pixels[height // 3:height // 2, width // 4:] ^= 0x55
        Image.fromarray(pixels).save(os.path.join(folder, f"{i:03}.png"))
    return sorted(glob.glob(os.path.join(folder, "*.png")))


def numbered(folder, paths):
    """Links picture files into a folder without classes under numbers, so that they keep their order."""
    return [shutil.copy(path, os.path.join(folder, f"{i:03}{os.path.splitext(path)[1]}"))
            for i, path in enumerate(paths)]


def files(data, folder, count):
    """Puts `count` pictures into `folder`: first photographs, then small pictures, then made-up ones."""
    found = [sorted(glob.glob(os.path.join(data, "images", pattern)))
             for pattern in ("photos/*.*", "folder/*/*.*")]
    if not found[0]:
        return made_up(folder, count)
    photos, small = found
    rest = max(0, count - len(photos))
    return numbered(folder, photos[:count] + small[::max(1, len(small) // max(1, rest))][:rest])
