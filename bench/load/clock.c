/* Time, and the statistics made of it. */
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "load.h"

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The processor time that this process has taken: whoever reads a figure must be able to see
 * whether the client was the one that had no more to give. */
double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void samples_clear(struct samples *samples) { samples->count = 0; }

void samples_add(struct samples *samples, double value) {
    if (samples->count == samples->room) {
        samples->room = samples->room ? samples->room * 2 : 4096;
        samples->values = realloc(samples->values, samples->room * sizeof(double));
        if (!samples->values) die("no memory for samples");
    }
    samples->values[samples->count++] = value;
    samples->sorted = false;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double samples_share(struct samples *samples, double share) {
    if (!samples->count) return 0;
    if (!samples->sorted) qsort(samples->values, samples->count, sizeof(double), by_value);
    samples->sorted = true;
    size_t rank = (size_t)(share * (double)(samples->count - 1) + 0.5);
    return samples->values[rank];
}
