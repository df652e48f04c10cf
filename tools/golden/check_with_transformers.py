#!/usr/bin/env python3
"""Loads a model directory that Triptych wrote in transformers, and compares the logits.

    venv/bin/python tools/golden/check_with_transformers.py RUN/model [--logits FILE.safetensors]

FILE holds `input_ids` [B,S] (I64 or I32) and `logits` [B,S,V] (F32 or F64), as golden.safetensors does.
Exit code 0: every check passed; 1: one did not, told in a line.
"""

import argparse
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def fail(line):
    print(f"FAILED  {line}")
    sys.exit(1)


def load(folder):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, attn_implementation="eager", dtype=torch.float32
    )
    if type(model).__name__ != "DeepseekV3ForCausalLM":
        fail(f"{folder} loads as {type(model).__name__}, wanted DeepseekV3ForCausalLM")
    # transformers has no multi-token prediction in this class and passes such layers over.
    layers = model.config.num_hidden_layers
    unexpected = sorted(k for k in info["unexpected_keys"] if not k.startswith(f"model.layers.{layers}."))
    for what, keys in [("missing", sorted(info["missing_keys"])), ("unexpected", unexpected),
                       ("mismatched", sorted(map(str, info["mismatched_keys"])))]:
        if keys:
            fail(f"{folder}: {len(keys)} keys are {what}, the first is {keys[0]}")
    print(f"ok      {folder}: all {len(model.state_dict())} tensors are there, none is left over")
    return model.eval()


def check_tokenizer(folder):
    if not (folder / "tokenizer.json").exists():
        print(f"skipped {folder} has no tokenizer.json")
        return
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "Mixture of experts:\n\ttop-k routing, 0.5 § ⟨x⟩ 中文 😀\r\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if ids != list(text.encode()):
        fail(f"{folder}: the tokenizer does not give a text's bytes as its tokens")
    if tokenizer.decode(ids) != text:
        fail(f"{folder}: the tokenizer decodes {tokenizer.decode(ids)!r}, wanted {text!r}")
    print(f"ok      {folder}: the tokenizer maps a text to its {len(ids)} bytes and back")


def check_logits(model, file, tolerance):
    wanted = load_file(file)
    with torch.no_grad():
        logits = model(wanted["input_ids"].long(), use_cache=False).logits
    wanted = wanted["logits"].double()
    if logits.shape != wanted.shape:
        fail(f"{file}: logits are {list(wanted.shape)}, transformers gives {list(logits.shape)}")
    error = ((logits.double() - wanted).abs().max() / wanted.abs().max()).item()
    if not error <= tolerance:  # also when it is NaN
        fail(f"{file}: logits differ by {error:.2e} of the largest, allowed {tolerance:.0e}")
    print(f"ok      {file}: logits agree to {error:.2e} of the largest, allowed {tolerance:.0e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--logits", type=pathlib.Path)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the largest logit (1e-4)")
    args = parser.parse_args()
    json.loads((args.folder / "config.json").read_text())
    model = load(args.folder)
    check_tokenizer(args.folder)
    if args.logits:
        check_logits(model, args.logits, args.tolerance)


if __name__ == "__main__":
    main()
