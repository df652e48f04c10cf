"""The golden cases: one small DeepseekV3Config each, and what it is there to show."""

# Ragged on purpose: no width is a multiple of another's, so that a swapped extent cannot go unseen.
BASE = dict(
    vocab_size=37,
    hidden_size=24,
    intermediate_size=28,
    moe_intermediate_size=10,
    num_hidden_layers=2,
    num_attention_heads=3,
    num_key_value_heads=3,
    n_shared_experts=1,
    n_routed_experts=8,
    routed_scaling_factor=2.5,
    kv_lora_rank=14,
    q_lora_rank=18,
    qk_rope_head_dim=8,
    v_head_dim=12,
    qk_nope_head_dim=6,
    n_group=4,
    topk_group=2,
    num_experts_per_tok=3,
    first_k_dense_replace=1,
    norm_topk_prob=True,
    hidden_act="silu",
    max_position_embeddings=64,
    rms_norm_eps=1e-6,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    num_mtp_layers=0,
    bos_token_id=None,
    eos_token_id=None,
    tie_word_embeddings=False,
)

YARN = {
    "rope_type": "yarn",
    "rope_theta": 100.0,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
    "beta_fast": 1.0,  # with 12 rotary dimensions the ramp over the 6 pairs is 0, 0, 1/4, 1/2, 3/4, 1
    "beta_slow": 0.1,
    "mscale": 0.7,
    "mscale_all_dim": 1.3,
}

# name: (what it shows, fields that differ from BASE, other settings)
#   tokens     S, the sequence's length (11)
#   bias       the balancing biases are drawn at random instead of zero
#   mtp        a multi-token-prediction module is added, computed from its parts
CASES = {
    "base": ("low-rank q and kv, groups, a shared expert, gates divided by their sum", {}, {}),
    "no_q_lora": ("queries projected directly (q_lora_rank null)", dict(q_lora_rank=None), {}),
    "no_groups": (
        "one routing group",
        dict(n_group=1, topk_group=1, n_routed_experts=6, num_experts_per_tok=2),
        {},
    ),
    "no_shared": ("n_shared_experts 0: the shared expert has width 0", dict(n_shared_experts=0), {}),
    "two_shared": ("two shared experts, which are one layer of twice the width", dict(n_shared_experts=2), {}),
    "no_norm_topk": ("gates are the scaled scores", dict(norm_topk_prob=False, routed_scaling_factor=1.5), {}),
    "yarn": ("YaRN with mscale, positions past the original context",
             dict(rope_parameters=YARN, qk_rope_head_dim=12), dict(tokens=40)),
    "bias": ("balancing biases that change the selection", {}, dict(bias=True)),
    "dense": ("dense layers only", dict(first_k_dense_replace=2), {}),
    "norm_eps": ("rms_norm_eps 1e-2, which the latents' norms do not use",
                 dict(rms_norm_eps=1e-2), {}),
    "mtp": ("multi-token prediction of depth 1, bias included",
            dict(num_hidden_layers=2, num_mtp_layers=1), dict(mtp=True, bias=True)),
}
