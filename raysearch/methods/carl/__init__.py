"""CARL: the paper card, which sets the paper's values beside ours and says why they differ.

S. Son, A. Saurez, D. Har: Continuous Adversarial Text Representation Learning for Affective
Recognition, ICAIIC 2025, arXiv:2502.20613. No code of the authors was found, and the body of
the paper could not be read here: what follows rests on its abstract and a digest of it. All
numbers of this package are those of a re-implementation.

==============  ==========================================================================
symbol          here
==============  ==========================================================================
f, g, q         `model._Branch.states` and `pool`; `projection`; `CarlModel.prediction`
p_i, k_j        `queries` (Eq. 1), `keys` (Eq. 2), (B, D)
θ_t, m          `model.Target.follow`, `model.momentum_at` (Eq. 3)
s_ij, c_ij      `losses.label_similarity` (4), `embedding_similarity` (5)
P, L_MCCL       `ContrastiveObjective.targets`, `soft_contrast` (6)
e_t, g_t        word embeddings before position and LayerNorm; `perturbation.saliency` (7)
T, δ            `perturbation.choose_tokens` (8), `perturbation.ascend` (9)
L_PTD           `losses.focal_detection_loss` (10)
MLM             `masked.masked_updates`, before the steps above
L               `algorithm.CarlAlgorithm._contrast_and_detect` (11), two backward passes
z               `corpora.Split.labels` (12)
==============  ==========================================================================

"silent" is a value that the paper does not state as far as we know; "-" is a setting of ours.
`config.CarlConfig.PAPER` holds the literal setting, trial 0 of every sweep. Departures: the
embedding that is perturbed is relative to its own sd, the label kernel is Gaussian, ⌈k⌉ is at
least one token, and KL stands beside the cross-entropy, whose value says little: its floor is
the entropy of the targets. At ε = 5e-9 detection cannot be learnt, and what L_PTD learns is
which tokens are salient: `detection_auc_removed` tells how much. Uniformity collapses to 0,
not to infinity.

======================== ===================== ============== ====================================
setting                  paper                 default        why
======================== ===================== ============== ====================================
variant                  CARL                  carl           baselines share all of the code
encoder                  BERT-, RoBERTa-base   package:minilm comes as a package, runs on a CPU
layers                   all                   0              0 keeps all
max_length               silent                128            few sentences are longer
batch_size               silent                64             SimCSE, unsupervised
epochs                   silent                3.0            lower end of 3-10
learning_rate            silent                2e-05          2e-5 to 5e-5 is usual for BERT
head_learning_rate       silent                0.001          heads start from random weights
weight_decay             silent                0.01           usual for BERT
warmup_share             silent                0.06           6-10 % is usual
clip_norm                silent                1.0            usual for BERT
freeze_embeddings        silent                false          nothing says that they were
precision                silent                fp32           literal ε needs true fp32
reports                  -                     4              rungs of early stopping
checkpoint_seconds       -                     60.0           work at risk in a crash
corpora                  four VA corpora       sample         bundled; others need a data folder
masked_epochs            recommended, silent   0.0            how long is unknown
train_rows               -                     0              all; fewer show the effect of scale
batching                 silent                within_corpus  corpus identity leaks into labels
label_scaling            min-max, Eq. 12       scale          by the ends of the rating scale
class_cuts               -                     mean           many ratings lie on the middle
bucketing                silent                16             a quarter of the padding or less
pooling                  silent                mean           MiniLM was trained for the mean
projection_size          silent                256            MoCo-v3, BYOL
prediction_hidden        silent                1024           BYOL's 4096, scaled down
label_geometry           cosine, Eq. 4         gauss          uncentred: target 93 to 99.7 % uniform
sigma                    -                     0.1            about the sd of EmoBank's ratings
label_temperature        silent                0.1            for the cosine geometries
temperature              silent                0.1            0.05-0.1 is usual
contrast_reading         symmetric CE, Eq. 6   softmax        the reading of CLIP and SoftCLIP
momentum_gap             4e-4 (m₀ .9996)       0.01           at .9996 a short trial's target rests
target_dropout           silent                false          a stable target
contrastive_weight       0.8, Eq. 11           0.8
contrastive_warmup_share none                  0.0            set it when saliency starts as noise
detection_weight         0.2, Eq. 11           0.2            search 0.05-0.5: L_PTD is small
top_k                    0.10, Eq. 8           0.1            rounded up: at least one token
token_choice             salient, Eq. 7-8      salient        half_random: saliency does not tell
perturbation             absolute, Eq. 9       relative       one unit for all encoders
epsilon                  5e-9                  5e-09          below a forward pass's rounding noise
relative_epsilon         -                     1.0            detectable; at 0.25 it hardly is
pgd_steps                silent                1              the first step is free
pgd_step_size            silent                1.0            one step reaches the border
perturbation_norm        silent                sign           at 5e-9 L2 changes 6.6 % of fp32
focal_gamma              silent, Eq. 10        2.0            RetinaNet
focal_alpha              silent, Eq. 10        null           0.25 weighs the rare class down
vanish                   -                     stop           the literal setting only warns
va_corpora               the training's?       -              empty: the training corpora
class_corpora            four, §2              -              none without a data folder
polarity_corpora         not found             -              none without a data folder
probe_rows               -                     0              all; fewer make reports cheaper
probe_layers             silent                last           a mix is the stronger baseline
protocol                 silent                frozen         says more of the embedding
finetune_epochs          silent                3.0            usual for BERT
finetune_learning_rate   silent                2e-05          usual for BERT
======================== ===================== ============== ====================================
"""
