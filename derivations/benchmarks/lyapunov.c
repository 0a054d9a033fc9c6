/* The QR iteration for the products of I - rate x x^T, x a standard normal vector of d = 5 numbers, replicas side by side
   as vector lanes: draw, multiply the tangent vectors, orthonormalise them by modified Gram-Schmidt, twice as the generated
   program does, add up logarithms. */
#include "philox.h"
#include <stdlib.h>

enum { D = 5, LANES = 64, EVERY = 8 };

/* `found[r * D + j]` : the sum of the logarithms of what was left of tangent vector j of replica r. */
void lyapunov(int64_t replicas, int64_t steps, uint64_t seed, double rate, double *found) {
    uint32_t key0 = (uint32_t)seed, key1 = key_of_stream(seed, 0);
    for (int64_t first = 0; first < replicas; first += LANES) {
        double q[D][D][LANES], x[D + 1][LANES], product[D][LANES], sum[D][LANES];
        memset(q, 0, sizeof q);
        for (int j = 0; j < D; j++)
            for (int l = 0; l < LANES; l++) q[j][j][l] = 1, product[j][l] = 1, sum[j][l] = 0;
        for (int64_t step = 0; step < steps; step++) {
            for (int l = 0; l < LANES; l++) {
                words block = philox(0, (uint64_t)step, (uint64_t)(first + l), 1, key0, key1);
                uint64_t low = 0xFFFFFFFFu;
                normal_pair64(block.word[0] & low, block.word[1] & low, &x[0][l], &x[1][l]);
                normal_pair64(block.word[2] & low, block.word[3] & low, &x[2][l], &x[3][l]);
            }
            for (int l = 0; l < LANES; l++) {
                words block = philox(1, (uint64_t)step, (uint64_t)(first + l), 1, key0, key1);
                uint64_t low = 0xFFFFFFFFu;
                normal_pair64(block.word[0] & low, block.word[1] & low, &x[4][l], &x[5][l]);
            }
            for (int j = 0; j < D; j++) {
                for (int l = 0; l < LANES; l++) {
                    double total = 0;
                    for (int i = 0; i < D; i++) total += x[i][l] * q[j][i][l];
                    for (int i = 0; i < D; i++) q[j][i][l] -= rate * total * x[i][l];
                }
            }
            for (int j = 0; j < D; j++) {
                for (int repeat = 0; repeat < 2; repeat++)
                    for (int p = 0; p < j; p++)
                        for (int l = 0; l < LANES; l++) {
                            double total = 0;
                            for (int i = 0; i < D; i++) total += q[p][i][l] * q[j][i][l];
                            for (int i = 0; i < D; i++) q[j][i][l] -= total * q[p][i][l];
                        }
                for (int l = 0; l < LANES; l++) {
                    double square = 0;
                    for (int i = 0; i < D; i++) square += q[j][i][l] * q[j][i][l];
                    double scale = 1 / sqrt(square);
                    for (int i = 0; i < D; i++) q[j][i][l] *= scale;
                    product[j][l] *= square;
                }
            }
            if (step % EVERY == EVERY - 1 || step == steps - 1) /* a product of so few squares neither under- nor overflows */
                for (int j = 0; j < D; j++)
                    for (int l = 0; l < LANES; l++) {
                        sum[j][l] += 0.5 * logarithm64(product[j][l]);
                        product[j][l] = 1;
                    }
        }
        for (int64_t r = first; r < first + LANES && r < replicas; r++)
            for (int j = 0; j < D; j++) found[r * D + j] = sum[j][r - first];
    }
}
