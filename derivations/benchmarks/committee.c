/* The step of direct SGD on an erf committee of two units and two teachers, as the generated program does it: draw into
   a buffer that stays in the first-level cache, all inner products in one pass, all updates in a second. */
#include "philox.h"
#include <stdlib.h>

static void fill_normals(float *restrict out, int64_t size, uint64_t seed, uint64_t stream, uint32_t replica, uint32_t step) {
    uint32_t key0 = (uint32_t)seed, key1 = key_of_stream(seed, stream);
    for (int64_t draw = 0; draw < size / 4; draw++) {
        words block = philox((uint64_t)draw, step, replica, 0, key0, key1);
        float *four = out + 4 * draw;
        normal_pair((uint32_t)block.word[0], (uint32_t)block.word[1], four, four + 1);
        normal_pair((uint32_t)block.word[2], (uint32_t)block.word[3], four + 2, four + 3);
    }
}

static void sums(const float *restrict x, const float *restrict w, const float *restrict v, int64_t n, int64_t stride,
                 float *total) {
    float a = 0, b = 0, c = 0, d = 0;
    for (int64_t i = 0; i < n; i++) {
        a += w[i] * x[i];
        b += w[stride + i] * x[i];
        c += v[i] * x[i];
        d += v[stride + i] * x[i];
    }
    total[0] = a, total[1] = b, total[2] = c, total[3] = d;
}

static void move(const float *restrict x, float *restrict first, float *restrict second, int64_t n, float a, float b) {
    for (int64_t i = 0; i < n; i++) {
        first[i] -= a * x[i];
        second[i] -= b * x[i];
    }
}

/* `start` and `teachers` hold two rows of n numbers; for every replica, `found` is |w1|^2 and <w1, v1> after the steps. */
int committee(const float *start, const float *teachers, int64_t n, int64_t steps, int64_t replicas, uint64_t seed,
              uint64_t stream, float rate, float *found) {
    int64_t stride = (n + 63) / 64 * 64;
    float *memory = aligned_alloc(64, (size_t)stride * 5 * sizeof(float));
    if (!memory) return 1;
    float *w = memory, *v = memory + 2 * stride, *x = memory + 4 * stride, total[4];
    const float half_root = 0.70710678f, slope = 0.79788456f;
    for (int k = 0; k < 2; k++) memcpy(v + k * stride, teachers + k * n, (size_t)n * sizeof(float));
    for (int64_t replica = 0; replica < replicas; replica++) {
        for (int k = 0; k < 2; k++) memcpy(w + k * stride, start + k * n, (size_t)n * sizeof(float));
        for (int64_t step = 0; step < steps; step++) {
            fill_normals(x, stride, seed, stream, (uint32_t)replica, (uint32_t)step);
            sums(x, w, v, n, stride, total);
            float error = slope * (erff(half_root * total[0]) + erff(half_root * total[1]) - erff(half_root * total[2])
                                   - erff(half_root * total[3]));
            float first = rate * error * expf(-0.5f * total[0] * total[0]);
            float second = rate * error * expf(-0.5f * total[1] * total[1]);
            move(x, w, w + stride, n, first, second);
        }
        float square = 0, overlap = 0;
        for (int64_t i = 0; i < n; i++) square += w[i] * w[i], overlap += w[i] * v[i];
        found[2 * replica] = square;
        found[2 * replica + 1] = overlap;
    }
    free(memory);
    return 0;
}
