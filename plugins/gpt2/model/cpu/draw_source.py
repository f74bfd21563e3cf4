"""C that draws a token: what ``engine/sampling.py`` does in a dozen passes of NumPy, in as few as there must be.

The same penalty, filters and race with the same random numbers. Weights are Cephes' exp and not NumPy's, so that
two tokens whose times differ by less than a millionth may change places; nothing else does.

No set is sorted: a filter finds the weight on its border digit by digit, by sums over the bits of floats, which are in
the order of the numbers that they stand for.
"""

from __future__ import annotations

from plugins.gpt2.model.cpu.prelude import PRELUDE

SURE_ODDS = 1.35
PENALTY, COLD, TOP_P, MIN_P = range(4)
"""Places in ``how``: the penalty, one over the temperature (0: greedy), top-p and min-p."""

TYPES = f"""{PRELUDE}
typedef unsigned long long u64;
typedef struct {{
  float* logits; long vocabulary;
  int* seen; long count;              // tokens so far, each once: room for one more
  const double* how; long top_k;      // the penalty, 1 / temperature (0: greedy), top-p, min-p
  float *weights, *kept; int* ids;    // room for twice the vocabulary and 64 more
  float sure; int token;              // what comes of it; token -1: the logits are not finite
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

typedef double VD __attribute__((ext_vector_type(8), aligned(8)));
typedef float V8 __attribute__((ext_vector_type(8), aligned(4)));

INLINE double sum_of(const float* weights, long n) {{
  VD some = (VD)0.0;
  double all = 0.0;
  long i = 0;
  for (; i + 8 <= n; i += 8) some += __builtin_convertvector(*(const V8*)(weights + i), VD);
  for (; i < n; i++) all += weights[i];
  for (i = 0; i < 8; i++) all += some[i];
  return all;
}}

// Halve the stretch of weights in which the last one lies that `wanted` takes: what weighs `sure` is in, what weighs
// less than `least` is out. Sums of floats err by less than the room that is left.
INLINE void bounds(const float* w, long size, double total, double wanted, float* sure, float* least) {{
  union {{ float f; unsigned i; }} low = {{(float)(0.5 * (total - wanted) / (double)size)}}, high = {{2.0f}}, middle;
  float in = (float)(wanted * 1.00002), out = (float)(wanted * 0.99998);
  for (int step = 0; step < 8; step++) {{
    middle.i = (low.i + high.i) / 2;
    V least_in = (V)middle.f, some[4] = {{(V)0.0f, (V)0.0f, (V)0.0f, (V)0.0f}};
    for (long i = 0; i < size; i += 64) {{
      #pragma clang loop unroll(full)
      for (int j = 0; j < 4; j++) {{
        V v = load_float(w + i + 16 * j);
        some[j] += v >= least_in ? v : (V)0.0f;
      }}
    }}
    float weigh = sum((some[0] + some[1]) + (some[2] + some[3]));
    if (weigh >= in) low = middle;
    else if (weigh <= out) high = middle;
    else break;
  }}
  *sure = high.f;
  *least = low.f;
}}

// Put the weights from `least` on into one piece, with their ids.
INLINE long gather(const float* w, long size, float least, float* kept, int* ids) {{
  const VI lanes = {{{", ".join(f"1 << {lane}" for lane in range(16))}}};
  long n = 0;
  for (long i = 0; i < size; i += 16) {{
    V v = (V)0.0f;
    if (i + 16 <= size) v = load_float(w + i);
    else for (long j = i; j < size; j++) v[j - i] = w[j];
    unsigned found = (unsigned)__builtin_reduce_or((v >= (V)least) & lanes);
    if (i + 16 > size) found &= (1u << (size - i)) - 1;
    for (; found; found &= found - 1) {{
      long j = i + __builtin_ctz(found);
      kept[n] = w[j];
      ids[n++] = (int)j;
    }}
  }}
  return n;
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

// Keep what weighs `sure`, and as few of the others, the heaviest, as make it `wanted`.
INLINE long nucleus(float* weights, int* ids, long n, double wanted, float sure) {{
  float *others = weights + n, weight;
  int *their_ids = ids + n, id;
  long in = 0, there = 0;
  for (long i = 0; i < n; i++) {{
    weights[in] = others[there] = weight = weights[i];
    ids[in] = their_ids[there] = id = ids[i];
    in += weight >= sure;
    there += weight < sure;
  }}
  there = heaviest(others, their_ids, there, wanted - sum_of(weights, in), 0);
  for (long i = 0; i < there; i++, in++) {{
    weights[in] = others[i];
    ids[in] = their_ids[i];
  }}
  return in;
}}

// How likely another model draws the same, see `sureness` in engine/sampling.py.
INLINE float sureness(double chance, double lead) {{
  float root = vexp((V)(float)(-minus_log(chance) / 3.0))[0];
  return 1.0f / (1.0f + (float)lead / ({SURE_ODDS!r}f * root));
}}

// The race: an exponentially distributed time over each weight, the first to arrive wins. SplitMix64's numbers.
INLINE long winner(const float* weights, const int* ids, long n, u64 key, double* lead) {{
  double best = 1e308, second = 1e308;
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
      if (1.0 - uniform[i] >= second * weight) continue;  // -log(u) is no less than 1 - u
      double time = minus_log(uniform[i]) / weight;
      if (time >= second) continue;
      second = time < best ? best : time;
      if (time < best) {{ best = time; won = first + i; }}
    }}
  }}
  *lead = best / second;
  return won;
}}

// Where min-p is the only filter, nothing but what it leaves need be weighed.
static void draw_near(draw* d, float best, float cold, float min_p, u64 key, int greedy) {{
  float from = best + (-minus_log(min_p) - 0.001) / cold, *kept = d->kept;
  long size = d->vocabulary, n = 0, found = gather(d->logits, size, from, kept, d->ids);
  for (long i = 0; i < 16; i++) kept[found + i] = -__builtin_inff();
  for (long i = 0; i < found; i += 16) *(V*)(kept + i) = vexp((load_float(kept + i) - (V)best) * (V)cold);
  for (long i = 0; i < found; i++) {{
    kept[n] = kept[i];
    d->ids[n] = d->ids[i];
    n += kept[n] >= min_p;
  }}
  long won = 0;
  double lead = 0.0;
  if (greedy) {{
    while (d->logits[d->ids[won]] != best) won++;
    for (long i = 0; i < n; i++) if (i != won && kept[i] > lead) lead = kept[i];
  }} else won = winner(kept, d->ids, n, key, &lead);
  d->token = d->ids[won];
  d->sure = sureness(kept[won] / sum_of(kept, n), lead);
}}

static void draw_token(draw* d, u64 key) {{
  float *x = d->logits, *w = d->weights;
  const double* how = d->how;
  long size = d->vocabulary;
  float penalty = (float)how[{PENALTY}];
  if (penalty != 1.0f)
    for (long i = 0; i < d->count; i++) {{
      if (d->seen[i] >= size) continue;
      float seen = x[d->seen[i]];
      x[d->seen[i]] = seen > 0.0f ? seen / penalty : seen * penalty;
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
  d->sure = 0.0f;
  if (not_numbers || best - best != 0.0f) return;
  float cold = (float)how[{COLD}];
  int greedy = cold == 0.0f;
  if (how[{MIN_P}] > 0.0 && how[{TOP_P}] >= 1.0 && d->top_k == 0) {{
    draw_near(d, best, greedy ? 1.0f : cold, (float)how[{MIN_P}], key, greedy);
    return;
  }}
  if (greedy) {{
    for (long i = 0; i < size && d->token < 0; i++) if (x[i] == best) d->token = (int)i;
    return;
  }}
  double total = 0.0;
  V some = (V)0.0f;
  for (long i = 0; i < size; i += 16) {{
    V v = (V)-__builtin_inff();
    if (i < whole) v = load_float(x + i);
    else for (long j = i; j < size; j++) v[j - i] = x[j];
    v = vexp((v - (V)best) * (V)cold);
    *(V*)(w + i) = v;
    some += v;
    if (i % 256 == 240 || i + 16 >= size) {{ total += sum(some); some = (V)0.0f; }}
  }}
  int top_k = 0 < d->top_k && d->top_k < size, top_p = how[{TOP_P}] < 1.0;
  double wanted = how[{TOP_P}] * total;
  float sure = 0.0f, least = 0.0f, *kept = d->kept;
  if (top_p && !top_k) bounds(w, size, total, wanted, &sure, &least);
  long n = gather(w, size, least, kept, d->ids);
  if (top_k) n = heaviest(kept, d->ids, n, (double)d->top_k, 1);
  if (top_k && top_p) n = heaviest(kept, d->ids, n, how[{TOP_P}] * sum_of(kept, n), 0);
  if (!top_k && top_p) n = nucleus(kept, d->ids, n, wanted, sure);
  if (how[{MIN_P}] > 0.0) {{
    long left = 0;
    for (long i = 0; i < n; i++) {{
      kept[left] = kept[i];
      d->ids[left] = d->ids[i];
      left += kept[left] >= (float)how[{MIN_P}];
    }}
    n = left;
  }}
  double lead;
  long won = winner(kept, d->ids, n, key, &lead);
  d->token = d->ids[won];
  d->sure = sureness(kept[won] / sum_of(kept, n), lead);
}}
"""
"""What it has behind it: an object is entered at its start, so that a kernel comes first."""
