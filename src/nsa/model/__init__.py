"""The networks."""

from nsa.model.encoder_decoder import EncoderDecoder

__all__ = ["EncoderDecoder"]
