#define _GNU_SOURCE
#include "CNetlinkLoopbackUDP.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union packet_info {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

static int bind_loopback(int descriptor, uint16_t port) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    return bind(descriptor, (struct sockaddr *)&any, sizeof(any));
}

static void enlarge(int descriptor, int forced, int plain, int bytes) {
    // Beyond net.core.[rw]mem_max with CAP_NET_ADMIN, else as much as there is.
    if (setsockopt(descriptor, SOL_SOCKET, forced, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(descriptor, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

int CNetlink_loopback_udp_open(uint16_t *port, int buffer_bytes) {
    static const char device[] = "lo";
    int on = 1;
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (descriptor < 0) return -errno;
    int failed = setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device, sizeof(device));
    if (!failed) failed = setsockopt(descriptor, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    if (!failed) {
        failed = bind_loopback(descriptor, *port);
        if (failed && errno == EADDRINUSE && *port != 0) failed = bind_loopback(descriptor, 0);
    }
    struct sockaddr_in bound;
    socklen_t length = sizeof(bound);
    if (!failed) failed = getsockname(descriptor, (struct sockaddr *)&bound, &length);
    if (failed) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    enlarge(descriptor, SO_RCVBUFFORCE, SO_RCVBUF, buffer_bytes);
    enlarge(descriptor, SO_SNDBUFFORCE, SO_SNDBUF, buffer_bytes);
    *port = ntohs(bound.sin_port);
    return descriptor;
}

static uint32_t destination(struct msghdr *message) {
    for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
        if (item->cmsg_level != IPPROTO_IP || item->cmsg_type != IP_PKTINFO) continue;
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(item), sizeof(info));
        return ntohl(info.ipi_addr.s_addr);
    }
    return 0;
}

int CNetlink_loopback_udp_receive(int descriptor, uint8_t *buffer, uint32_t slot_bytes,
                                  struct CNetlink_loopback_datagram *datagrams, int count) {
    struct mmsghdr messages[CNETLINK_LOOPBACK_BATCH];
    struct iovec vectors[CNETLINK_LOOPBACK_BATCH];
    struct sockaddr_in sources[CNETLINK_LOOPBACK_BATCH];
    union packet_info control[CNETLINK_LOOPBACK_BATCH];
    if (count > CNETLINK_LOOPBACK_BATCH) count = CNETLINK_LOOPBACK_BATCH;
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){.iov_base = buffer + (size_t)i * slot_bytes, .iov_len = slot_bytes};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &sources[i],
            .msg_namelen = sizeof(sources[i]),
            .msg_iov = &vectors[i],
            .msg_iovlen = 1,
            .msg_control = control[i].bytes,
            .msg_controllen = sizeof(control[i].bytes),
        };
    }
    int received = recvmmsg(descriptor, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    if (received < 0) return -errno;
    for (int i = 0; i < received; i++) {
        int cut = messages[i].msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
        datagrams[i] = (struct CNetlink_loopback_datagram){
            .offset = (uint32_t)i * slot_bytes,
            .length = cut ? 0 : messages[i].msg_len,
            .local = destination(&messages[i].msg_hdr),
            .remote = ntohl(sources[i].sin_addr.s_addr),
            .remote_port = ntohs(sources[i].sin_port),
        };
    }
    return received;
}

int CNetlink_loopback_udp_send(int descriptor, const uint8_t *buffer, const struct CNetlink_loopback_datagram *datagrams,
                               int count) {
    struct mmsghdr messages[CNETLINK_LOOPBACK_BATCH];
    struct iovec vectors[CNETLINK_LOOPBACK_BATCH];
    struct sockaddr_in targets[CNETLINK_LOOPBACK_BATCH];
    union packet_info control[CNETLINK_LOOPBACK_BATCH];
    if (count > CNETLINK_LOOPBACK_BATCH) count = CNETLINK_LOOPBACK_BATCH;
    memset(control, 0, sizeof(control[0]) * (size_t)count);
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){
            .iov_base = (void *)(buffer + datagrams[i].offset),
            .iov_len = datagrams[i].length,
        };
        targets[i] = (struct sockaddr_in){
            .sin_family = AF_INET,
            .sin_port = htons(datagrams[i].remote_port),
            .sin_addr.s_addr = htonl(datagrams[i].remote),
        };
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &targets[i],
            .msg_namelen = sizeof(targets[i]),
            .msg_iov = &vectors[i],
            .msg_iovlen = 1,
            .msg_control = control[i].bytes,
            .msg_controllen = sizeof(control[i].bytes),
        };
        struct cmsghdr *item = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        item->cmsg_level = IPPROTO_IP;
        item->cmsg_type = IP_PKTINFO;
        item->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(datagrams[i].local)};
        memcpy(CMSG_DATA(item), &info, sizeof(info));
    }
    int sent = sendmmsg(descriptor, messages, (unsigned)count, MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}
