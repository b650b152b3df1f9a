#define _GNU_SOURCE
#include "CDatagram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Room for one IP_PKTINFO or IPV6_PKTINFO.
#define CONTROL_BYTES CMSG_SPACE(sizeof(struct in6_pktinfo))

struct CDatagramBatch {
    struct mmsghdr received[CDATAGRAM_SLOTS];
    struct mmsghdr answers[CDATAGRAM_SLOTS];
    struct iovec parts[CDATAGRAM_SLOTS];
    struct sockaddr_storage peers[CDATAGRAM_SLOTS];
    union {
        struct cmsghdr alignment;
        char bytes[CONTROL_BYTES];
    } controls[CDATAGRAM_SLOTS];
    uint8_t bytes[CDATAGRAM_SLOTS][CDATAGRAM_BYTES];
};

struct CDatagramBatch *CDatagram_make(void) { return calloc(1, sizeof(struct CDatagramBatch)); }

void CDatagram_free(struct CDatagramBatch *batch) { free(batch); }

static int set(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value);
}

static int configure(int descriptor, const uint8_t *address, unsigned addressBytes, uint16_t port, int bufferBytes) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    // A smaller buffer than wished for is no failure.
    set(descriptor, SOL_SOCKET, SO_RCVBUF, bufferBytes);
    if (addressBytes == 4) {
        memcpy(&v4.sin_addr, address, 4);
        if (set(descriptor, IPPROTO_IP, IP_PKTINFO, 1) != 0) return -1;
        return bind(descriptor, (struct sockaddr *)&v4, sizeof v4);
    }
    memcpy(&v6.sin6_addr, address, 16);
    if (set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0) return -1;
    if (set(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) != 0) return -1;
    return bind(descriptor, (struct sockaddr *)&v6, sizeof v6);
}

int CDatagram_open(const uint8_t *address, unsigned addressBytes, uint16_t port, int receiveBufferBytes) {
    int family = addressBytes == 4 ? AF_INET : AF_INET6;
    int descriptor = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    if (configure(descriptor, address, addressBytes, port, receiveBufferBytes) != 0) {
        int failure = errno;
        close(descriptor);
        return -failure;
    }
    return descriptor;
}

int CDatagram_port(int descriptor) {
    struct sockaddr_in6 address; // the port lies where that of sockaddr_in does
    socklen_t length = sizeof address;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) return -errno;
    return ntohs(address.sin6_port);
}

int CDatagram_receive(struct CDatagramBatch *batch, int descriptor) {
    for (int slot = 0; slot < CDATAGRAM_SLOTS; slot++) {
        batch->parts[slot] = (struct iovec){batch->bytes[slot], CDATAGRAM_BYTES};
        batch->received[slot].msg_hdr = (struct msghdr){
            .msg_name = &batch->peers[slot],
            .msg_namelen = sizeof batch->peers[slot],
            .msg_iov = &batch->parts[slot],
            .msg_iovlen = 1,
            .msg_control = batch->controls[slot].bytes,
            .msg_controllen = CONTROL_BYTES,
        };
    }
    int count = recvmmsg(descriptor, batch->received, CDATAGRAM_SLOTS, MSG_DONTWAIT, NULL);
    return count < 0 ? -errno : count;
}

// What tells the kernel to answer from the address that was asked. The interface is left to the routing table, except for
// link-local addresses, which mean nothing without one.
static void setSource(struct msghdr *message) {
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (control == NULL) {
        message->msg_control = NULL;
        message->msg_controllen = 0;
    } else if (control->cmsg_level == IPPROTO_IP) {
        ((struct in_pktinfo *)CMSG_DATA(control))->ipi_ifindex = 0;
    } else {
        struct in6_pktinfo *info = (struct in6_pktinfo *)CMSG_DATA(control);
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) info->ipi6_ifindex = 0;
    }
}

int CDatagram_answer(struct CDatagramBatch *batch, int descriptor, int count) {
    unsigned answers = 0;
    for (int slot = 0; slot < count; slot++) {
        if (batch->received[slot].msg_len == 0) continue;
        batch->answers[answers] = batch->received[slot];
        batch->parts[slot].iov_len = batch->received[slot].msg_len;
        setSource(&batch->answers[answers].msg_hdr);
        answers++;
    }
    unsigned done = 0;
    int sent = 0;
    while (done < answers) {
        int now = sendmmsg(descriptor, batch->answers + done, answers - done, MSG_DONTWAIT);
        if (now > 0) {
            sent += now;
            done += now;
        } else if (errno != EINTR) {
            if (errno == EAGAIN) break;
            done++; // one that cannot be sent, such as to a network that is gone, holds up nobody
        }
    }
    return sent;
}

uint8_t *CDatagram_bytes(struct CDatagramBatch *batch, int slot) { return batch->bytes[slot]; }

unsigned CDatagram_length(const struct CDatagramBatch *batch, int slot) { return batch->received[slot].msg_len; }

void CDatagram_setLength(struct CDatagramBatch *batch, int slot, unsigned length) {
    batch->received[slot].msg_len = length;
}

unsigned CDatagram_peer(const struct CDatagramBatch *batch, int slot, uint8_t *address, uint16_t *port) {
    const struct sockaddr_storage *peer = &batch->peers[slot];
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        memcpy(address, &v4->sin_addr, 4);
        *port = ntohs(v4->sin_port);
        return 4;
    }
    if (peer->ss_family != AF_INET6) return 0;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
    *port = ntohs(v6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(address, v6->sin6_addr.s6_addr + 12, 4);
        return 4;
    }
    memcpy(address, &v6->sin6_addr, 16);
    return 16;
}
