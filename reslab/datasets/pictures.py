"""Reads a picture file of any kind as upright RGB."""

import os
from contextlib import nullcontext

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

SIXTEEN_BITS = ("PNG", "PPM")  # the formats whose 16-bit grey Pillow opens as mode "I", as it does 32-bit TIFF


def read(file):
    """The picture of a path, of an open file, or of Pillow: RGB, 8 bits a channel, upright as EXIF says; of several
    frames, the first.

    Transparent parts become white. Of 12 or 16 bits the upper eight are kept; floats go from 0, black, to 1, white.
    Raises ValueError with the reason, to be written after the file's name.
    """
    try:
        if isinstance(file, Image.Image):
            return _upright(file)
        # Given a path, Pillow maps grey TIFFs into memory, with the sides of turned ones swapped: each row is shifted.
        from_path = isinstance(file, (str, os.PathLike))
        with open(file, "rb") if from_path else nullcontext(file) as stream, Image.open(stream) as opened:
            return _upright(opened)
    except Image.DecompressionBombError as error:
        raise ValueError(f"has more than {2 * Image.MAX_IMAGE_PIXELS / 1e6:.0f} million pixels") from error
    except _Unsuitable:
        raise
    except Exception as error:  # a decoder may raise anything for a damaged file
        if isinstance(error, OSError) and error.errno:  # what the file system says, no decoder
            raise ValueError(f"cannot be opened ({error.strerror})") from error
        raise ValueError("cannot be read as a picture") from error


def _upright(opened):
    picture = _eight_bits(ImageOps.exif_transpose(opened), opened.format, getattr(opened, "tag_v2", {}))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


class _Unsuitable(ValueError):
    """A whole picture whose numbers do not say what is black and what is white."""


def _eight_bits(picture, kind, tags):
    """The picture with 8 bits a channel; Pillow's conversion would clip larger numbers at 255, and floats at 0.

    tags: of a TIFF. Pillow opens 12 bits as 16, and applies "0 is white" only up to 8 bits.
    """
    if picture.mode.startswith("I;16") or (picture.mode == "I" and kind in SIXTEEN_BITS):
        values = np.asarray(picture).astype(np.uint32)
        (bits,) = tags.get(BITSPERSAMPLE, (16,))
        grey = (values >> (bits - 8)).astype(np.uint8)
        if tags.get(PHOTOMETRIC_INTERPRETATION) == 0:  # 0 is white
            grey = 255 - grey
        if (transparent := picture.info.get("transparency")) is None:
            return Image.fromarray(grey)
        opaque = np.where(values == transparent, 0, 255).astype(np.uint8)  # one of 65,536 greys, so all 16 bits count
        return Image.merge("LA", [Image.fromarray(grey), Image.fromarray(opaque)])
    if picture.mode == "I":
        raise _Unsuitable(
            "holds whole numbers of 32 bits, of which nothing says what is white; save it with 8 or 16 bits"
        )
    if picture.mode == "F":
        values = np.asarray(picture)
        if not ((values >= 0) & (values <= 1)).all():  # NaN included
            raise _Unsuitable(
                f"holds floats from {values.min():g} to {values.max():g}; they must be from 0, black, to 1, white"
            )
        return Image.fromarray((values * 255).round().astype(np.uint8))
    return picture
