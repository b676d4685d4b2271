"""Images from disk to the network's input: listing, decoding, cropping and normalising."""

from typing import TYPE_CHECKING

from nsa.system.lazy import lazily

if TYPE_CHECKING:
    from nsa.images.augment import apply_augmentation
    from nsa.images.contents import Contents
    from nsa.images.dataset import list_categories, open_dataset
    from nsa.images.decode import read_image, resize
    from nsa.images.files import find_images
    from nsa.images.load import load_images, load_some, stack
    from nsa.images.masks import load_mask
    from nsa.images.network_input import center_crop, to_network_input
    from nsa.images.sample import Dataset, Sample
    from nsa.images.test_set import LoadedTest, load_test_set
else:
    __getattr__ = lazily(
        __name__,
        sample=("Sample", "Dataset"),
        contents=("Contents",),
        dataset=("open_dataset", "list_categories"),
        files=("find_images",),
        load=("load_images", "load_some", "stack"),
        decode=("read_image", "resize"),
        masks=("load_mask",),
        test_set=("LoadedTest", "load_test_set"),
        augment=("apply_augmentation",),
        network_input=("center_crop", "to_network_input"),
    )

__all__ = [
    "Sample",
    "Dataset",
    "Contents",
    "open_dataset",
    "list_categories",
    "find_images",
    "load_images",
    "load_some",
    "stack",
    "load_mask",
    "LoadedTest",
    "load_test_set",
    "read_image",
    "resize",
    "apply_augmentation",
    "center_crop",
    "to_network_input",
]
