/* Calls a compiled function from C. No Python runs; the module's library wants its symbols.

   numlift compile ../sum2d.py -o . --signature 'sum2d(float64[:, ::1])'
   cc sum2d.c ./sum2d.abi3.so $(python3-config --embed --ldflags) -Wl,-rpath,. -o sum2d && ./sum2d
*/

#include <stdio.h>

#include "sum2d.h"

int main(void) {
    double numbers[3][4];
    for (int i = 0; i < 12; i++) {
        numbers[i / 4][i % 4] = i;
    }
    struct numlift_array_2d matrix = {
        .data = numbers,
        .shape = {3, 4},
        .strides = {sizeof numbers[0], sizeof numbers[0][0]},
    };
    double sum;
    if (sum2d(&matrix, &sum) != NUMLIFT_OK) {
        fprintf(stderr, "%s\n", sum2d_error());
        return 1;
    }
    printf("the sum is %g\n", sum);

    /* Every second column: not contiguous, as the signature wants it. */
    matrix.shape[1] = 2;
    matrix.strides[1] *= 2;
    int32_t status = sum2d(&matrix, &sum);
    printf("status %d: %s\n", status, sum2d_error());
    return status == NUMLIFT_ARGUMENT ? 0 : 1;
}
