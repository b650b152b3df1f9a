/* stun-load PORT SECONDS: asks the STUN server at 127.0.0.1 as fast as it answers; prints answers per second.
 *
 * 2,048 hosts of 127.1.0.0/16, each with one Binding request under way: servers bound what one source gets. Every answer is
 * checked for its transaction and the mapped address; a wrong one ends the run. Requests that stay unanswered are sent
 * again after 100 ms of silence. Batches of 64, so that the asking costs less than the answering. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HOSTS 2048
#define BATCH 64
#define REQUEST_BYTES 20
#define ANSWER_BYTES 256
#define CONTROL_WORDS 4
_Static_assert(CONTROL_WORDS * 8 >= CMSG_SPACE(sizeof(struct in_pktinfo)), "room for one IP_PKTINFO");

static const uint32_t cookie = 0x2112a442;
static uint32_t turn[HOSTS]; /* requests sent so far: the end of the transaction's number */
static int descriptor;
static uint16_t ownPort;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "stun-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

struct slot {
    struct iovec part;
    uint64_t control[CONTROL_WORDS]; /* aligned as struct cmsghdr */
    uint8_t bytes[ANSWER_BYTES];
};
static struct slot received[BATCH], sent[BATCH];
static struct mmsghdr incoming[BATCH], outgoing[BATCH];
static unsigned queued;

static void flush(void) {
    unsigned done = 0;
    while (done < queued) {
        int count = sendmmsg(descriptor, outgoing + done, queued - done, 0);
        if (count < 0 && errno != EINTR) fail("sendmmsg");
        if (count > 0) done += (unsigned)count;
    }
    queued = 0;
}

static void ask(uint32_t host, const struct sockaddr_in *server) {
    struct slot *slot = &sent[queued];
    turn[host]++;
    uint32_t words[REQUEST_BYTES / 4] = {htonl(0x00010000), htonl(cookie), htonl(0x77676d65), htonl(host),
                                         htonl(turn[host])};
    memcpy(slot->bytes, words, REQUEST_BYTES);
    slot->part = (struct iovec){slot->bytes, REQUEST_BYTES};
    outgoing[queued].msg_hdr = (struct msghdr){.msg_name = (void *)server,
                                               .msg_namelen = sizeof *server,
                                               .msg_iov = &slot->part,
                                               .msg_iovlen = 1,
                                               .msg_control = slot->control,
                                               .msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo))};
    struct cmsghdr *control = CMSG_FIRSTHDR(&outgoing[queued].msg_hdr);
    control->cmsg_level = IPPROTO_IP;
    control->cmsg_type = IP_PKTINFO;
    control->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x7f010000 + host)};
    memcpy(CMSG_DATA(control), &info, sizeof info);
    if (++queued == BATCH) flush();
}

/* The host that an answer is for; -1: an answer to an earlier request. */
static int check(const uint8_t *bytes, size_t count) {
    uint32_t words[REQUEST_BYTES / 4];
    if (count < REQUEST_BYTES) goto wrong;
    memcpy(words, bytes, REQUEST_BYTES);
    uint32_t host = ntohl(words[3]);
    if (ntohl(words[0]) >> 16 != 0x0101 || ntohl(words[1]) != cookie || host >= HOSTS) goto wrong;
    if (ntohl(words[4]) != turn[host]) return -1;
    for (size_t at = REQUEST_BYTES; at + 12 <= count;) {
        size_t type = (size_t)bytes[at] << 8 | bytes[at + 1], length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (type == 0x0020 && length == 8) {
            uint32_t address;
            memcpy(&address, bytes + at + 8, 4);
            uint16_t port = (uint16_t)(bytes[at + 6] << 8 | bytes[at + 7]);
            if ((ntohl(address) ^ cookie) != 0x7f010000 + host || (port ^ (cookie >> 16)) != ownPort) goto wrong;
            return (int)host;
        }
        at += 4 + (length + 3) / 4 * 4;
    }
wrong:
    errno = EPROTO;
    fail("a wrong answer");
    return -1;
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: stun-load PORT SECONDS\n");
        return 2;
    }
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)atoi(words[1])),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t length = sizeof own;
    int room = 8 << 20;
    descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&own, sizeof own) != 0
        || getsockname(descriptor, (struct sockaddr *)&own, &length) != 0)
        fail("socket");
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    ownPort = ntohs(own.sin_port);
    double begun = now(), end = begun + atof(words[2]);
    unsigned long answers = 0, again = 0;
    for (uint32_t host = 0; host < HOSTS; host++) ask(host, &server);
    flush();
    while (now() < end) {
        struct pollfd readiness = {.fd = descriptor, .events = POLLIN};
        if (poll(&readiness, 1, 100) == 0) {
            again += HOSTS;
            for (uint32_t host = 0; host < HOSTS; host++) ask(host, &server);
            flush();
            continue;
        }
        for (int slot = 0; slot < BATCH; slot++) {
            received[slot].part = (struct iovec){received[slot].bytes, ANSWER_BYTES};
            incoming[slot].msg_hdr = (struct msghdr){.msg_iov = &received[slot].part, .msg_iovlen = 1};
        }
        int got = recvmmsg(descriptor, incoming, BATCH, MSG_DONTWAIT, NULL);
        if (got < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED) fail("recvmmsg");
        for (int slot = 0; slot < got; slot++) {
            int host = check(received[slot].bytes, incoming[slot].msg_len);
            if (host < 0) continue;
            answers++;
            ask((uint32_t)host, &server);
        }
        flush();
    }
    fprintf(stderr, "stun-load: %lu answers, %lu asked again\n", answers, again);
    printf("%.0f\n", (double)answers / (now() - begun));
    return answers == 0;
}
