"""Small checkpoints in diffusers layout, one per supported family.

They combine the demo model's text encoder, tokenizer and decoder with random networks: good for comparing shapes and
numbers, but their images show nothing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler, LCMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from tests.conftest import ROOT

DEMO = ROOT / "function" / "models" / "demo"
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
WIDTH, TOKENS, VOCABULARY = 128, 32, 598
"""The demo model's text encoder."""


def demo(folder: Path) -> Path:
    """Write a copy of the demo model without its manifest, like a checkpoint that is not in the registry."""
    return Path(shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("manifest.json", "README.md")))


def latent_consistency(folder: Path) -> Path:
    """Write a latent consistency model: its unet takes the guidance scale as an input."""
    demo(folder)
    _unet(folder, time_cond_proj_dim=256)
    LCMScheduler(**BETAS).save_pretrained(folder / "scheduler")
    return _update_index(folder, "LatentConsistencyModelPipeline", scheduler=["diffusers", "LCMScheduler"])


def xl(folder: Path) -> Path:
    """Write an SDXL model: two text encoders, float16 weights, a unet that takes pooled text and the image size."""
    demo(folder)
    shutil.copytree(folder / "tokenizer", folder / "tokenizer_2")
    torch.manual_seed(2)
    config = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        projection_dim=48,
        eos_token_id=VOCABULARY - 1,
        bos_token_id=VOCABULARY - 2,
        pad_token_id=VOCABULARY - 1,
    )
    CLIPTextModelWithProjection(config).half().save_pretrained(folder / "text_encoder_2")
    _unet(
        folder,
        cross_attention_dim=WIDTH + 64,
        addition_embed_type="text_time",
        addition_time_embed_dim=16,
        projection_class_embeddings_input_dim=6 * 16 + 48,
        use_linear_projection=True,
    )
    EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing").save_pretrained(folder / "scheduler")
    return _update_index(
        folder,
        "StableDiffusionXLPipeline",
        scheduler=["diffusers", "EulerDiscreteScheduler"],
        text_encoder_2=["transformers", "CLIPTextModelWithProjection"],
        tokenizer_2=["transformers", "CLIPTokenizer"],
        force_zeros_for_empty_prompt=True,
    )


def tiny_decoder(folder: Path) -> Path:
    """Write an AutoencoderTiny, as in the TAESD family."""
    torch.manual_seed(3)
    widths = (16, 16, 16, 16)
    AutoencoderTiny(encoder_block_out_channels=widths, decoder_block_out_channels=widths).save_pretrained(folder)
    return folder


def change(folder: Path, file: str, *without: str, **settings: object) -> Path:
    """Change settings in a JSON file of the checkpoint, and remove those named in `without`."""
    document = json.loads((folder / file).read_text()) | settings
    (folder / file).write_text(json.dumps({name: value for name, value in document.items() if name not in without}))
    return folder


def with_scheduler(folder: Path, class_name: str, **settings: object) -> Path:
    """Replace the checkpoint's scheduler by one with no more settings than old configurations have."""
    config = {"_class_name": class_name, **BETAS, "num_train_timesteps": 1000, **settings}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return change(folder, "model_index.json", scheduler=["diffusers", class_name])


def as_variant(folder: Path, component: str, variant: str, dtype: torch.dtype, shards: int = 1) -> Path:
    """Replace the component's weights by a variant, as diffusers and transformers write it, in one or more files."""
    (file,) = (folder / component).glob("*.safetensors")
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(file).items()}
    base, names = file.stem, sorted(tensors)
    file.unlink()
    if shards == 1:
        save_file(tensors, file.with_name(f"{base}.{variant}.safetensors"), {"format": "pt"})
        return folder
    placed: dict[str, str] = {}
    for shard in range(shards):
        name = f"{base}.{variant}-{shard + 1:05}-of-{shards:05}.safetensors"
        placed |= dict.fromkeys(names[shard::shards], name)
        save_file({each: tensors[each] for each in names[shard::shards]}, file.with_name(name), {"format": "pt"})
    index = file.with_name(f"{base}.safetensors.index.{variant}.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return folder


def _unet(folder: Path, **options: object) -> None:
    torch.manual_seed(1)
    defaults = {
        "sample_size": 16,
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "attention_head_dim": 8,
        "cross_attention_dim": WIDTH,
        "norm_num_groups": 8,
    }
    shutil.rmtree(folder / "unet")
    UNet2DConditionModel(**(defaults | options)).half().save_pretrained(folder / "unet")


def _update_index(folder: Path, pipeline: str, **entries: object) -> Path:
    file = folder / "model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries | {"_class_name": pipeline}))
    return folder
