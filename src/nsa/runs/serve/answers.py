"""What a server says of an image."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from nsa.detectors.detector import Detector, Judged
from nsa.images.decode import Pixels
from nsa.report.pixels import png
from nsa.runs.decisions import Decisions
from nsa.runs.located import Located, draw, locate
from nsa.runs.regions import USUAL_QUANTILE


class FoundRegion(BaseModel):
    """Connected pixels of the map above ``region_threshold``."""

    x: Annotated[int, Field(description="Left column of the box, px from 0.")]
    y: Annotated[int, Field(description="Top row of the box, px from 0.")]
    width: Annotated[int, Field(description="Of the box, px.")]
    height: Annotated[int, Field(description="Of the box, px.")]
    area: Annotated[int, Field(description="Pixels of the region.")]
    share: Annotated[float, Field(description="Of the image's pixels.")]
    peak: Annotated[float, Field(description="Largest raw value of the map in it.")]
    mean: Annotated[float, Field(description="Mean raw value of the map in it.")]


class Answer(BaseModel):
    """What the detector says of one image."""

    name: Annotated[str | None, Field(description="Of the file in the form.")]
    width: Annotated[int, Field(description="Of the image as it is seen, px.")]
    height: Annotated[int, Field(description="Of the image as it is seen, px.")]
    predicted: Annotated[
        Literal["normal", "anomalous"] | None, Field(description="null: the run is not calibrated.")
    ]
    score: Annotated[
        float | None,
        Field(
            description="0 to 1: the share of normal images that look less anomalous. null: the "
            "run is not calibrated."
        ),
    ]
    raw_score: Annotated[float, Field(description="The detector's own; higher is more anomalous.")]
    threshold: Annotated[float | None, Field(description="Raw scores above it are anomalous.")]
    fpr: Annotated[float | None, Field(description="False positive rate of the threshold.")]
    spread: Annotated[
        float | None, Field(description="Between the raw scores of an ensemble's members.")
    ]
    regions: Annotated[
        list[FoundRegion], Field(description="Those with the highest peak first, see ?regions.")
    ]
    region_count: Annotated[int, Field(description="Of all regions, listed or not.")]
    region_threshold: Annotated[float, Field(description="Raw values above it are of a region.")]
    region_limit: Annotated[
        Literal["fpr", "share", "quantile"],
        Field(
            description="What the threshold is for: at most region_rate of normal images have any "
            "region (fpr), or of a normal image's pixels is in one (share), or it is the "
            "region_rate quantile of this very map, which has regions however normal (quantile)."
        ),
    ]
    region_rate: Annotated[float, Field(description="See region_limit.")]
    picture: Annotated[
        str | None,
        Field(
            description="With ?picture=true: the image with its heat map and, where the run is "
            "calibrated, outlines of defective pixels, a PNG in base64."
        ),
    ]
    model: Annotated[str, Field(description="Name of the run.")]
    seconds: Annotated[float, Field(description="From the whole request to this answer.")]


class Refusal(BaseModel):
    """Why there is no answer."""

    detail: Annotated[str, Field(description="One sentence.")]


class FileRefusal(Refusal):
    """Why there is no answer about one of several files."""

    name: Annotated[str | None, Field(description="Of the file in the form.")]
    status: Annotated[int, Field(description="The one it would have had alone.")]


def values_of(
    image: Pixels,
    judged: Judged,
    detector: Detector,
    decisions: Decisions | None,
    most_regions: int,
    picture: bool,
) -> dict[str, Any]:
    """The fields of an :class:`Answer` that follow from an image, uint8 (H, W, channels)."""
    limit = None if decisions is None else decisions.pixels
    located = locate(judged.map, decisions)
    return {
        "width": image.shape[1],
        "height": image.shape[0],
        "predicted": decisions and decisions.label(judged.score),
        "score": decisions and decisions.score(judged.score),
        "raw_score": judged.score,
        "threshold": decisions and decisions.threshold,
        "fpr": decisions and decisions.fpr,
        "spread": judged.spread,
        "regions": [one._asdict() for one in located.regions[:most_regions]],
        "region_count": len(located.regions),
        "region_threshold": located.threshold,
        "region_limit": "quantile" if limit is None else limit.of,
        "region_rate": USUAL_QUANTILE if limit is None else limit.rate,
        "picture": _drawn(image, judged, detector, located) if picture else None,
    }


def _drawn(image: Pixels, judged: Judged, detector: Detector, located: Located) -> str:
    """The picture as ``nsa predict`` draws it, a PNG in base64."""
    drawn = png(draw(image, judged.map, detector, located))
    return base64.b64encode(drawn).decode("ascii")
