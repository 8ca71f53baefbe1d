/* Events that carry a sequence number, and the deliveries that they should make. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

static const char MARKED[] = "42[\"bench.event\"";
static const char SIDE[] = "42[\"bench.side\"";
static const char SEQUENCE[] = "\"seq\":";

struct measure measure = {.base = 1};

void measure_begin(bool keep_latency) {
    /* What is still on its way from before has a lower number, and is not counted. */
    measure.base += measure.posts;
    measure.posts = measure.deliveries = measure.side = 0;
    measure.sum = 0;
    measure.keep_latency = keep_latency;
    measure.last = now();
    samples_clear(&measure.latency);
    for (unsigned index = 0; index < websocket_count; index++) {
        websockets[index]->received = 0;
        websockets[index]->sum = 0;
    }
}

/* A number that looks like chance (splitmix64): sums of such are equal where the same numbers, each
 * as often, went into them, in whatever order they came. */
static uint64_t hash(long sequence) {
    uint64_t value = (uint64_t)sequence * 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

long measure_sent(double at) {
    if ((size_t)measure.posts == measure.room) {
        measure.room = measure.room ? measure.room * 2 : 4096;
        measure.sent = realloc(measure.sent, measure.room * sizeof(double));
        if (!measure.sent) die("no memory for posts");
    }
    measure.sent[measure.posts] = at;
    measure.sum += hash(measure.base + measure.posts);
    return measure.base + measure.posts++;
}

void measure_text(struct websocket *websocket) {
    if (strncmp(websocket->text, MARKED, sizeof MARKED - 1)) {
        measure.side += !strncmp(websocket->text, SIDE, sizeof SIDE - 1);
        return;
    }
    const char *found = strstr(websocket->text, SEQUENCE);
    long index = found ? strtol(found + sizeof SEQUENCE - 1, NULL, 10) - measure.base : -1;
    if (index < 0 || index >= measure.posts) return;
    measure.last = now();
    measure.deliveries++;
    websocket->received++;
    websocket->sum += hash(measure.base + index);
    if (spread_delivered) spread_delivered(websocket, index);
    if (measure.keep_latency) samples_add(&measure.latency, measure.last - measure.sent[index]);
}

/* Counted a socket, and by number, so that a delivery made twice does not hide one that was lost,
 * neither another socket's nor its own. */
void measure_missing(long *missing, long *extra) {
    *missing = *extra = 0;
    for (unsigned index = 0; index < websocket_count; index++) {
        const struct websocket *ws = websockets[index];
        if (ws->state != WS_READY || ws->stalled) continue;
        if (ws->received < measure.posts) *missing += measure.posts - ws->received;
        else *extra += ws->received - measure.posts;
        if (ws->received == measure.posts && ws->sum != measure.sum) {
            ++*missing;
            ++*extra;
        }
    }
}
