"""C that draws a token: what ``engine/sampling.py`` does in a dozen passes of NumPy, in as few as there must be.

The same penalty, filters and race with the same random numbers. Weights are Cephes' exp and not NumPy's, so that
two tokens whose times differ by less than a millionth may change places; nothing else does.

No set is sorted: a filter finds the weight on its border digit by digit, by sums over the bits of floats, which are in
the order of the numbers that they stand for.
"""

from __future__ import annotations

from plugins.gpt2.model.cpu.prelude import PRELUDE

PENALTY, COLD, TOP_P, MIN_P = range(4)
"""Places in ``how``: the penalty, one over the temperature (0: greedy), top-p and min-p."""

TYPES = f"""{PRELUDE}
typedef unsigned long long u64;
typedef struct {{
  float* logits; long vocabulary;
  int* seen; long count;              // tokens so far, each once: room for one more
  const float* how; long top_k;       // the penalty, 1 / temperature (0: greedy), top-p, min-p
  float* weights; int* ids;           // room for the vocabulary and a vector
  float chance; int token;            // what comes of it; token -1: the logits are not finite
}} draw;
static void draw_token(draw* d, u64 key) __attribute__((noinline));
"""
"""What a kernel that draws has before it."""

DRAW = f"""
enum {{ DIGIT = 10, FIGURES = 1 << DIGIT }};

// -log of what lies between 0 and 1: the exponent, and artanh's series of what is left.
INLINE double minus_log(double x) {{
  union {{ double d; u64 i; }} bits = {{x}};
  long e = (long)(bits.i >> 52) - 1023;
  bits.i = (bits.i & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  double m = bits.d;
  if (m > 1.4142135623730951) {{ m *= 0.5; e++; }}
  double t = (m - 1.0) / (m + 1.0), u = t * t, s = 0.0;
  for (int n = 21; n > 0; n -= 2) s = s * u + 1.0 / n;
  return -((double)e * 0.6931471805599453 + 2.0 * t * s);
}}

INLINE unsigned rank_of(float weight) {{  // 0 for the heaviest, 1; larger for what is lighter
  union {{ float f; unsigned i; }} bits = {{weight}};
  return 0x3f800000u - bits.i;
}}

// Keep the heaviest weights, as few as add up to `wanted`; each counts 1 where `alike`. Of equals the first are kept.
static long heaviest(float* weights, int* ids, long n, double wanted, int alike) {{
  double sums[FIGURES], before = 0.0;
  unsigned border = 0;
  for (int shift = 2 * DIGIT; shift >= 0; shift -= DIGIT) {{
    for (int i = 0; i < FIGURES; i++) sums[i] = 0.0;
    int last = 0;
    for (long i = 0; i < n; i++) {{
      unsigned rank = rank_of(weights[i]);
      if ((rank >> shift >> DIGIT) != border) continue;
      int figure = rank >> shift & (FIGURES - 1);
      sums[figure] += alike ? 1.0 : (double)weights[i];
      if (figure > last) last = figure;
    }}
    int figure = 0;
    while (figure < last && before + sums[figure] < wanted) before += sums[figure++];
    border = border << DIGIT | (unsigned)figure;
  }}
  long kept = 0;
  for (long i = 0; i < n; i++) {{
    unsigned rank = rank_of(weights[i]);
    int takes = rank < border || (rank == border && before < wanted);
    if (rank == border) before += alike ? 1.0 : (double)weights[i];
    weights[kept] = weights[i];
    ids[kept] = ids[i];
    kept += takes;
  }}
  return kept;
}}

// The race: an exponentially distributed time over each weight, the first to arrive wins. SplitMix64's numbers.
INLINE long winner(const float* weights, const int* ids, long n, u64 key) {{
  double best = 1e308;
  long won = 0;
  for (long first = 0; first < n; first += 64) {{
    long end = n - first < 64 ? n - first : 64;
    double uniform[64];
    for (long i = 0; i < end; i++) {{
      u64 x = (u64)ids[first + i] * 0x9E3779B97F4A7C15ull + key;
      x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
      x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
      x ^= x >> 31;
      uniform[i] = ((double)(long)(x >> 11) + 0.5) * 0x1p-53;
    }}
    for (long i = 0; i < end; i++) {{
      double weight = weights[first + i];
      if (1.0 - uniform[i] >= best * weight) continue;  // -log(u) is no less than 1 - u
      double time = minus_log(uniform[i]) / weight;
      if (time < best) {{ best = time; won = first + i; }}
    }}
  }}
  return won;
}}

static void draw_token(draw* d, u64 key) {{
  float *x = d->logits, *w = d->weights;
  const float* how = d->how;
  long size = d->vocabulary, n = 0;
  if (how[{PENALTY}] != 1.0f)
    for (long i = 0; i < d->count; i++) {{
      float seen = x[d->seen[i]];
      x[d->seen[i]] = seen > 0.0f ? seen / how[{PENALTY}] : seen * how[{PENALTY}];
    }}
  V most = (V)-__builtin_inff();
  VI odd = (VI)0;
  long whole = size & ~15l;
  for (long i = 0; i < whole; i += 16) {{
    V v = load_float(x + i);
    most = __builtin_elementwise_max(most, v);
    odd |= (VI)(v != v);
  }}
  float best = __builtin_reduce_max(most);
  int not_numbers = 0;
  for (int i = 0; i < 16; i++) not_numbers |= odd[i];
  for (long i = whole; i < size; i++) {{
    best = x[i] > best ? x[i] : best;
    not_numbers |= x[i] != x[i];
  }}
  d->token = -1;
  d->chance = 0.0f;
  if (not_numbers || best - best != 0.0f) return;
  float cold = how[{COLD}];
  int greedy = cold == 0.0f;
  V scale = (V)(greedy ? 1.0f : cold);
  double total = 0.0;
  V some = (V)0.0f;
  for (long i = 0; i < size; i += 16) {{
    V v = (V)-__builtin_inff();
    if (i < whole) v = load_float(x + i);
    else for (long j = i; j < size; j++) v[j - i] = x[j];
    v = vexp((v - (V)best) * scale);
    *(V*)(w + i) = v;
    some += v;
    if (i % 256 == 240 || i + 16 >= size) {{ total += sum(some); some = (V)0.0f; }}
  }}
  if (greedy) {{
    for (long i = 0; i < size && d->token < 0; i++) if (x[i] == best) d->token = (int)i;
    d->chance = (float)(1.0 / total);
    return;
  }}
  // What together weighs less than top-p leaves over cannot be in; most of a vocabulary is so light.
  float least = 0.0f;
  if (how[{TOP_P}] < 1.0f && d->top_k == 0) least = (float)(0.5 * (1.0 - (double)how[{TOP_P}]) * total / (double)size);
  for (long i = 0; i < size; i += 16) {{
    if (__builtin_reduce_max(*(const V*)(w + i)) < least) continue;
    for (long j = i; j < i + 16 && j < size; j++) {{
      float weight = w[j];
      d->ids[n] = (int)j;
      w[n] = weight;
      n += weight >= least;
    }}
  }}
  if (0 < d->top_k && d->top_k < size) {{
    n = heaviest(w, d->ids, n, (double)d->top_k, 1);
    total = 0.0;
    for (long i = 0; i < n; i++) total += w[i];
  }}
  if (how[{TOP_P}] < 1.0f) n = heaviest(w, d->ids, n, (double)how[{TOP_P}] * total, 0);
  if (how[{MIN_P}] > 0.0f) {{
    long kept = 0;
    for (long i = 0; i < n; i++) {{
      float weight = w[i];
      w[kept] = weight;
      d->ids[kept] = d->ids[i];
      kept += weight >= how[{MIN_P}];
    }}
    n = kept;
  }}
  long won = winner(w, d->ids, n, key);
  double of_kept = 0.0;
  for (long i = 0; i < n; i++) of_kept += w[i];
  d->token = d->ids[won];
  d->chance = (float)(w[won] / of_kept);
}}
"""
"""What it has behind it: an object is entered at its start, so that a kernel comes first."""
