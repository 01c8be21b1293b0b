"""Stage 2: the tokenizer and the text encoder.

The encoder learns to predict every attribute of the scene from its caption, in the order of the layout. This takes
minutes. It is then frozen, so the denoiser does not have to learn the language from noisy images.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from models.training.checkpoint import Checkpoint, log_every, one_cycle, optimizer_step
from models.training.scenes import COLOURS, RELATIONS, SHAPES, SIZES, Scene, random_scene

WINDOW = 32
"""Tokens per prompt, including the start and end tokens."""
WIDTH = 128
STEPS, BATCH, LEARNING_RATE = 1200, 128, 2e-3
START, END = "<|startoftext|>", "<|endoftext|>"


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write and return a CLIP tokenizer with one token per word of the captions. All other text is encoded as bytes."""
    words = {word for rng in [random.Random(0)] for _ in range(5000) for word in _some_caption(rng).split()}
    merges = _merges(sorted(words))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *(f"{byte}</w>" for byte in alphabet), *("".join(pair) for pair in merges), START, END]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary_file, merges_file = folder / "vocab.json", folder / "merges.txt"
    vocabulary_file.write_text(json.dumps(vocabulary, ensure_ascii=False))
    merges_file.write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges) + "\n")
    tokenizer = CLIPTokenizer(
        vocab=vocabulary, merges=merges, bos_token=START, eos_token=END, unk_token=END, pad_token=END,
        model_max_length=WINDOW,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return tokenizer


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Return byte pair merges that join each word: the most frequent pair first, ties in alphabetical order.

    The trainer of `tokenizers` is not used because its order of ties differs between runs, and a resumed training needs
    the token ids that its text encoder has learned.
    """
    spelled = [[*word[:-1], f"{word[-1]}</w>"] for word in words]
    merges = []
    while counts := Counter(pair for pieces in spelled for pair in pairwise(pieces)):
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        spelled = [_joined(pieces, best) for pieces in spelled]
    return merges


def _joined(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _some_caption(rng: random.Random) -> str:
    return random_scene(rng, two=True, held_out=False).paraphrase(rng).rstrip(".")


def build(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return an untrained text encoder."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=3 * WIDTH, projection_dim=WIDTH,
            num_hidden_layers=4, num_attention_heads=4, max_position_embeddings=WINDOW,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


def tokens(tokenizer: CLIPTokenizer, prompts: list[str]) -> torch.Tensor:
    """Return token ids of shape (prompts, WINDOW)."""
    encoded = tokenizer(prompts, padding="max_length", max_length=WINDOW, truncation=True, return_tensors="pt")
    ids: torch.Tensor = encoded.input_ids
    return ids


class SceneReader(nn.Module):
    """Predicts eight attributes of a scene, each with its own attention query over the encoder's output.

    They are: the background; size, colour and shape of the upper or left object, then of the other one; and the
    direction of the pair.
    """

    ANSWERS = (len(COLOURS), *(len(SIZES) + 1, len(COLOURS) + 1, len(SHAPES) + 1) * 2, 3)

    def __init__(self) -> None:
        super().__init__()
        self.questions = nn.Parameter(torch.randn(len(self.ANSWERS), WIDTH))
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, count) for count in self.ANSWERS)

    def forward(self, states: torch.Tensor) -> list[torch.Tensor]:
        queries = self.questions.expand(len(states), -1, -1)
        read, _ = self.attention(queries, states, states, need_weights=False)
        return [head(read[:, index]) for index, head in enumerate(self.heads)]

    @staticmethod
    def truth(scene: Scene) -> list[int]:
        """Return the class index of each attribute. An object's last class means that there is no such object."""
        things = [scene.first, scene.second]
        if scene.relation in ("below", "right of"):
            things.reverse()
        answers = [list(COLOURS).index(scene.background)]
        for thing in things:
            if thing is None:
                answers += [len(SIZES), len(COLOURS), len(SHAPES)]
            else:
                answers += [SIZES.index(thing.size), list(COLOURS).index(thing.colour), SHAPES.index(thing.shape)]
        return [*answers, 0 if scene.relation is None else 1 + RELATIONS.index(scene.relation) // 2]


def train(checkpoint: Checkpoint, tokenizer: CLIPTokenizer, seed: int) -> CLIPTextModel:
    """Train the encoder with a SceneReader on its output. Returns the frozen encoder."""
    torch.manual_seed(seed)
    encoder, reader = build(tokenizer), SceneReader()
    optimizer = torch.optim.AdamW([*encoder.parameters(), *reader.parameters()], lr=LEARNING_RATE, weight_decay=1e-2)
    scheduler = one_cycle(optimizer, STEPS)
    step = checkpoint.restore("text", encoder, reader, optimizer, scheduler)
    while step < STEPS:
        rng = random.Random(f"{seed}-text-{step}")
        scenes = [random_scene(rng, two=rng.random() < 0.75, held_out=False) for _ in range(BATCH)]
        captions = [scene.paraphrase(rng) for scene in scenes]
        truth = torch.tensor([SceneReader.truth(scene) for scene in scenes])
        answers = reader(encoder(tokens(tokenizer, captions)).last_hidden_state)
        losses = [F.cross_entropy(answer, truth[:, index]) for index, answer in enumerate(answers)]
        loss = torch.stack(losses).sum()
        optimizer_step(loss, encoder.parameters(), optimizer, scheduler)
        step += 1
        right = torch.stack([answer.argmax(1) == truth[:, index] for index, answer in enumerate(answers)]).all(0)
        log_every(50, step, STEPS, "text", loss=loss.item(), all_right=right.float().mean().item())
        checkpoint.save("text", step, encoder, reader, optimizer, scheduler, final=step == STEPS)
    return encoder.eval().requires_grad_(False)
