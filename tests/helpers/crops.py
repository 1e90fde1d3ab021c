"""Pieces of photographs: their size, and how they are saved."""

WIDTH, HEIGHT = 120, 90


def as_jpeg(picture, path, **options):
    picture.save(path, "JPEG", **options)
