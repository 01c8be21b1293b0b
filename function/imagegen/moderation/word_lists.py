"""Word lists: the document that an owner can replace, and its rules. Pure.

A term is a word, a phrase, or Han characters. In a phrase, `...` stands for up to two words, and a word that ends with
`*` for every word that begins so. Terms are read as prompts are (normalization.py).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from imagegen.moderation.term import Term

MAX_BYTES: Final = 262_144
"""Size of a document. Parameter Store allows 8 kB, S3 more than is useful."""


class InvalidLists(Exception):
    """The document cannot be used. `reason` names the field and the rule, and quotes no term."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def _term(text: str) -> str:
    if Term.parse(text) is None:
        raise ValueError(
            "must be words of Latin letters, or Han characters; a * needs three letters before it, or four"
        )
    return text


Name = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]
TermText = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_term)]
Terms = Annotated[tuple[TermText, ...], Field(max_length=5000)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=False, frozen=True, extra="forbid")


class Combination(_Part):
    """Blocks a prompt with a term of each list, or a prompt with a term while `unwanted` is in the negative prompt."""

    category: Name
    prompt: Annotated[tuple[Name, ...], Field(min_length=1, max_length=5)]
    """Names of categories and groups."""
    within: Annotated[int, Field(ge=1, le=20)] | None = None
    """The terms follow each other in this order, each within so many words, or Han characters. None: anywhere."""
    unwanted: Name | None = None
    """A group. One of its terms is a whole entry of the negative prompt, between commas."""


class Near(_Part):
    """Allows `terms` within so many words, or Han characters, of a term of `to`."""

    terms: Terms
    words: Annotated[int, Field(ge=1, le=20)]
    to: Terms
    unless: tuple[Name, Annotated[int, Field(ge=1, le=20)]] | None = None
    """A group, and a distance within which one of its terms takes this permission back."""


class Ages(_Part):
    """Ages in years, such as `12-year-old`, count as terms of a group."""

    group: Name
    below: Annotated[int, Field(ge=1, le=99)]


class WordLists(_Part):
    """The whole document. If several categories apply, the first one is reported."""

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    categories: Annotated[dict[Name, Terms], Field(min_length=1, max_length=20)]
    groups: Annotated[dict[Name, Terms], Field(max_length=100)] = {}
    combinations: Annotated[tuple[Combination, ...], Field(max_length=100)] = ()
    ages: Ages | None = None
    near: Annotated[tuple[Near, ...], Field(max_length=100)] = ()
    innocent: Terms = ()
    """What contains a term and is allowed."""

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        if self.categories.keys() & self.groups.keys():
            raise ValueError("a category and a group must not have the same name")
        known = self.categories.keys() | self.groups.keys()
        used = {name for each in self.combinations for name in (*each.prompt, each.unwanted) if name is not None}
        used |= {each.unless[0] for each in self.near if each.unless is not None}
        used |= {self.ages.group} if self.ages is not None else set()
        if not used <= known:
            raise ValueError("combinations, ages and near must name categories and groups of the document")
        if not {each.category for each in self.combinations} <= self.categories.keys():
            raise ValueError("the category of a combination must be one of the document")
        return self

    @classmethod
    def parse(cls, document: bytes | str) -> WordLists:
        """Return the document's lists. Raises InvalidLists."""
        if len(document) > MAX_BYTES:
            raise InvalidLists(f"more than {MAX_BYTES} bytes")
        try:
            return cls.model_validate(json.loads(document))
        except ValidationError as error:
            raise InvalidLists("; ".join(_rules(error))) from None
        except (ValueError, RecursionError):
            raise InvalidLists("not JSON in UTF-8") from None


def _rules(error: ValidationError) -> list[str]:
    """Return the first problems, as place and rule. A message of pydantic's could quote the term."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:5]
    return [f"{'.'.join(str(part) for part in each['loc'][:3]) or 'document'}: {each['type']}" for each in found]


@cache
def packaged() -> WordLists:
    """Return the lists that come with this version."""
    return WordLists.parse(files("imagegen.moderation").joinpath("word_lists.json").read_bytes())
