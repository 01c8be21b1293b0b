"""The shape checker accepts images of the scene in question and rejects images of other scenes."""

from __future__ import annotations

import dataclasses
import random

import pytest

from models.training.scenes import COLOURS, RELATIONS, SHAPES, SIZES, Scene, Thing, draw, random_scene
from tools.accuracy.shape_checker import judge


@pytest.mark.parametrize("two", [False, True])
def test_every_rendered_scene_matches_itself(two: bool) -> None:
    rng = random.Random(1)
    scenes = [random_scene(rng, two=two, held_out=True) for _ in range(60)]
    wrong = [scene.caption() for scene in scenes if not judge(draw(scene, rng), scene).right]
    assert wrong == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_each_shape_matches_only_itself(shape: str, size: str) -> None:
    rng = random.Random(2)
    picture = draw(Scene(Thing(size, "red", shape), "white"), rng)
    fitting = [other for other in SHAPES if judge(picture, Scene(Thing(size, "red", other), "white")).right]
    assert fitting == [shape]


@pytest.mark.parametrize("colour", COLOURS)
def test_each_colour_matches_only_itself(colour: str) -> None:
    background = "white" if colour != "white" else "black"
    picture = draw(Scene(Thing("plain", colour, "circle"), background), random.Random(3))
    fitting = [other for other in COLOURS if judge(picture, Scene(Thing("plain", other, "circle"), background)).right]
    assert fitting == [colour]


@pytest.mark.parametrize("relation", RELATIONS)
def test_each_relation_matches_only_itself(relation: str) -> None:
    scene = Scene(Thing("small", "red", "circle"), "white", Thing("large", "blue", "star"), relation)
    picture = draw(scene, random.Random(4))
    fitting = [other for other in RELATIONS if judge(picture, dataclasses.replace(scene, relation=other)).right]
    assert fitting == [relation]


def test_a_missing_object_is_detected() -> None:
    scene = Scene(Thing("plain", "red", "circle"), "white", Thing("plain", "blue", "star"), "above")
    picture = draw(Scene(Thing("plain", "red", "circle"), "white"), random.Random(5))
    assert not judge(picture, scene).objects
