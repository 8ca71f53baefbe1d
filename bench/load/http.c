/* Keep-alive HTTP connections, one request at a time on each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { RECEIVE = 1 << 16, HEAD = 4096 };

struct http https[MAX_HTTP];
struct samples http_seconds;
long http_answered, http_errors;
int http_refusal;
const char *http_headers = "";
static bool opened[MAX_HTTP];

void http_close(struct http *http) {
    unsigned index = (unsigned)(http - https);
    if (opened[index]) close(http->source.fd);
    opened[index] = false;
    http->source.fd = -1;
    http->busy = false;
}

void http_begin(void) {
    samples_clear(&http_seconds);
    http_answered = http_errors = 0;
    http_refusal = 0;
}

static void failed(struct http *http) {
    if (http->busy) http_errors++;
    http_close(http);
}

static void answered(struct http *http) {
    http->busy = false;
    http_answered++;
    samples_add(&http_seconds, now() - http->begun);
}

static void push(struct http *http) {
    while (http->out_sent < http->out_length) {
        ssize_t sent = send(http->source.fd, http->out + http->out_sent,
                            http->out_length - http->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            loop_change(&http->source, EPOLLIN | EPOLLOUT);
            return;
        }
        if (sent < 0) {
            failed(http);
            return;
        }
        http->out_sent += (size_t)sent;
    }
}

/* Read the head of an answer; true when it was whole and good. The servers all say how long their
 * body is. */
static bool head(struct http *http, char *end) {
    *end = '\0';
    int status = 0;
    char *length = strcasestr(http->in, "\r\nContent-Length:");
    if (sscanf(http->in, "HTTP/1.1 %d", &status) != 1 || !length || status / 100 != 2) {
        if (!http_errors) fprintf(stderr, "a request was answered: %.60s\n", http->in);
        http_refusal = status;
        failed(http);
        return false;
    }
    http->body_left = strtoul(length + 17, NULL, 10);
    http->in_body = true;
    return true;
}

static void take(struct http *http, const char *data, size_t length) {
    if (!http->in_body) {
        size_t before = http->in_length, fits = sizeof http->in - 1 - before;
        size_t part = length < fits ? length : fits;
        memcpy(http->in + before, data, part);
        http->in_length += part;
        char *end = memmem(http->in, http->in_length, "\r\n\r\n", 4);
        if (!end && part < length) failed(http);
        if (!end) return;
        size_t used = (size_t)(end + 4 - http->in) - before;
        if (!head(http, end)) return;
        data += used;
        length -= used;
    }
    http->body_left -= length < http->body_left ? length : http->body_left;
    if (!http->body_left) answered(http);
}

static void ready(struct source *source, uint32_t events) {
    static char buffer[RECEIVE];
    struct http *http = (struct http *)source;
    if (events & EPOLLOUT) {
        loop_change(source, EPOLLIN);
        push(http);
        if (!(events & EPOLLIN) || source->fd < 0) return;
    }
    ssize_t length = recv(source->fd, buffer, sizeof buffer, 0);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0 || !http->busy) failed(http);
    else take(http, buffer, (size_t)length);
}

static void request(struct http *http, const char *what, const char *path, const char *body,
                    size_t length) {
    unsigned index = (unsigned)(http - https);
    http->begun = now();
    if (!opened[index]) {
        http->source = (struct source){loop_connect(0, false, http->server), ready};
        if (http->source.fd < 0) {
            http_errors++;
            return;
        }
        opened[index] = true;
        loop_watch(&http->source, EPOLLIN);
    }
    if (http->out_room < length + HEAD) {
        http->out_room = length + HEAD;
        http->out = realloc(http->out, http->out_room);
        if (!http->out) die("no memory for a request");
    }
    int before = snprintf(http->out, HEAD,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
        what, path, server_ports[http->server], token, http_headers, length);
    memcpy(http->out + before, body, length);
    http->out_length = (size_t)before + length;
    http->out_sent = http->in_length = 0;
    http->in_body = false;
    http->busy = true;
    push(http);
}

void http_post(struct http *http, const char *path, const char *body, size_t length) {
    request(http, "POST", path, body, length);
}

void http_get(struct http *http, const char *path) { request(http, "GET", path, "", 0); }

struct http *http_idle(unsigned among) {
    for (unsigned index = 0; index < among; index++)
        if (!https[index].busy) return &https[index];
    return NULL;
}

bool http_any_busy(void) {
    for (unsigned index = 0; index < MAX_HTTP; index++)
        if (https[index].busy) return true;
    return false;
}

void http_give_up(void) {
    for (unsigned index = 0; index < MAX_HTTP; index++)
        if (https[index].busy) failed(&https[index]);
}
