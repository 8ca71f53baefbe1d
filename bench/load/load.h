/* The load client: raw Engine.IO/Socket.IO WebSockets and keep-alive HTTP in one epoll loop.
 *
 * It reads one command a line on stdin and prints one JSON object a line on stdout; between
 * commands it goes on answering the servers' pings. main.c has the list of commands.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_SOCKETS = 20000, MAX_HTTP = 64, MAX_SERVERS = 8, TEXT_KEPT = 192 };

/* What an epoll event points to; the first member of whatever has a descriptor. */
struct source {
    int fd;
    void (*ready)(struct source *source, uint32_t events);
};

/* clock.c: time and the statistics made of it */
double now(void);
double cpu_seconds(void);

struct samples {
    double *values;
    size_t count, room;
    bool sorted;
};
void samples_clear(struct samples *samples);
void samples_add(struct samples *samples, double value);
double samples_share(struct samples *samples, double share); /* 0.99: the 99th percentile */

/* loop.c */
extern int server_ports[MAX_SERVERS]; /* the first alone, but for what spread.c does */
extern unsigned server_count;
extern const char *token;
void loop_open(void);
void loop_watch(struct source *source, uint32_t events);
void loop_change(struct source *source, uint32_t events);
int loop_turn(double until); /* one turn, at the longest until then; how many events */
int loop_connect(unsigned index, bool own_address, unsigned server);
void die(const char *why);

/* websocket.c */
struct websocket {
    struct source source;
    unsigned server;
    enum { WS_UPGRADING, WS_OPENING, WS_LOGGING_IN, WS_JOINING, WS_READY, WS_GONE } state;
    bool stalled;
    unsigned joins;               /* rooms joined so far */
    const char *rooms[2];
    unsigned char head[14];       /* the header of the frame that is being read */
    unsigned head_length;
    unsigned char mask[4];
    bool masked;
    unsigned char opcode;
    uint64_t payload, at;         /* its length, and how much of it has come */
    char text[TEXT_KEPT + 1];     /* its beginning */
    unsigned text_length;
    long received;                /* marked events since the measurement began */
    uint64_t sum;                 /* of their numbers, each made a hash */
    struct tally *tally;          /* spread.c: which of them, one by one */
};
extern struct websocket *websockets[MAX_SOCKETS];
extern unsigned websocket_count;  /* ever opened */
extern unsigned ready_count;      /* joined, and neither stalled nor gone */
extern unsigned pending_count;    /* on their way to that */
extern unsigned failed_count;     /* refused or lost, before or after; no stalled one */
void websocket_open(const char *room, const char *second_room);
void websocket_close(struct websocket *websocket);
void websocket_stall(struct websocket *websocket);
int websocket_local_port(const struct websocket *websocket);

/* http.c */
struct http {
    struct source source;
    unsigned server;
    char *out;                    /* the request */
    size_t out_length, out_sent, out_room;
    char in[4096];                /* the head of the answer */
    size_t in_length;
    bool busy, in_body;
    size_t body_left;
    double begun;
};
extern struct http https[MAX_HTTP];
extern struct samples http_seconds; /* from request to answer */
extern long http_answered, http_errors;
extern int http_refusal;          /* the status of the last error; 0: there was no answer */
extern const char *http_headers;  /* sent beside those that every request has */
void http_begin(void);            /* count anew */
struct http *http_idle(unsigned among);
void http_post(struct http *http, const char *path, const char *body, size_t length);
void http_get(struct http *http, const char *path);
void http_close(struct http *http);
bool http_any_busy(void);
void http_give_up(void);          /* what has no answer yet is an error */

/* options.c: the words of the command that is being done, and the bodies made of them */
enum { MAX_LINE = 1024, MAX_BODY = 1 << 20 };
extern char line[MAX_LINE];
extern char body[MAX_BODY];
extern double patience_seconds;
const char *option(const char *name, const char *otherwise);
double number(const char *name, double otherwise);

/* main.c */
void post_event(struct http *http, const char *name, const char *room, long sequence, size_t size);
void await_deliveries(void);
void let_some_come(int came); /* after a turn that brought so few */

/* spread.c: events to several servers in turn, and each delivery of each */
void do_spread(void);
extern void (*spread_delivered)(struct websocket *websocket, long index);

/* collect.c: hits, each with a number of its own */
void do_collect(void);

/* measure.c: events with a sequence number, and the deliveries that they should make */
struct measure {
    long base, posts;             /* sequence numbers base .. base + posts - 1 were sent */
    uint64_t sum;                 /* of these, each made a hash */
    long deliveries, side;
    unsigned failed_before;       /* what was said already of failed_count */
    double last;                  /* when the last delivery came */
    double *sent;                 /* by sequence number less base */
    size_t room;
    bool keep_latency;
    struct samples latency;
};
extern struct measure measure;
void measure_begin(bool keep_latency);
long measure_sent(double at);     /* take note of one more post; its sequence number */
void measure_text(struct websocket *websocket);
void measure_missing(long *missing, long *extra);

#endif
