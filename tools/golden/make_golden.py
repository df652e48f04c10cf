#!/usr/bin/env python3
"""Writes tests/golden/<case>/: small DeepseekV3 models, and what they compute in float64.

    python3 -m venv venv && venv/bin/pip install -r tools/golden/requirements.txt
    venv/bin/python tools/golden/make_golden.py [--out tests/golden] [case ...]

The format is described in tests/golden/README.md, the choices in tools/golden/README.md.
"""

import argparse
import json
import pathlib
import shutil

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from cases import BASE, CASES
from float64 import float64_model, only_float64
from mtp import Mtp, mtp_parameters

SEQUENCES = 2
MTP_WEIGHT = 0.3
# Every choice of the router must be clear by this much, so that float32 and bf16 tests can use the
# files too: scores that are closer are drawn again.
MARGIN = 2e-3


def draw(shape, name, generator):
    """A parameter of float32 values: gains around 1, matrices wide enough for nonlinear behaviour."""
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    if name.endswith("norm.weight"):
        values = 1 + 0.2 * values
    elif name.endswith("e_score_correction_bias"):
        values = 0.2 * values
    elif "embed_tokens" in name:
        values = 0.7 * values
    else:
        values = values * (1.3 / max(shape[-1], 1) ** 0.5)
    return values.to(torch.float32)


def published_names(model):
    """(name in the file, tensor, rows) of every parameter: transformers holds the experts' gate and up
    matrices packed, and writes them apart."""
    width = model.config.moe_intermediate_size
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith("experts.gate_up_proj"):
            for e in range(tensor.shape[0]):
                yield name.replace("gate_up_proj", f"{e}.gate_proj.weight"), tensor, (e, slice(0, width))
                yield name.replace("gate_up_proj", f"{e}.up_proj.weight"), tensor, (e, slice(width, None))
        elif name.endswith("experts.down_proj"):
            for e in range(tensor.shape[0]):
                yield name.replace("down_proj", f"{e}.down_proj.weight"), tensor, (e,)
        elif "inv_freq" not in name:
            yield name, tensor, ()


def randomize(model, settings, generator):
    with torch.no_grad():
        for name, tensor, rows in published_names(model):
            if name.endswith("e_score_correction_bias") and not settings.get("bias"):
                continue
            tensor[rows] = draw(tensor[rows].shape, name, generator)


class Routes:
    """Records every router call of a model, and judges how clear its choices were."""

    def __init__(self, gates):
        self.calls = {}
        for name, gate in gates:
            gate.register_forward_hook(lambda gate, args, out, name=name: self.record(name, gate, out))

    def record(self, name, gate, out):
        scores = out[0].detach().sigmoid()
        choice = scores + gate.e_score_correction_bias
        groups = choice.view(-1, gate.num_group, choice.shape[-1] // gate.num_group)
        best_two = groups.topk(2, dim=-1)[0].sum(-1).sort(descending=True)[0]
        margin = torch.inf
        if gate.topk_group < gate.num_group:
            margin = (best_two[:, gate.topk_group - 1] - best_two[:, gate.topk_group]).min().item()
        kept = groups.topk(2, dim=-1)[0].sum(-1).topk(gate.topk_group)[1]
        mask = torch.zeros(groups.shape[:2], dtype=torch.bool).scatter_(1, kept, True)
        inside = groups.masked_fill(~mask[..., None], -torch.inf).flatten(1)
        ordered = inside.sort(descending=True)[0]
        margin = min(margin, (ordered[:, gate.top_k - 1] - ordered[:, gate.top_k]).min().item())
        # Masking with 0 instead of -inf (what some releases do) must choose alike: recipe of the files.
        margin = min(margin, ordered[:, gate.top_k - 1].min().item())
        plain = scores.topk(gate.top_k)[1].sort()[0]
        chosen = out[2].sort()[0]
        self.calls[name] = dict(margin=margin, experts=chosen, moved=(plain != chosen).any(-1).sum().item())


def golden(name, out, seed):
    _, fields, settings = CASES[name]
    generator = torch.Generator().manual_seed(seed)
    config = DeepseekV3Config(**{**BASE, **fields}, attn_implementation="eager", experts_implementation="eager")
    tokens = torch.randint(0, config.vocab_size, (SEQUENCES, settings.get("tokens", 11) + 1), generator=generator)
    input_ids, labels = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    # 1. A float32 model of random weights, written by transformers itself.
    model = DeepseekV3ForCausalLM(config)
    randomize(model, settings, generator)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    weights = load_file(folder / "model.safetensors")
    assert set(weights) == {n for n, _, _ in published_names(model)}, "the published names have changed"
    assert all(torch.equal(weights[n], t[rows].detach()) for n, t, rows in published_names(model))

    # 2. The same model in float64: logits, loss, gradients.
    with float64_model():
        model = DeepseekV3ForCausalLM(config).double().eval()
        with torch.no_grad():
            for n, tensor, rows in published_names(model):
                tensor[rows] = weights[n].double()
        gates = [(n.removesuffix(".mlp.gate"), m) for n, m in model.named_modules() if n.endswith(".mlp.gate")]
        mtp = None
        if settings.get("mtp"):
            mtp = Mtp(model, generator, draw, randomize_bias=settings.get("bias", False))
            gates.append((f"model.layers.{config.num_hidden_layers}", mtp.block.mlp.gate))
        routes = Routes(gates)
        with only_float64():
            hidden = model.model(input_ids, use_cache=False).last_hidden_state
            logits = model.lm_head(hidden)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            tensors = {"logits": logits}
            if mtp:
                tensors["main_loss"] = loss
                tensors["mtp_weight"] = torch.tensor(MTP_WEIGHT, dtype=torch.float64)
                tensors["mtp_logits"], tensors["mtp_loss"] = mtp.forward(hidden, labels)
                loss = loss + MTP_WEIGHT * tensors["mtp_loss"]
            tensors["loss"] = loss
            loss.backward()
        if mtp:
            mtp.compare()
    if routes.calls:
        margin = min(call["margin"] for call in routes.calls.values())
        moved = min(call["moved"] for call in routes.calls.values())
        if margin < MARGIN or (settings.get("bias") and moved == 0):
            return None
    tensors = {n: t.detach() for n, t in tensors.items()}
    tensors |= {"input_ids": input_ids, "labels": labels}
    tensors |= {f"experts.{n}": call["experts"] for n, call in routes.calls.items()}
    for n, tensor, rows in published_names(model):
        if tensor.requires_grad:
            tensors[f"grad.{n}"] = tensor.grad[rows] if tensor.grad is not None else torch.zeros_like(tensor[rows])
    if mtp:
        for n, tensor, rows in mtp_parameters(mtp, published_names):
            weights[n] = tensor[rows].detach().float().contiguous()
            if tensor.requires_grad:
                tensors[f"grad.{n}"] = tensor.grad[rows]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "golden.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    return tensors["loss"].item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/golden"))
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)} (all)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.cases or CASES:
        seed = next(s for s in range(1000) if golden(name, args.out, s) is not None)
        with safe_open(args.out / name / "golden.safetensors", "pt") as file:
            loss = file.get_tensor("loss").item()
        size = sum(f.stat().st_size for f in (args.out / name).iterdir())
        print(json.dumps(dict(case=name, seed=seed, loss=loss, bytes=size)))


if __name__ == "__main__":
    main()
