"""``nsa predict``: a detector over any number of images.

``results`` names what is written of an image and knows it again; ``judge`` does the work.
"""

from nsa.runs.predict.judge import predict

__all__ = ["predict"]
