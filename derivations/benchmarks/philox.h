/* The random numbers of numerics.random, in C: Philox4x32-10 and Box-Muller by the same polynomials, written so that a
   compiler vectorises a loop over counters. Words lie in the lower halves of 64-bit numbers, whose products need both. */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint64_t word[4]; } words;

static inline words philox(uint64_t draw, uint64_t step, uint64_t replica, uint64_t purpose, uint32_t key0, uint32_t key1) {
    uint64_t a = draw, b = step, c = replica, d = purpose;
    for (int round = 0; round < 10; round++) {
        uint64_t first = (a & 0xFFFFFFFFu) * 0xD2511F53ull, second = (c & 0xFFFFFFFFu) * 0xCD9E8D57ull;
        a = (second >> 32) ^ b ^ key0;
        c = (first >> 32) ^ d ^ key1;
        b = second;
        d = first;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return (words){{a, b, c, d}};
}

static inline uint32_t key_of_stream(uint64_t seed, uint64_t stream) {
    return (uint32_t)(seed >> 32) ^ (uint32_t)(stream * 0x9E3779B9u);
}

static inline uint32_t bits(float x) { uint32_t b; memcpy(&b, &x, sizeof b); return b; }
static inline float number(uint32_t b) { float x; memcpy(&x, &b, sizeof x); return x; }
static inline uint64_t bits64(double x) { uint64_t b; memcpy(&b, &x, sizeof b); return b; }
static inline double number64(uint64_t b) { double x; memcpy(&x, &b, sizeof x); return x; }

/* ------------------------------------------------------------------------------------------------ single precision */

static inline float log_uniform(uint32_t word) {
    float u = ((float)word + 1.0f) * 0x1p-32f;
    int32_t shifted = (int32_t)bits(u), scale = (shifted - 0x3F2AAAAB) & (int32_t)0xFF800000;
    float mantissa = number((uint32_t)(shifted - scale)), exponent = (float)scale;
    float f = scale == 0 ? -((float)(word ^ 0xFFFFFFFFu) * 0x1p-32f) : mantissa - 1.0f;
    float z = f * f;
    float p = (-0.12891753017902374f * f + 0.13984468579292297f) * f - 0.12184243649244308f;
    p = (p * f + 0.14005863666534424f) * f - 0.16680489480495453f;
    p = (p * f + 0.20010405778884888f) * f - 0.24999797344207764f;
    float tail = f * z * (p * f + 0.3333321511745453f);
    float low = exponent * (1.4286068203094173e-06f * 0x1p-23f);
    return exponent * (0.693145751953125f * 0x1p-23f) - ((0.5f * z - (tail + low)) - f);
}

static inline void normal_pair(uint32_t word0, uint32_t word1, float *first, float *second) {
    float radius = sqrtf(-2.0f * log_uniform(word0));
    float angle = (float)(int32_t)((word1 << 2) | 2u) * (float)(3.14159265358979323846 * 0x1p-33);
    uint32_t shifted = word1 + (1u << 29);
    float z = angle * angle;
    float sine = angle + angle * z * ((-0.0001951828453456983f * z + 0.008332189172506332f) * z - 0.16666655242443085f);
    float cosine = (2.4430670237052254e-05f * z - 0.00138873013202101f) * z + 0.04166664555668831f;
    cosine = 1.0f - (0.5f * z - z * z * cosine);
    int odd = (shifted & (1u << 30)) != 0;
    *first = radius * number(bits(odd ? sine : cosine) ^ ((shifted + (1u << 30)) & 0x80000000u));
    *second = radius * number(bits(odd ? cosine : sine) ^ (shifted & 0x80000000u));
}

/* ------------------------------------------------------------------------------------------------ double precision */

static inline double logarithm64(double u) {
    int64_t all = (int64_t)bits64(u), mantissa = all & 0xFFFFFFFFFFFFF;
    int64_t carry = ((mantissa + 0x95F6400000000) >> 52) & 1;
    double exponent = (double)((all >> 52) - 1023 + carry);
    double f = number64((uint64_t)((mantissa | 0x3FF0000000000000) - (carry << 52))) - 1.0;
    double s = f / (2.0 + f), z = s * s, w = z * z;
    double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    double odd = 2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01);
    odd = z * (6.666666666666735130e-01 + w * odd);
    double half = 0.5 * f * f;
    return exponent * 6.93147180369123816490e-01
         - ((half - (s * (half + even + odd) + exponent * 1.90821492927058770002e-10)) - f);
}

static inline void normal_pair64(uint64_t word0, uint64_t word1, double *first, double *second) {
    double radius = sqrt(-2.0 * logarithm64(((double)(int64_t)word0 + 1.0) * 0x1p-32));
    uint64_t shifted = (word1 + (1u << 29)) & 0xFFFFFFFFu;
    double angle = (((double)(int64_t)(shifted & 0x3FFFFFFFu) - 536870912.0) + 0.5) * (3.14159265358979323846 * 0x1p-31);
    double z = angle * angle;
    double sine = 1.58969099521155010221e-10 * z - 2.50507602534068634195e-08;
    sine = (sine * z + 2.75573137070700676789e-06) * z - 1.98412698298579493134e-04;
    sine = (sine * z + 8.33333333332248946124e-03) * z - 1.66666666666666324348e-01;
    sine = angle + angle * z * sine;
    double cosine = -1.13596475577881948265e-11 * z + 2.08757232129817482790e-09;
    cosine = (cosine * z - 2.75573143513906633035e-07) * z + 2.48015872894767294178e-05;
    cosine = (cosine * z - 1.38888888888741095749e-03) * z + 4.16666666666666019037e-02;
    cosine = 1.0 - (0.5 * z - z * z * cosine);
    int odd = (shifted & (1u << 30)) != 0;
    *first = radius * number64(bits64(odd ? sine : cosine) ^ (((shifted + (1u << 30)) & 0x80000000u) << 32));
    *second = radius * number64(bits64(odd ? cosine : sine) ^ ((shifted & 0x80000000u) << 32));
}
