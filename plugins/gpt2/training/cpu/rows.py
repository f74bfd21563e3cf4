"""What is done row by row, in C with its gradients: embedding, layer normalisation, activation, loss; and AdamW.

clang makes vectors of these loops: sums may be taken in any order here.
"""

from __future__ import annotations

from plugins.gpt2.training.cpu.attention import LOGARITHM
from plugins.gpt2.training.cpu.products import Tile, head
from plugins.gpt2.training.network.optimiser import Recipe

CHUNK = 32
"""Rows of a slice."""
PIECE = 65_536
"""Numbers of a slice of what is flat."""
COLUMNS = 64
"""Columns of a slice where sums go down the rows."""

_PLAIN = head(Tile(6, 1)).replace("static void product(const job* w, float* near) __attribute__((noinline));", "")


def embed(rows: int, length: int, width: int) -> str:
    """Return out (M, E) = wte[token] + wpe[position]."""
    return f"""{_PLAIN}
void embed(float* restrict out, const int* restrict tokens, const float* restrict wte, const float* restrict wpe,
           int slice) {{
  for (int m = slice * {CHUNK}; m < least(slice * {CHUNK} + {CHUNK}, {rows * length}); m++)
    for (int e = 0; e < {width}; e++)
      out[(long)m * {width} + e] = wte[(long)tokens[m] * {width} + e] + wpe[(long)(m % {length}) * {width} + e];
}}
"""


def embed_back(rows: int, length: int, width: int, vocabulary: int, positions: int, *, added: bool) -> str:
    """Return the sums of dout (M, E) by token and by position; ``added``: wte's sums have the head's already."""
    clear = (
        f"for (int t = 0; t < {vocabulary}; t++) for (int e = e0; e < e1; e++) wte[(long)t * {width} + e] *= kept[0];"
    )
    return f"""{_PLAIN}
void embed_back(float* restrict wte, float* restrict wpe, const int* restrict tokens, const float* restrict dout,
                const float* restrict kept, int slice) {{
  int e0 = slice * {COLUMNS}, e1 = least(e0 + {COLUMNS}, {width});
  {"" if added else clear}
  for (int t = 0; t < {positions}; t++) for (int e = e0; e < e1; e++) wpe[(long)t * {width} + e] *= kept[0];
  for (int m = 0; m < {rows * length}; m++)
    for (int e = e0; e < e1; e++) {{
      wte[(long)tokens[m] * {width} + e] += dout[(long)m * {width} + e];
      wpe[(long)(m % {length}) * {width} + e] += dout[(long)m * {width} + e];
    }}
}}
"""


def norm(count: int, width: int, epsilon: float) -> str:
    """Return y (M, E) and facts (M, 2), mean and 1 / deviation."""
    return f"""{_PLAIN}
void norm(float* restrict out, float* restrict facts, const float* restrict x, const float* restrict weight,
          const float* restrict bias, int slice) {{
  for (int m = slice * {CHUNK}; m < least(slice * {CHUNK} + {CHUNK}, {count}); m++) {{
    const float* row = x + (long)m * {width};
    float mean = 0.0f, squares = 0.0f;
    for (int e = 0; e < {width}; e++) mean += row[e];
    mean /= {width};
    for (int e = 0; e < {width}; e++) squares += (row[e] - mean) * (row[e] - mean);
    float rate = 1.0f / __builtin_sqrtf(squares / {width} + {epsilon!r}f);
    for (int e = 0; e < {width}; e++) out[(long)m * {width} + e] = (row[e] - mean) * rate * weight[e] + bias[e];
    facts[2 * m] = mean;
    facts[2 * m + 1] = rate;
  }}
}}
"""


def norm_back(count: int, width: int) -> str:
    """Return dx (M, E), and the chunks' own sums for scale and shift (chunks, 2, E)."""
    return f"""{_PLAIN}
void norm_back(float* restrict back, float* restrict parts, const float* restrict x, const float* restrict weight,
               const float* restrict facts, const float* restrict dout, int slice) {{
  float *scale = parts + (long)slice * {2 * width}, *shift = scale + {width};
  for (int e = 0; e < {width}; e++) scale[e] = shift[e] = 0.0f;
  for (int m = slice * {CHUNK}; m < least(slice * {CHUNK} + {CHUNK}, {count}); m++) {{
    const float *row = x + (long)m * {width}, *d = dout + (long)m * {width};
    float mean = facts[2 * m], rate = facts[2 * m + 1], one = 0.0f, two = 0.0f;
    for (int e = 0; e < {width}; e++) {{
      float normal = (row[e] - mean) * rate, slope = d[e] * weight[e];
      one += slope;
      two += slope * normal;
      scale[e] += d[e] * normal;
      shift[e] += d[e];
    }}
    one /= {width};
    two /= {width};
    for (int e = 0; e < {width}; e++)
      back[(long)m * {width} + e] = (d[e] * weight[e] - one - (row[e] - mean) * rate * two) * rate;
  }}
}}
"""


def norm_sums(chunks: int, width: int) -> str:
    """Return the sums of scale and shift over all chunks."""
    return f"""{_PLAIN}
void norm_sums(float* restrict scale, float* restrict shift, const float* restrict parts, const float* restrict kept,
               int slice) {{
  for (int e = 0; e < {width}; e++) {{ scale[e] *= kept[0]; shift[e] *= kept[0]; }}
  for (int c = 0; c < {chunks}; c++)
    for (int e = 0; e < {width}; e++) {{
      scale[e] += parts[(long)c * {2 * width} + e];
      shift[e] += parts[(long)c * {2 * width} + {width} + e];
    }}
}}
"""


def column_sums(count: int, width: int) -> str:
    """Return the sums of dout (M, N) down its columns: a bias's gradient."""
    return f"""{_PLAIN}
void column_sums(float* restrict sums, const float* restrict dout, const float* restrict kept, int slice) {{
  int e0 = slice * {COLUMNS}, e1 = least(e0 + {COLUMNS}, {width});
  float own[{COLUMNS}];
  for (int e = 0; e < {COLUMNS}; e++) own[e] = 0.0f;
  if (e1 - e0 == {COLUMNS})
    for (int m = 0; m < {count}; m++)
      for (int e = 0; e < {COLUMNS}; e++) own[e] += dout[(long)m * {width} + e0 + e];
  else
    for (int m = 0; m < {count}; m++)
      for (int e = e0; e < e1; e++) own[e - e0] += dout[(long)m * {width} + e];
  for (int e = e0; e < e1; e++) sums[e] = sums[e] * kept[0] + own[e - e0];
}}
"""


_GELU = "float s = 1.0f / (1.0f + number(-1.5957691216f * v * (1.0f + 0.044715f * v * v)));"


def gelu(count: int) -> str:
    """Return GELU's tanh form of ``count`` values."""
    return f"""{_PLAIN}
void gelu(float* restrict out, const float* restrict x, int slice) {{
  for (long i = (long)slice * {PIECE}, end = i + {PIECE} < {count} ? i + {PIECE} : {count}; i < end; i++) {{
    float v = x[i];
    {_GELU}
    out[i] = v * s;
  }}
}}
"""


def gelu_back(count: int) -> str:
    """Return its gradient."""
    return f"""{_PLAIN}
void gelu_back(float* restrict back, const float* restrict x, const float* restrict dout, int slice) {{
  for (long i = (long)slice * {PIECE}, end = i + {PIECE} < {count} ? i + {PIECE} : {count}; i < end; i++) {{
    float v = x[i];
    {_GELU}
    back[i] = dout[i] * (s + v * s * (1.0f - s) * 1.5957691216f * (1.0f + 3.0f * 0.044715f * v * v));
  }}
}}
"""


def nats(count: int, vocabulary: int) -> str:
    """Return the cross entropy (M,) and the logarithm of each sum (M,) from logits (M, V).

    ``x`` and ``head`` made the logits, and are here for the autograd to see: their gradients are one with this one.
    """
    whole = vocabulary // 16 * 16
    return f"""{_PLAIN}{LOGARITHM}
void nats(float* restrict out, float* restrict logs, const float* restrict logits, const int* restrict targets,
          const float* x, const float* head, int slice) {{
  for (int m = slice * {CHUNK}; m < least(slice * {CHUNK} + {CHUNK}, {count}); m++) {{
    const float* row = logits + (long)m * {vocabulary};
    V high = (V)row[0], total = (V)0.0f;
    for (int t = 0; t < {whole}; t += 16) high = __builtin_elementwise_max(high, *(const V*)(row + t));
    float most = highest(high), rest = 0.0f;
    for (int t = {whole}; t < {vocabulary}; t++) most = row[t] > most ? row[t] : most;
    for (int t = 0; t < {whole}; t += 16) total += vexp(*(const V*)(row + t) - most);
    for (int t = {whole}; t < {vocabulary}; t++) rest += number(row[t] - most);
    logs[m] = most + logarithm(sum(total) + rest);
    out[m] = logs[m] - row[targets[m]];
  }}
}}
"""


def nats_back(count: int, vocabulary: int) -> str:
    """Return the gradient of the logits in their own place; dout (M,)."""
    return f"""{_PLAIN}
void nats_back(float* restrict logits, const float* restrict logs, const int* restrict targets,
               const float* restrict dout, int slice) {{
  for (int m = slice * {CHUNK}; m < least(slice * {CHUNK} + {CHUNK}, {count}); m++) {{
    float *row = logits + (long)m * {vocabulary}, log = logs[m], slope = dout[m];
    for (int t = 0; t < {vocabulary}; t++) row[t] = number(row[t] - log) * slope;
    row[targets[m]] -= slope;
  }}
}}
"""


def squares(count: int) -> str:
    """Return the sum of squares of each piece of ``count`` values."""
    return f"""{_PLAIN}
void squares(float* restrict out, const float* restrict x, int slice) {{
  float sum = 0.0f;
  for (long i = (long)slice * {PIECE}, end = i + {PIECE} < {count} ? i + {PIECE} : {count}; i < end; i++)
    sum += x[i] * x[i];
  out[slice] = sum;
}}
"""


def adamw(count: int, matrices: int, pieces: int, recipe: Recipe) -> str:
    """Return one update of ``count`` weights, the first ``matrices`` of which decay; slice 0 tells the norm."""
    return f"""{_PLAIN}
void adamw(float* restrict w, float* restrict first, float* restrict second, float* restrict told,
           const float* restrict g, const float* restrict squares, const float* restrict numbers, int slice) {{
  double sum = 0.0;
  for (int i = 0; i < {pieces}; i++) sum += squares[i];
  float norm = (float)__builtin_sqrt(sum) * numbers[1], rate = numbers[0];
  float clip = {recipe.clip!r}f / (norm + 1e-6f);
  clip = (clip < 1.0f ? clip : 1.0f) * numbers[1];
  if (slice == 0) told[0] = norm;
  for (long i = (long)slice * {PIECE}, end = i + {PIECE} < {count} ? i + {PIECE} : {count}; i < end; i++) {{
    float d = g[i] * clip;
    float m = first[i] = {recipe.first!r}f * first[i] + {1 - recipe.first!r}f * d;
    float v = second[i] = {recipe.second!r}f * second[i] + {1 - recipe.second!r}f * d * d;
    float decay = i < {matrices} ? {recipe.decay!r}f * w[i] : 0.0f;
    w[i] -= rate * (m * numbers[2] / (__builtin_sqrtf(v * numbers[3]) + {recipe.epsilon!r}f) + decay);
  }}
}}
"""
