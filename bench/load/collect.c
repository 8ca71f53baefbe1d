/* Hits, each with a number of its own: what was answered can be looked for in the database. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "load.h"

enum { HIT_ROOM = 1024, USERS = 1000 };

static const char PATH[] = "/analytics/collect";
static const char BROWSER[] =
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36\r\n";
static const char *const EVENTS[] = {"page_view", "login_form_cta_click", "signup", "purchase"};
enum { EVENT_COUNT = sizeof EVENTS / sizeof *EVENTS };

struct plan {
    double seconds, per_second; /* per_second 0: the next post as soon as one is answered */
    unsigned publishers, batch;
    bool for_peer;
    long next; /* the number of the next hit */
};

/* What both take; the peer refuses every other field. */
static size_t common_fields(char *to, long hit) {
    return (size_t)sprintf(to,
        "{\"event\":\"%s\",\"referrer\":\"https://www.example.com/search?n=%ld\",\"device\":"
        "\"desktop\",\"ipAddress\":\"203.0.113.%ld\",\"metadata\":{\"browser\":\"Chrome\",\"os\":"
        "\"Windows\",\"screenSize\":\"1920x1080\"}",
        EVENTS[hit % EVENT_COUNT], hit, hit % 250);
}

static size_t own_fields(char *to, long hit, const char *moment) {
    return (size_t)sprintf(to,
        ",\"url\":\"https://shop.example.com/products/%ld\",\"timestamp\":\"%s\",\"userId\":"
        "\"user%ld\",\"messageId\":\"hit-%ld\"",
        hit % 100, moment, hit % USERS, hit);
}

static size_t one_hit(char *to, const struct plan *plan, long hit, const char *moment) {
    size_t length = common_fields(to, hit);
    if (!plan->for_peer) length += own_fields(to + length, hit, moment);
    to[length] = '}';
    return length + 1;
}

static size_t fill(struct plan *plan) {
    char moment[32];
    time_t seconds = time(NULL);
    strftime(moment, sizeof moment, "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
    if (plan->batch <= 1) return one_hit(body, plan, plan->next++, moment);
    size_t length = (size_t)sprintf(body, "{\"batch\":[");
    for (unsigned index = 0; index < plan->batch; index++) {
        if (length + HIT_ROOM > sizeof body) die("the batch is too big");
        if (index) body[length++] = ',';
        length += one_hit(body + length, plan, plan->next++, moment);
    }
    memcpy(body + length, "]}", 2);
    return length + 2;
}

static void send_hits(struct plan *plan, struct http *http) {
    size_t length = fill(plan);
    http_post(http, PATH, body, length);
}

static void as_answered(struct plan *plan, double end) {
    while (now() < end && !http_errors) {
        struct http *http;
        while ((http = http_idle(plan->publishers)) && !http_errors) send_hits(plan, http);
        loop_turn(end);
    }
}

/* A post that finds no connection free waits for one, and that counts: it was due. */
static void as_due(struct plan *plan, double began, double end) {
    double pause = 1 / plan->per_second;
    for (long index = 0;; index++) {
        double due = began + (double)index * pause;
        if (due >= end || http_errors) return;
        struct http *http;
        while (!(http = http_idle(plan->publishers)) || now() < due) {
            loop_turn(http ? due : due + patience_seconds);
            if (now() > due + patience_seconds) return;
        }
        send_hits(plan, http);
        http->begun = due;
    }
}

void do_collect(void) {
    struct plan plan = {
        .seconds = number("seconds", 2),
        .per_second = number("per_second", 0),
        .publishers = (unsigned)number("publishers", 32),
        .batch = (unsigned)number("batch", 1),
        .for_peer = number("peer", 0) > 0,
        .next = (long)number("first", 0),
    };
    if (plan.publishers > MAX_HTTP) plan.publishers = MAX_HTTP;
    if (!plan.batch) plan.batch = 1;
    http_headers = BROWSER;
    http_begin();
    double began = now(), cpu = cpu_seconds();
    if (plan.per_second > 0) as_due(&plan, began, began + plan.seconds);
    else as_answered(&plan, began + plan.seconds);
    double patience = now() + patience_seconds;
    while (http_any_busy() && now() < patience) loop_turn(patience);
    double took = now() - began, share = (cpu_seconds() - cpu) / took;
    http_give_up();
    http_headers = "";
    printf("{\"posts\":%ld,\"hits\":%ld,\"errors\":%ld,\"refusal\":%d,\"seconds\":%.6f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"cpu\":%.3f,\"next\":%ld}\n",
           http_answered, http_answered * plan.batch, http_errors, http_refusal, took,
           samples_share(&http_seconds, 0.5) * 1000, samples_share(&http_seconds, 0.99) * 1000,
           samples_share(&http_seconds, 1) * 1000, share, plan.next);
}
