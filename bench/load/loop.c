/* The epoll loop and the making of connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

enum { EVENTS = 1024, SOCKETS_AN_ADDRESS = 4000, LONGEST = 60 };

int server_ports[MAX_SERVERS];
unsigned server_count;
const char *token;
static int epoll = -1;

void die(const char *why) {
    perror(why);
    exit(2);
}

void loop_open(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
}

static void control(int operation, struct source *source, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(epoll, operation, source->fd, &event) < 0) die("epoll_ctl");
}

void loop_watch(struct source *source, uint32_t events) { control(EPOLL_CTL_ADD, source, events); }
void loop_change(struct source *source, uint32_t events) { control(EPOLL_CTL_MOD, source, events); }

int loop_turn(double until) {
    static struct epoll_event events[EVENTS];
    double wait = until - now();
    if (wait < 0) wait = 0;
    if (wait > LONGEST) wait = LONGEST;
    /* To the nanosecond: a client that asks again and again until a post is due takes a core. */
    struct timespec most = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (time_t)wait) * 1e9)};
    int count = epoll_pwait2(epoll, events, EVENTS, &most, NULL);
    if (count < 0 && errno != EINTR) die("epoll_pwait2 (it needs Linux 5.11)");
    for (int at = 0; at < count; at++) {
        struct source *source = events[at].data.ptr;
        if (source->fd >= 0) source->ready(source, events[at].events);
    }
    return count;
}

/* Connect to a server. It waits, as on loopback the kernel takes the connection at once as long
 * as the backlog has room, and the callers keep few on the way. With an address of its own a group
 * of sockets does not run out of ports when thousands of others have only just been closed. */
int loop_connect(unsigned index, bool own_address, unsigned server) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (own_address) {
        uint32_t last = 2 + index / SOCKETS_AN_ADDRESS;
        struct sockaddr_in from = {.sin_family = AF_INET};
        from.sin_addr.s_addr = htonl(0x7f000000 | last);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) die("bind");
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_ports[server])};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}
