"""Multi-token prediction of depth 1, from its parts.

    h'_i    = eh_proj [enorm(Emb(t_{i+1})) ; hnorm(h_i)]      h_i: after the main model's final norm
    logits  = lm_head(shared_head.norm(block(h')))            embedding and head are the main model's

The order of the concatenation and the state that is handed over are those of the published weights (the
report's equation 21 prints the concatenation the other way round); tools/golden/README.md cites where
this was found. The result is compared with transformers' own MtpLayer.
"""

import torch
from torch import nn
from transformers.modeling_layers import MtpLayer
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3DecoderLayer, DeepseekV3RMSNorm


class Mtp(nn.Module):
    def __init__(self, main, generator, draw, randomize_bias):
        super().__init__()
        config = main.config
        self.main = [main]  # in a list: its parameters are not this module's
        self.config = config
        self.enorm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = DeepseekV3DecoderLayer(config, config.num_hidden_layers)
        self.norm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.double()
        with torch.no_grad():
            for name, tensor in [*self.named_parameters(), *self.named_buffers()]:
                name = name.replace("experts.gate_up_proj", "gate").replace("experts.down_proj", "down")
                if name.endswith("e_score_correction_bias") and not randomize_bias:
                    continue
                tensor.copy_(draw(tensor.shape, name, generator))

    def forward(self, hidden, labels):
        """hidden [B,S,D] after the final norm, labels [B,S]: logits [B,S,V] and the mean loss over the
        B·(S-1) positions that have a token after the next."""
        main = self.main[0]
        length = hidden.shape[1]
        positions = torch.arange(length)[None]
        rotary = main.model.rotary_emb(hidden, positions)
        mask = torch.full((length, length), -torch.inf, dtype=hidden.dtype).triu(1)[None, None]
        embedded = main.model.embed_tokens(labels)
        x = self.eh_proj(torch.cat([self.enorm(embedded), self.hnorm(hidden)], dim=-1))
        x = self.norm(self.block(x, position_embeddings=rotary, attention_mask=mask))
        self.inputs, self.output = (embedded, hidden, rotary, mask), x
        logits = main.lm_head(x)
        loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return logits, loss

    @torch.no_grad()
    def compare(self):
        """transformers' own layer, given the same weights and inputs, yields the same bits."""
        config = self.config.get_mtp_config()
        layer = MtpLayer(config, DeepseekV3DecoderLayer, DeepseekV3RMSNorm, 0).double()
        for mine, theirs in [("enorm", "enorm"), ("hnorm", "hnorm"), ("eh_proj", "eh_proj"),
                             ("block", "mtp_block"), ("norm", "post_norm")]:
            getattr(layer, theirs).load_state_dict(getattr(self, mine).state_dict())
        y = layer(*self.inputs, position_ids=None, past_key_values=None)
        assert torch.equal(self.output, y), "transformers' MtpLayer has become another function"


def mtp_parameters(mtp, published_names):
    """(name in the file, tensor, rows), as published: the module is layer number num_hidden_layers."""
    prefix = f"model.layers.{mtp.config.num_hidden_layers}."
    for name, tensor, rows in published_names(mtp):
        if name.startswith("block."):
            name = name.removeprefix("block.")
        elif name == "norm.weight":
            name = "shared_head.norm.weight"
        yield prefix + name, tensor, rows
