/* The commands. Each is a line `name key=value …` and is answered by one line of JSON.
 *
 *   connect  count room second_room window        open sockets, log in, join
 *   fanout   seconds posts size room              closed loop: next post when the last delivery is in
 *   rate     seconds per_second size room         open loop: latency from when a post was due
 *            side_size side_room                  with a second, unmeasured event after each
 *   publish  seconds publishers batch size room   closed loop of answers: nobody listens
 *   collect  seconds publishers batch per_second   hits: closed loop of answers; with per_second open
 *            first peer                           loop, latency from when a post was due
 *   spread   seconds posts publishers size room    to all servers in turn: closed loop of answers; with
 *            window linger per_second             per_second open loop, latency from when it was due
 *   stall    count                                the last sockets stop reading
 *   leave    seconds                              close all at once, ask /health/live meanwhile
 *
 * Each takes `patience` too: after how many seconds without progress it gives up.
 *
 * Usage: load PORT[,PORT...] TOKEN. Sockets are spread over the ports in turn; of the commands spread
 * alone posts to others than the first. Times in answers are in seconds unless the name says ms. `cpu` is the
 * share of one core that this client itself took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

enum { LEAVE_SLICE = 100 };
static const double PATIENCE = 30, AFTER_ERROR = 1; /* seconds without progress: no more comes */
static const double PROBE_PAUSE = 0.01;

static size_t one_event(char *to, const char *name, const char *room, long sequence, size_t size) {
    if (size > sizeof body - 1024) die("the event is too big");
    int before = sprintf(to, "{\"event\":\"%s\",\"room\":\"%s\",\"data\":{\"seq\":%ld,"
                             "\"orderId\":\"cfa3f520-8b3c-4f0e-9d55-1a2b3c4d5e6f\",\"pad\":\"",
                         name, room, sequence);
    memset(to + before, 'x', size);
    memcpy(to + before + size, "\"}}", 3);
    return (size_t)before + size + 3;
}

void post_event(struct http *http, const char *name, const char *room, long sequence, size_t size) {
    http_post(http, "/events", body, one_event(body, name, room, sequence, size));
}

/* On loopback a client that is quicker than the server is woken for every single delivery, and it
 * is the server's `send` that pays for the waking. Clients elsewhere do not do that, so as long as
 * many deliveries are on their way this one lets a few of them come together, as a network card
 * does. The end of a round is not held up by it. */
static const struct timespec A_MOMENT = {.tv_nsec = 100000};
enum { FEW = 32, MANY = 100 };

void let_some_come(int came) {
    long waiting = measure.posts * (long)ready_count - measure.deliveries;
    if (came < FEW && waiting > MANY) nanosleep(&A_MOMENT, NULL);
}

/* Turn the loop until all posts are delivered and answered, or nothing has come for a while. */
void await_deliveries(void) {
    long seen = -1;
    double progress = now();
    while (measure.deliveries < measure.posts * (long)ready_count || http_any_busy()) {
        if (measure.deliveries + http_answered != seen) {
            seen = measure.deliveries + http_answered;
            progress = now();
        }
        /* What was refused is not delivered either. */
        double until = progress + (http_errors ? AFTER_ERROR : patience_seconds);
        if (now() > until) break;
        let_some_come(loop_turn(until));
    }
    http_give_up();
}

static void say_deliveries(double began, double cpu, struct samples *latency) {
    double took = now() - began, share = (cpu_seconds() - cpu) / took;
    long missing, extra;
    measure_missing(&missing, &extra);
    printf("{\"posts\":%ld,\"sockets\":%u,\"deliveries\":%ld,\"missing\":%ld,\"extra\":%ld,"
           "\"side\":%ld,\"gone\":%u,\"errors\":%ld,\"refusal\":%d,\"seconds\":%.6f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"cpu\":%.3f}\n",
           measure.posts, ready_count, measure.deliveries, missing, extra, measure.side,
           failed_count - measure.failed_before, http_errors, http_refusal, took,
           samples_share(latency, 0.5) * 1000, samples_share(latency, 0.99) * 1000,
           samples_share(latency, 1) * 1000, share);
    measure.failed_before = failed_count;
}

static void do_connect(void) {
    unsigned count = (unsigned)number("count", 1), window = (unsigned)number("window", 100);
    const char *room = option("room", NULL), *second = option("second_room", NULL);
    unsigned before = ready_count, failed = failed_count, opened = 0, seen = 0;
    double began = now(), cpu = cpu_seconds(), patience = began + patience_seconds;
    while (opened < count || pending_count) {
        while (opened < count && pending_count < window) {
            websocket_open(room, second);
            opened++;
        }
        if (ready_count + failed_count != seen) {
            seen = ready_count + failed_count;
            patience = now() + patience_seconds;
        }
        if (now() > patience) break;
        loop_turn(patience);
    }
    double took = now() - began;
    printf("{\"connected\":%u,\"failed\":%u,\"pending\":%u,\"seconds\":%.6f,\"cpu\":%.3f}\n",
           ready_count - before, failed_count - failed, pending_count, took,
           (cpu_seconds() - cpu) / took);
    measure.failed_before = failed_count;
}

static void do_fanout(void) {
    double seconds = number("seconds", 2), posts = number("posts", 1e9);
    size_t size = (size_t)number("size", 100);
    const char *room = option("room", "bench");
    static struct samples rounds;
    samples_clear(&rounds);
    measure_begin(false);
    http_begin();
    double began = now(), cpu = cpu_seconds();
    while (ready_count && !http_errors && (double)measure.posts < posts && now() < began + seconds) {
        double sent = now();
        post_event(&https[0], "bench.event", room, measure_sent(sent), size);
        await_deliveries();
        samples_add(&rounds, measure.last - sent);
        if (measure.deliveries < measure.posts * (long)ready_count) break;
    }
    say_deliveries(began, cpu, &rounds);
}

static void do_rate(void) {
    double seconds = number("seconds", 5), pause = 1 / number("per_second", 20);
    size_t size = (size_t)number("size", 100), side_size = (size_t)number("side_size", 0);
    const char *room = option("room", "bench"), *side_room = option("side_room", "side");
    measure_begin(true);
    http_begin();
    double began = now(), cpu = cpu_seconds(), due = began;
    long side_sent = 0;
    while (due < began + seconds && ready_count) {
        struct http *http = http_idle(MAX_HTTP);
        if (now() < due || !http) {
            loop_turn(http ? due : due + patience_seconds);
            if (!http && now() > due + patience_seconds) break;
            continue;
        }
        /* From when it was due: a post that had to wait for a slow server is not flattered. */
        post_event(http, "bench.event", room, measure_sent(due), size);
        if (side_size && (http = http_idle(MAX_HTTP)))
            post_event(http, "bench.side", side_room, ++side_sent, side_size);
        due += pause;
    }
    await_deliveries();
    say_deliveries(began, cpu, &measure.latency);
}

static size_t publish_body(unsigned batch, const char *room, size_t size) {
    if (batch <= 1) return one_event(body, "bench.event", room, 0, size);
    size_t length = (size_t)sprintf(body, "{\"events\":[");
    for (unsigned index = 0; index < batch; index++) {
        if (length + size + 512 > sizeof body) die("the batch is too big");
        if (index) body[length++] = ',';
        length += one_event(body + length, "bench.event", room, (long)index, size);
    }
    memcpy(body + length, "]}", 2);
    return length + 2;
}

static void do_publish(void) {
    double seconds = number("seconds", 2);
    unsigned publishers = (unsigned)number("publishers", 8), batch = (unsigned)number("batch", 1);
    if (publishers > MAX_HTTP) publishers = MAX_HTTP;
    size_t length = publish_body(batch, option("room", "nobody"), (size_t)number("size", 100));
    const char *path = batch > 1 ? "/events/batch" : "/events";
    http_begin();
    double began = now(), cpu = cpu_seconds();
    while (now() < began + seconds && !http_errors) {
        struct http *http;
        while ((http = http_idle(publishers)) && !http_errors) http_post(http, path, body, length);
        loop_turn(began + seconds);
    }
    double patience = now() + patience_seconds;
    while (http_any_busy() && now() < patience) loop_turn(patience);
    double took = now() - began, share = (cpu_seconds() - cpu) / took;
    http_give_up();
    printf("{\"posts\":%ld,\"events\":%ld,\"errors\":%ld,\"refusal\":%d,\"seconds\":%.6f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"cpu\":%.3f}\n",
           http_answered, http_answered * batch, http_errors, http_refusal, took,
           samples_share(&http_seconds, 0.5) * 1000, samples_share(&http_seconds, 0.99) * 1000,
           share);
}

static void do_stall(void) {
    unsigned count = (unsigned)number("count", 1), done = 0;
    int port = 0;
    for (unsigned index = websocket_count; index-- && done < count;) {
        if (websockets[index]->state != WS_READY || websockets[index]->stalled) continue;
        port = websocket_local_port(websockets[index]);
        websocket_stall(websockets[index]);
        done++;
    }
    printf("{\"stalled\":%u,\"port\":%d}\n", done, port);
}

/* Each question comes on a connection of its own, as a load balancer's does. */
static void do_leave(void) {
    double seconds = number("seconds", 3);
    struct http *probe = &https[MAX_HTTP - 1];
    http_begin();
    unsigned left = 0, index = 0;
    double began = now(), last = 0, closed = 0, answered_at = 0;
    long seen = 0;
    while (now() < began + seconds || probe->busy) {
        if (http_answered != seen) {
            seen = http_answered;
            answered_at = now();
            http_close(probe);
        }
        if (!probe->busy && now() >= answered_at + PROBE_PAUSE && now() < began + seconds)
            http_get(probe, "/health/live");
        for (unsigned slice = 0; index < websocket_count && slice < LEAVE_SLICE; index++) {
            if (websockets[index]->state == WS_GONE) continue;
            websocket_close(websockets[index]);
            left++;
            slice++;
        }
        if (index == websocket_count && !closed) closed = now() - began;
        last = now();
        if (last > began + seconds + patience_seconds) break;
        loop_turn(closed ? last + 0.002 : last);
    }
    http_give_up();
    http_close(probe);
    printf("{\"left\":%u,\"seconds\":%.6f,\"probes\":%ld,\"errors\":%ld,\"health_p50_ms\":%.3f,"
           "\"health_max_ms\":%.3f}\n",
           left, closed, http_answered, http_errors, samples_share(&http_seconds, 0.5) * 1000,
           samples_share(&http_seconds, 1) * 1000);
}

static const struct {
    const char *name;
    void (*run)(void);
} commands[] = {
    {"connect", do_connect}, {"fanout", do_fanout}, {"rate", do_rate},
    {"publish", do_publish}, {"stall", do_stall},   {"leave", do_leave}, {"collect", do_collect},
    {"spread", do_spread},
};

static void run(void) {
    for (size_t index = 0; index < sizeof commands / sizeof *commands; index++) {
        if (strcmp(line, commands[index].name)) continue;
        patience_seconds = number("patience", PATIENCE);
        commands[index].run();
        fflush(stdout);
        return;
    }
    fprintf(stderr, "no such command: %s\n", line);
    exit(2);
}

static bool whole;

/* Commands are short and come one at a time: whole lines, split into words in place. */
static void command_ready(struct source *source, uint32_t events) {
    (void)events;
    static size_t length;
    ssize_t got = read(source->fd, line + length, sizeof line - 2 - length);
    if (got <= 0) exit(0);
    length += (size_t)got;
    if (line[length - 1] != '\n') return;
    line[length - 1] = line[length] = '\0';
    for (char *at = line; *at; at++)
        if (*at == ' ') *at = '\0';
    length = 0;
    whole = true;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: load PORT[,PORT...] TOKEN\n");
        return 2;
    }
    for (char *port = strtok(arguments[1], ","); port; port = strtok(NULL, ",")) {
        if (server_count == MAX_SERVERS) die("too many servers");
        server_ports[server_count++] = atoi(port);
    }
    token = arguments[2];
    loop_open();
    for (unsigned index = 0; index < MAX_HTTP; index++) https[index].source.fd = -1;
    struct source commands_in = {0, command_ready};
    loop_watch(&commands_in, EPOLLIN);
    for (;;) {
        loop_turn(now() + 60);
        if (whole) run(); /* not from within a turn: it makes turns of its own */
        whole = false;
    }
}
