"""Images from disk to the network's input: listing, decoding, cropping and normalising."""

from nsa.images.augment import (
    Augmentation,
    apply_augmentation,
    augment,
    center_crop,
    draw_augmentation,
    to_network_input,
)
from nsa.images.dataset import list_categories, open_dataset
from nsa.images.decode import load_mask, read_image, resize
from nsa.images.files import find_images
from nsa.images.load import load_images, stack
from nsa.images.sample import Dataset, Sample
from nsa.images.test_set import LoadedTest, load_test_set

__all__ = [
    "Sample",
    "Dataset",
    "open_dataset",
    "list_categories",
    "find_images",
    "load_images",
    "stack",
    "load_mask",
    "LoadedTest",
    "load_test_set",
    "read_image",
    "resize",
    "Augmentation",
    "draw_augmentation",
    "apply_augmentation",
    "augment",
    "center_crop",
    "to_network_input",
]
