"""How a picture of any shape becomes one of the asked size. Sizes are (height, width).

squash      both sides become those asked for, whatever the shape was
shortest    the shape is kept, and the picture covers what is asked for: the published protocol of most public weights
letterbox   the shape is kept, and all of the picture is seen, between two bars
"""

from PIL import Image

RESIZE_MODES = ("squash", "shortest", "letterbox")
SLIMMEST = 16  # shapes beyond 16:1 lose their ends before 'shortest' resizes them, which would crop them away anyway

Size = tuple[int, int]


def covering(size: Size, box: Size) -> Size:
    """The smallest size of the shape of `size` that covers `box`; the longer side rounded down, as torchvision does."""
    (height, width), (rows, columns) = size, box
    if height * columns <= rows * width:  # the height decides
        return rows, max(columns, rows * width // height)
    return max(rows, columns * height // width), columns


def fitting(size: Size, box: Size) -> Size:
    """The largest size of the shape of `size` that fits into `box`."""
    (height, width), (rows, columns) = size, box
    if height * columns <= rows * width:  # the width decides
        return max(1, round(height * columns / width)), columns
    return rows, max(1, round(width * rows / height))


def letterboxed(image: Image.Image, size: Size, box: Size, resample: Image.Resampling, pad_value: int) -> Image.Image:
    """All of a picture, whose shape is that of `size`, in the middle of a `box` of grey."""
    height, width = fitting(size, box)
    canvas = Image.new("RGB", (box[1], box[0]), (pad_value,) * 3)
    canvas.paste(image.resize((width, height), resample), ((box[1] - width) // 2, (box[0] - height) // 2))
    return canvas


def trimmed(image: Image.Image) -> Image.Image:
    """The middle of a picture that is slimmer than SLIMMEST, any other as it is."""
    width = min(image.width, SLIMMEST * image.height)
    height = min(image.height, SLIMMEST * image.width)
    if (width, height) == image.size:
        return image
    left = (image.width - width) // 2
    top = (image.height - height) // 2
    box = (left, top, left + width, top + height)
    return image.resize((width, height), Image.Resampling.NEAREST, box)  # crop() has a limit of pixels
