"""Reads a checkpoint's configuration files and fills in what they leave out.

Every value that preparation or an engine reads is checked here, so that a damaged checkpoint ends with one message that
names the file and the setting. The defaults are those of the classes of diffusers and transformers, unless a comment
says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from imagegen.catalog.registry import Family
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import components, detect_family, read_index, read_json

T = TypeVar("T", bound="ConfigFile")
Pair = Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]
SAMPLE_SIZE: Final[dict[Family, int]] = {"stable-diffusion": 64, "latent-consistency": 64, "stable-diffusion-xl": 128}
SCALING_FACTOR: Final[dict[Family, float]] = {
    "stable-diffusion": 0.18215,
    "latent-consistency": 0.18215,
    "stable-diffusion-xl": 0.13025,
}
"""The factors of Stable Diffusion's and SDXL's autoencoders."""


class ConfigFile(BaseModel):
    """Base of the files: other settings are not looked at, and a number in quotes is not a number."""

    model_config = ConfigDict(strict=True, frozen=True)
    file: ClassVar[str]

    @classmethod
    def read(cls: type[T], checkpoint: Path, folder: str) -> T:
        """Return the file of a component. Raises PrepareError that names the file, the setting and its value."""
        name = f"{folder}/{cls.file}"
        try:
            return cls.model_validate(read_json(checkpoint, name))
        except ValidationError as error:
            raise invalid(name, error) from error


def invalid(name: str, error: ValidationError) -> PrepareError:
    """Return an error that names the file, the first invalid setting, its value and what is allowed."""
    first = error.errors()[0]
    setting = str(first["loc"][0])
    value = "missing" if first["type"] == "missing" else repr(first["input"])
    return PrepareError(f"{name}: {setting} is {value}; {first['msg'].lower()}. Correct the checkpoint's file")


class UNetConfig(ConfigFile):
    """unet/config.json."""

    file: ClassVar[str] = "config.json"
    in_channels: PositiveInt = 4
    sample_size: PositiveInt | Pair | None = None
    cross_attention_dim: PositiveInt = 1280
    time_cond_proj_dim: PositiveInt | None = None
    addition_embed_type: str | None = None


class AutoencoderConfig(ConfigFile):
    """vae/config.json."""

    file: ClassVar[str] = "config.json"
    class_name: Literal["AutoencoderKL", "AutoencoderTiny"] = Field(alias="_class_name")
    latent_channels: PositiveInt = 4
    block_out_channels: list[PositiveInt] = Field([64, 64, 64, 64], min_length=1)
    """AutoencoderTiny has no such setting, and 8 pixels per latent."""
    scaling_factor: PositiveFloat | None = None

    @property
    def pixels_per_latent(self) -> int:
        """Pixels per latent along each side."""
        return int(2 ** (len(self.block_out_channels) - 1))


class TextEncoderConfig(ConfigFile):
    """text_encoder/config.json and text_encoder_2/config.json."""

    file: ClassVar[str] = "config.json"
    hidden_size: PositiveInt = 512
    num_hidden_layers: PositiveInt = 12
    max_position_embeddings: PositiveInt = 77
    projection_dim: PositiveInt = 512


class SchedulerConfig(ConfigFile):
    """scheduler/scheduler_config.json, as far as the registry entry depends on it."""

    file: ClassVar[str] = "scheduler_config.json"
    class_name: str | None = Field(None, alias="_class_name")
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    timestep_spacing: Literal["leading", "trailing", "linspace"] | None = None
    rescale_betas_zero_snr: bool = False
    num_train_timesteps: PositiveInt = 1000
    original_inference_steps: PositiveInt = 50


@dataclass(frozen=True)
class Configuration:
    """What a checkpoint's files say. `notes` tells what had to be assumed."""

    family: Family
    unet: UNetConfig
    vae: AutoencoderConfig
    text_encoders: dict[str, TextEncoderConfig]
    scheduler: SchedulerConfig
    scheduler_class: str
    notes: list[str]

    @property
    def window(self) -> int:
        """Tokens that the text encoders read."""
        return self.text_encoders["text_encoder"].max_position_embeddings

    @property
    def sample_size(self) -> tuple[int, int]:
        """Height and width of the latents that the unet was trained on."""
        size = self.unet.sample_size or SAMPLE_SIZE[self.family]
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def scaling_factor(self) -> float:
        """The factor of the autoencoder's latents."""
        known = 1.0 if self.vae.class_name == "AutoencoderTiny" else SCALING_FACTOR[self.family]
        return self.vae.scaling_factor or known

    def filled_in(self) -> dict[str, dict[str, Any]]:
        """Return the settings that the engines need, by file."""
        return {
            "unet/config.json": {"sample_size": max(self.sample_size)},
            "vae/config.json": {"scaling_factor": self.scaling_factor, "latent_channels": self.vae.latent_channels},
            **{f"{name}/config.json": each.model_dump() for name, each in self.text_encoders.items()},
        }


def read(checkpoint: Path) -> Configuration:
    """Return the checkpoint's configuration.

    Raises PrepareError if a file is missing or damaged, a setting has a wrong type, the networks do not fit together,
    the family is not supported, or the unet takes more than latents (inpainting).
    """
    index = read_index(checkpoint)
    names = components(index)
    unet = UNetConfig.read(checkpoint, "unet")
    scheduler = SchedulerConfig.read(checkpoint, "scheduler")
    found = Configuration(
        family=detect_family(index, unet.time_cond_proj_dim),
        unet=unet,
        vae=AutoencoderConfig.read(checkpoint, "vae"),
        text_encoders={
            name: TextEncoderConfig.read(checkpoint, name) for name in names if name.startswith("text_encoder")
        },
        scheduler=scheduler,
        scheduler_class=scheduler.class_name or str(index["scheduler"][1]),
        notes=[],
    )
    _check(found)
    _note(found)
    return found


def _check(found: Configuration) -> None:
    """Raise PrepareError if the networks do not fit together."""
    unet, vae = found.unet, found.vae
    if unet.in_channels != vae.latent_channels:
        raise PrepareError(
            f"unet/config.json: in_channels is {unet.in_channels}, but vae/config.json has latents of "
            f"{vae.latent_channels} channels: only text-to-image models are supported"
        )
    width = sum(each.hidden_size for each in found.text_encoders.values())
    if unet.cross_attention_dim != width:
        raise PrepareError(
            f"unet/config.json: cross_attention_dim is {unet.cross_attention_dim}, but the text encoders "
            f"({', '.join(found.text_encoders)}) have hidden_size {width} in total: they belong to different models"
        )
    wanted = "text_time" if found.family == "stable-diffusion-xl" else None
    if (unet.addition_embed_type == "text_time") != (wanted is not None):
        raise PrepareError(
            f"unet/config.json: addition_embed_type is {unet.addition_embed_type!r}, but a {found.family} model has "
            f"{'text_time' if wanted else 'no text_time'}: model_index.json names another pipeline"
        )
    windows = {name: each.max_position_embeddings for name, each in found.text_encoders.items()}
    if len(set(windows.values())) != 1:
        raise PrepareError(f"the text encoders have different max_position_embeddings ({windows}) in their config.json")


def _note(found: Configuration) -> None:
    if found.unet.sample_size is None:
        height, width = (side * found.vae.pixels_per_latent for side in found.sample_size)
        found.notes.append(
            f"unet/config.json has no sample_size: {width} x {height} pixels is assumed; change the entry's defaults "
            "if the model was trained on another size"
        )
    if found.vae.scaling_factor is None and found.vae.class_name == "AutoencoderKL":
        found.notes.append(f"vae/config.json has no scaling_factor: {found.scaling_factor} is assumed")
