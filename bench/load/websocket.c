/* One Socket.IO client: handshake, login, rooms, pings, and the counting of what it gets. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, RECEIVE = 1 << 18 };

struct websocket *websockets[MAX_SOCKETS];
unsigned websocket_count, ready_count, pending_count, failed_count;

static void gone(struct websocket *ws, bool failed) {
    if (ws->state == WS_GONE) return;
    if (ws->state != WS_READY) pending_count--;
    else if (!ws->stalled) ready_count--;
    failed_count += failed && !ws->stalled; /* to lose that one is what a server should do */
    ws->state = WS_GONE;
    close(ws->source.fd);
    ws->source.fd = -1;
}

/* Client frames are masked. The key is all zeros, which the protocol allows: what is measured is
 * the server, which has to unmask all the same. All are short, so that the kernel takes them whole. */
static void send_frame(struct websocket *ws, unsigned char opcode, const char *text, size_t length) {
    unsigned char frame[4096] = {0x80 | opcode};
    size_t head = 2;
    if (length < 126) {
        frame[1] = (unsigned char)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (unsigned char)(length >> 8);
        frame[3] = (unsigned char)length;
        head = 4;
    }
    head += 4;
    if (head + length > sizeof frame) die("a frame of the client is too long");
    memcpy(frame + head, text, length);
    if (send(ws->source.fd, frame, head + length, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        gone(ws, true);
}

static void send_text(struct websocket *ws, const char *text) {
    send_frame(ws, OPCODE_TEXT, text, strlen(text));
}

static void join_next(struct websocket *ws) {
    if (ws->joins < 2 && ws->rooms[ws->joins]) {
        char text[256];
        snprintf(text, sizeof text, "42%u[\"join\",{\"room\":\"%s\"}]", ws->joins,
                 ws->rooms[ws->joins]);
        ws->state = WS_JOINING;
        send_text(ws, text);
    } else {
        ws->state = WS_READY;
        pending_count--;
        ready_count++;
    }
}

static void open_packet(struct websocket *ws) {
    char text[3072];
    snprintf(text, sizeof text, "40{\"token\":\"%s\"}", token);
    ws->state = WS_LOGGING_IN;
    send_text(ws, text);
}

static void packet(struct websocket *ws) {
    const char *text = ws->text;
    if (!strncmp(text, "42", 2)) {
        measure_text(ws);
    } else if (!strcmp(text, "2")) {
        send_text(ws, "3");
    } else if (ws->state == WS_OPENING && text[0] == '0') {
        open_packet(ws);
    } else if (ws->state == WS_LOGGING_IN && !strncmp(text, "40", 2)) {
        join_next(ws);
    } else if (ws->state == WS_JOINING && !strncmp(text, "43", 2) && strstr(text, "\"ok\":true")) {
        ws->joins++;
        join_next(ws);
    } else if (strcmp(text, "6")) {
        fprintf(stderr, "a socket was told: %s\n", text);
        gone(ws, true);
    }
}

static void frame_done(struct websocket *ws) {
    ws->text[ws->text_length] = '\0';
    if (ws->masked)
        for (unsigned at = 0; at < ws->text_length; at++) ws->text[at] ^= ws->mask[at % 4];
    unsigned char opcode = ws->opcode;
    ws->head_length = 0;
    if (opcode == OPCODE_TEXT) packet(ws);
    else if (opcode == OPCODE_PING) send_frame(ws, 10, ws->text, ws->text_length);
    else if (opcode == OPCODE_CLOSE) {
        if (ws->text_length >= 2)
            fprintf(stderr, "a socket was closed: %d %s\n",
                    (unsigned char)ws->text[0] << 8 | (unsigned char)ws->text[1], ws->text + 2);
        gone(ws, true);
    }
}

/* How long the header is that begins with these bytes, as far as they tell. */
static unsigned head_needed(const struct websocket *ws) {
    if (ws->head_length < 2) return 2;
    unsigned length = ws->head[1] & 0x7f;
    return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + (ws->head[1] & 0x80 ? 4 : 0);
}

static void head_done(struct websocket *ws) {
    unsigned length = ws->head[1] & 0x7f, bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    ws->opcode = ws->head[0] & 0x0f;
    ws->masked = ws->head[1] & 0x80;
    ws->payload = bytes ? 0 : length;
    for (unsigned at = 0; at < bytes; at++) ws->payload = ws->payload << 8 | ws->head[2 + at];
    memcpy(ws->mask, ws->head + 2 + bytes, sizeof ws->mask);
    ws->at = 0;
    ws->text_length = 0;
    if (!(ws->head[0] & 0x80) || !ws->opcode) {
        fprintf(stderr, "a server sent a fragmented message, which this client does not count\n");
        gone(ws, true);
    }
}

/* Frames come in pieces of any size; of their payload only the beginning is kept. */
static void take(struct websocket *ws, const unsigned char *data, size_t length) {
    while (ws->state != WS_GONE) {
        unsigned needed = head_needed(ws);
        if (ws->head_length < needed) {
            if (!length) return;
            ws->head[ws->head_length++] = *data++;
            length--;
            if (ws->head_length >= 2 && ws->head_length == head_needed(ws)) head_done(ws);
            else continue;
        }
        size_t part = ws->payload - ws->at < length ? ws->payload - ws->at : length;
        size_t kept = TEXT_KEPT - ws->text_length < part ? TEXT_KEPT - ws->text_length : part;
        memcpy(ws->text + ws->text_length, data, kept);
        ws->text_length += (unsigned)kept;
        ws->at += part;
        data += part;
        length -= part;
        if (ws->at < ws->payload) return;
        if (ws->state != WS_GONE) frame_done(ws);
    }
}

/* The answer to the handshake, a byte at a time until its empty line: it comes once. */
static size_t upgrade(struct websocket *ws, const unsigned char *data, size_t length) {
    size_t at = 0;
    while (at < length) {
        char byte = (char)data[at++];
        if (ws->text_length < TEXT_KEPT) ws->text[ws->text_length++] = byte;
        ws->at = byte == "\r\n\r\n"[ws->at] ? ws->at + 1 : byte == '\r';
        if (ws->at < 4) continue;
        ws->text[ws->text_length] = '\0';
        if (strncmp(ws->text, "HTTP/1.1 101", 12)) {
            fprintf(stderr, "a handshake was answered: %.40s\n", ws->text);
            gone(ws, true);
            return length;
        }
        ws->state = WS_OPENING;
        break;
    }
    return at;
}

/* Edge-triggered: what is left in the kernel is not announced again, so it is read until it is
 * less than fits, which spares most sockets a second look. */
static void ready(struct source *source, uint32_t events) {
    static unsigned char buffer[RECEIVE];
    struct websocket *ws = (struct websocket *)source;
    if (ws->stalled) { /* only an error or a hang-up comes here */
        gone(ws, true);
        return;
    }
    ssize_t length = sizeof buffer;
    while (length == sizeof buffer && ws->state != WS_GONE) {
        length = recv(source->fd, buffer, sizeof buffer, 0);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (length <= 0) {
            gone(ws, true);
            return;
        }
        size_t used = ws->state == WS_UPGRADING ? upgrade(ws, buffer, (size_t)length) : 0;
        if (ws->state > WS_UPGRADING) take(ws, buffer + used, (size_t)length - used);
    }
    /* The end may have come together with the last data, and is not announced again either. */
    if (ws->state != WS_GONE && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) gone(ws, true);
}

void websocket_open(const char *room, const char *second_room) {
    struct websocket *ws = calloc(1, sizeof *ws);
    if (!ws || websocket_count == MAX_SOCKETS) die("no place for a socket");
    ws->server = websocket_count % server_count;
    ws->source = (struct source){loop_connect(websocket_count, true, ws->server), ready};
    ws->rooms[0] = room;
    ws->rooms[1] = second_room;
    websockets[websocket_count++] = ws;
    if (ws->source.fd < 0) {
        ws->state = WS_GONE;
        failed_count++;
        return;
    }
    pending_count++;
    loop_watch(&ws->source, EPOLLIN | EPOLLRDHUP | EPOLLET);
    char request[512];
    int length = snprintf(request, sizeof request,
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", server_ports[ws->server]);
    if (send(ws->source.fd, request, (size_t)length, MSG_NOSIGNAL) < 0) gone(ws, true);
}

void websocket_close(struct websocket *websocket) { gone(websocket, false); }

void websocket_stall(struct websocket *websocket) {
    if (websocket->state != WS_READY || websocket->stalled) return;
    websocket->stalled = true;
    ready_count--;
    loop_change(&websocket->source, 0);
}

int websocket_local_port(const struct websocket *websocket) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    getsockname(websocket->source.fd, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}
