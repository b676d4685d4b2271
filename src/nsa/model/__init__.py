"""The networks."""

from nsa.model.encoder_decoder import EncoderDecoder
from nsa.model.forms import Forms

__all__ = ["EncoderDecoder", "Forms"]
