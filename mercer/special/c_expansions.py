"""In C: the expansions of small orders and arguments, and the loop over blocks of elements.

Elements of a block are put together by expansion. Every function on them is a loop without
branches, which the compiler turns into vector instructions; sums over terms are outside of it, so
that no table of constants is unrolled.
"""

SMALL = """
static inline double gamma_tail(double mu) {  /* 1 / Gamma(1 + mu) - 1 */
  double r = 0;
  #pragma GCC unroll 32
  for (int k = sizeof GAMMA / 8 - 1; k > 0; k--) r = (r + GAMMA[k]) * mu;
  return r;
}

static int largest(int n, const double *v) {  /* rounded order */
  double most = 0;
  #pragma omp simd reduction(max : most)
  for (int i = 0; i < n; i++) most = v[i] > most ? v[i] : most;
  return rint(most < LARGEST_ORDER ? most : LARGEST_ORDER);
}

static void series(int n, const double *v, const double *x, double *out, int terms) {
  double y[ROOM], top[ROOM], bottom[ROOM], rising[ROOM];
  for (int i = 0; i < n; i++) {
    y[i] = x[i] * x[i] / 4;
    top[i] = 0;
    bottom[i] = rising[i] = 1;
  }
  for (int k = terms; k > 0; k--)
    for (int i = 0; i < n; i++) {
      top[i] = y[i] * (bottom[i] + top[i]);
      bottom[i] *= k * (v[i] + k);
    }
  int last = largest(n, v);
  for (int j = 1; j <= last; j++)
    for (int i = 0; i < n; i++) {
      double factor = v[i] - rint(v[i]) + j;
      rising[i] *= rint(v[i]) >= j ? factor : 1;
    }
  for (int i = 0; i < n; i++) {
    double sum = top[i] / bottom[i], g = gamma_tail(v[i] - rint(v[i]));
    out[i] = v[i] * (log_(x[i]) - M_LN2) + (log1p_(sum + g + sum * g) - log_(rising[i]));
  }
}

static void upward(int n, const double *v, const double *x, double *lower, double *upper,
                   double *out) {
  double mu[ROOM], y[ROOM], order[ROOM];
  int last = largest(n, v);
  for (int i = 0; i < n; i++) {
    order[i] = rint(v[i]);
    mu[i] = v[i] - order[i];
    y[i] = x[i] * x[i] / 4;
  }
  for (int j = 1; j <= last; j++)
    for (int i = 0; i < n; i++) {
      double l = lower[i], u = upper[i], next = (mu[i] + j) * u + y[i] * l;
      int go = order[i] >= j;
      lower[i] = go ? u : l;
      upper[i] = go ? next : u;
    }
  for (int i = 0; i < n; i++) out[i] = log_(lower[i]) - rint(v[i]) * (log_(x[i]) - M_LN2);
}

static void from_integral(int n, const double *v, const double *x, double *out, int nodes,
                          double step, const double *rises, const double *steps) {
  double lower[ROOM], upper[ROOM], factor[ROOM], up[ROOM], inverse[ROOM], down[ROOM];
  for (int i = 0; i < n; i++) {
    double mu = v[i] - rint(v[i]);
    up[i] = factor[i] = exp_(mu * step);
    down[i] = inverse[i] = 1 / factor[i];
    lower[i] = upper[i] = 0.5;
  }
  for (int k = 0; k < nodes; k++) {
    double rise = rises[k], forth = steps[k] / 2, back = 0.5 / steps[k];
    for (int i = 0; i < n; i++) {
      double bell = exp_(-x[i] * rise);
      lower[i] += bell * (up[i] + down[i]) / 2;
      upper[i] += bell * (up[i] * forth + down[i] * back);
      up[i] *= factor[i];
      down[i] *= inverse[i];
    }
  }
  for (int i = 0; i < n; i++) {
    lower[i] *= step;
    upper[i] *= step * x[i] / 2;
  }
  upward(n, v, x, lower, upper, out);
  for (int i = 0; i < n; i++) out[i] -= x[i];
}

static void from_series(int n, const double *v, const double *x, double *out) {
  double lower[ROOM], upper[ROOM], f[ROOM], p[ROOM], q[ROOM], c[ROOM];
  for (int i = 0; i < n; i++) {
    double mu = v[i] - rint(v[i]), square = mu * mu, difference = 0, mean = 0;
    for (int k = sizeof GAMMA / 8 - 2; k >= 0; k -= 2) {
      difference = difference * square - GAMMA[k + 1];
      mean = mean * square + GAMMA[k];
    }
    double below = mean + mu * difference, above = mean - mu * difference;
    double inverse = M_LN2 - log_(x[i]), s = mu * inverse, e = exp_(s), z = s * s, ratio = 1;
    for (int k = 9; k > 0; k--) ratio = 1 + ratio * z * (1.0 / (2 * k * (2 * k + 1)));
    ratio = fabs(s) < 1 ? ratio : (e - 1 / e) / (2 * s);
    f[i] = lower[i] = ((e + 1 / e) / 2 * difference + ratio * inverse * mean) / (below * above);
    p[i] = upper[i] = e / above / 2;
    q[i] = 1 / (e * below) / 2;
    c[i] = 1;
  }
  for (int k = 1; k < TEMME_TERMS; k++)
    for (int i = 0; i < n; i++) {
      double mu = v[i] - rint(v[i]), minus = k - mu, plus = k + mu, r = 1 / (minus * plus);
      f[i] = (k * f[i] + p[i] + q[i]) * r;
      p[i] *= r * plus;
      q[i] *= r * minus;
      c[i] *= x[i] * x[i] / 4 * (1.0 / k);
      lower[i] += c[i] * f[i];
      upper[i] += c[i] * (p[i] - k * f[i]);
    }
  upward(n, v, x, lower, upper, out);
}
"""

TILE = """
/* The number of the expansion, as a floating-point number: its loop is one of vectors. */
static inline double regime(double v, double x) {
  double square = v * v + x * x, small = 1, large = 0;
  for (int k = 0; k < (int)(sizeof ARGUMENT_EDGES / 8); k++)
    small += x >= ARGUMENT_EDGES[k] ? 1.0 : 0.0;
  for (int k = 0; k < (int)(sizeof WIDTH_EDGES / 8); k++)
    large += square >= WIDTH_EDGES[k] * WIDTH_EDGES[k] ? 1.0 : 0.0;
  double beyond = large > 0 ? SMALL - 1 + large : small;
  return x > 0 ? beyond : 0;
}

/* sizes: elements, kind; in: v, x; out: values */
void tile(const int64_t *sizes, void **in, void **values) {
  const int64_t count = sizes[0];
  const int kind = sizes[1];
  const double *v = in[0], *x = in[1];
  double *out = values[0];
  #pragma omp parallel for schedule(static)
  for (int64_t start = 0; start < count; start += BLOCK) {
    int n = count - start < BLOCK ? count - start : BLOCK, first[REGIMES + 1] = {0}, next[REGIMES];
    int which[BLOCK], place[BLOCK];
    double a[ROOM], b[ROOM], value[ROOM];
    const double *order = v + start, *argument = x + start;
    double least = REGIMES, most = 0;
    for (int i = 0; i < n; i++) value[i] = regime(order[i], argument[i]);
    #pragma omp simd reduction(min : least) reduction(max : most)
    for (int i = 0; i < n; i++) {
      least = value[i] < least ? value[i] : least;
      most = value[i] > most ? value[i] : most;
    }
    if (least == most && n == BLOCK) {
      expand(least, kind, n, order, argument, out + start);
      continue;
    }
    for (int i = 0; i < n; i++) first[(which[i] = value[i]) + 1]++;
    for (int r = 0; r < REGIMES; r++) {
      next[r] = first[r];
      first[r + 1] += first[r];
    }
    for (int i = 0; i < n; i++) {
      int at = next[which[i]]++;
      place[i] = at;
      a[at] = order[i];
      b[at] = argument[i];
    }
    for (int i = n; i < n + WIDE; i++) a[i] = b[i] = 1;
    /* Whole vectors, so that a value does not depend on its place: what lies beyond an expansion's
       elements is overwritten by the next one. */
    for (int r = 0; r < REGIMES; r++)
      if (first[r + 1] > first[r]) {
        int size = (first[r + 1] - first[r] + WIDE - 1) / WIDE * WIDE;
        expand(r, kind, size, a + first[r], b + first[r], value + first[r]);
      }
    for (int i = 0; i < n; i++) out[start + i] = value[place[i]];
  }
}
"""
