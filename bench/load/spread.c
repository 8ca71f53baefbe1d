/* Events to several servers in turn, each to the sockets of all: which of them came where, one by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { MAX_POSTS = 1 << 18, MAX_PUBLISHERS = MAX_HTTP };

/* What one socket has got. */
struct tally {
    long distinct, repeated, disordered;
    long last[MAX_PUBLISHERS];         /* the last event of each publisher; they are numbered */
    unsigned char seen[MAX_POSTS / 8]; /* a bit for each event; pages that nobody touches cost nothing */
};

struct spread {
    const char *room;
    size_t size;
    unsigned publishers;
    double seconds, posts, per_second, window;
};

void (*spread_delivered)(struct websocket *websocket, long index);
static struct {
    unsigned char publisher, server;
} posts[MAX_POSTS];
static unsigned turn[MAX_PUBLISHERS];   /* to which server each publisher posts next */
static struct samples own, others;      /* from post to socket, by whether the server is the same */

static void delivered(struct websocket *websocket, long index) {
    struct tally *tally = websocket->tally;
    unsigned char bit = (unsigned char)(1 << index % 8), publisher = posts[index].publisher;
    if (tally->seen[index / 8] & bit) {
        tally->repeated++;
        return;
    }
    tally->seen[index / 8] |= bit;
    tally->distinct++;
    if (index < tally->last[publisher]) tally->disordered++;
    else tally->last[publisher] = index;
    if (measure.keep_latency)
        samples_add(websocket->server == posts[index].server ? &own : &others,
                    measure.last - measure.sent[index]);
}

static void begin(bool timed) {
    measure_begin(timed);
    http_begin();
    samples_clear(&own);
    samples_clear(&others);
    for (unsigned index = 0; index < MAX_HTTP; index++) {
        http_close(&https[index]);
        https[index].server = index % server_count;
    }
    for (unsigned index = 0; index < MAX_PUBLISHERS; index++) turn[index] = index;
    for (unsigned index = 0; index < websocket_count; index++) {
        websockets[index]->tally = calloc(1, sizeof(struct tally));
        if (!websockets[index]->tally) die("no memory for a tally");
    }
    spread_delivered = delivered;
}

static void end(void) {
    spread_delivered = NULL;
    for (unsigned index = 0; index < websocket_count; index++) {
        free(websockets[index]->tally);
        websockets[index]->tally = NULL;
    }
    for (unsigned index = 0; index < MAX_HTTP; index++) {
        http_close(&https[index]);
        https[index].server = 0;
    }
}

/* A publisher has a connection to each server, and waits for an answer before it posts the next. */
static bool is_idle(unsigned publisher) {
    for (unsigned server = 0; server < server_count; server++)
        if (https[publisher * server_count + server].busy) return false;
    return true;
}

static void post(const struct spread *spread, unsigned publisher, double at) {
    unsigned server = turn[publisher]++ % server_count;
    struct http *http = &https[publisher * server_count + server];
    posts[measure.posts].publisher = (unsigned char)publisher;
    posts[measure.posts].server = (unsigned char)server;
    post_event(http, "bench.event", spread->room, measure_sent(at), spread->size);
}

/* A server that is quicker than this client would have what waits pile up in the sockets' buffers,
 * which are bounded: a few events on the way keep everybody busy. */
static bool may_post(const struct spread *spread) {
    long waiting = measure.posts * (long)ready_count - measure.deliveries;
    return !http_errors && measure.posts < MAX_POSTS && (double)measure.posts < spread->posts &&
           (double)waiting < spread->window * ready_count;
}

static void post_in_turn(const struct spread *spread) {
    double began = now(), due = began;
    while (!http_errors && measure.posts < MAX_POSTS && (double)measure.posts < spread->posts &&
           now() < began + spread->seconds) {
        for (unsigned index = 0; index < spread->publishers && may_post(spread); index++) {
            if (!is_idle(index) || (spread->per_second && now() < due)) continue;
            post(spread, index, spread->per_second ? due : now());
            if (spread->per_second) due += 1 / spread->per_second;
        }
        double wait = spread->per_second && due > now() ? due : now() + 0.1;
        let_some_come(loop_turn(wait));
    }
}

static void say(double began, double cpu) {
    long lost = 0, doubled = 0, disordered = 0;
    double took = measure.last - began, whole = now() - began;
    for (unsigned index = 0; index < websocket_count; index++) {
        const struct websocket *ws = websockets[index];
        if (ws->state != WS_READY || ws->stalled) continue;
        lost += measure.posts - ws->tally->distinct;
        doubled += ws->tally->repeated;
        disordered += ws->tally->disordered;
    }
    printf("{\"posts\":%ld,\"answered\":%ld,\"sockets\":%u,\"deliveries\":%ld,\"lost\":%ld,"
           "\"doubled\":%ld,\"disordered\":%ld,\"gone\":%u,\"errors\":%ld,\"refusal\":%d,"
           "\"seconds\":%.6f,\"whole_seconds\":%.6f,\"cpu_seconds\":%.6f,\"post_p50_ms\":%.3f,"
           "\"post_p99_ms\":%.3f,\"own_p50_ms\":%.3f,\"own_p99_ms\":%.3f,\"others_p50_ms\":%.3f,"
           "\"others_p99_ms\":%.3f}\n",
           measure.posts, http_answered, ready_count, measure.deliveries, lost, doubled, disordered,
           failed_count - measure.failed_before, http_errors, http_refusal, took, whole,
           cpu_seconds() - cpu, samples_share(&http_seconds, 0.5) * 1000,
           samples_share(&http_seconds, 0.99) * 1000, samples_share(&own, 0.5) * 1000,
           samples_share(&own, 0.99) * 1000, samples_share(&others, 0.5) * 1000,
           samples_share(&others, 0.99) * 1000);
    measure.failed_before = failed_count;
}

void do_spread(void) {
    struct spread spread = {
        .room = option("room", "bench"),
        .size = (size_t)number("size", 100),
        .publishers = (unsigned)number("publishers", 8),
        .seconds = number("seconds", 60),
        .posts = number("posts", 1e9),
        .per_second = number("per_second", 0),
        .window = number("window", 32),
    };
    unsigned most = MAX_HTTP / server_count;
    if (spread.publishers > most) spread.publishers = most;
    begin(spread.per_second > 0);
    double began = now(), cpu = cpu_seconds();
    post_in_turn(&spread);
    await_deliveries();
    /* What comes twice may come late. */
    double until = now() + number("linger", 0.3);
    while (now() < until) loop_turn(until);
    say(began, cpu);
    end();
}
