#define _GNU_SOURCE
#include "CNetlinkRawUDP.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define STUN_MAGIC_COOKIE 0x2112A442u // RFC 8489, section 5
#define SNAP_LENGTH 0xffffu

_Static_assert(sizeof(struct CNetlink_credentials) == sizeof(struct ucred), "ucred has another layout");

static int attach_filter_v4(int descriptor, uint16_t port) {
    // The packet starts at the IP header, whose length (options included) goes to X.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2), // UDP destination port
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, 12), // STUN cookie: 8 bytes of UDP header, 4 into the message
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STUN_MAGIC_COOKIE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SNAP_LENGTH),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int attach_filter_v6(int descriptor, uint16_t port) {
    // The packet starts at the UDP header: the kernel has consumed the IPv6 header and its extensions.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STUN_MAGIC_COOKIE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SNAP_LENGTH),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int configure_v6(int descriptor) {
    int on = 1;
    int checksum_offset = 6; // of the checksum in the UDP header
    if (setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0) return -1;
    return setsockopt(descriptor, IPPROTO_IPV6, IPV6_CHECKSUM, &checksum_offset, sizeof(checksum_offset));
}

int CNetlink_raw_udp_open(int family, uint16_t port, uint32_t mark) {
    int domain = family == 4 ? AF_INET : AF_INET6;
    int descriptor = socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (descriptor < 0) return -errno;
    int failed = family == 4 ? attach_filter_v4(descriptor, port) : attach_filter_v6(descriptor, port);
    if (!failed && family == 6) failed = configure_v6(descriptor);
    if (!failed && mark != 0) failed = setsockopt(descriptor, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
    if (failed) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

ssize_t CNetlink_raw_udp_receive(int descriptor, int family, uint8_t *buffer, size_t capacity, uint8_t *local,
                                 uint8_t *remote) {
    struct sockaddr_in6 from = {0};
    struct iovec vector = {.iov_base = buffer, .iov_len = capacity};
    union {
        char bytes[256];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t length = recvmsg(descriptor, &message, MSG_DONTWAIT);
    if (length < 0) return -errno;
    if (message.msg_flags & MSG_TRUNC) return -EMSGSIZE;
    if (family == 4) return length;
    memcpy(remote, &from.sin6_addr, 16);
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level != IPPROTO_IPV6 || item->cmsg_type != IPV6_PKTINFO) continue;
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(item), sizeof(info));
        memcpy(local, &info.ipi6_addr, 16);
        return length;
    }
    return -ENOMSG; // without the destination address nobody can answer from it
}

static ssize_t send_v4(int descriptor, struct iovec *vector, const uint8_t *local, const uint8_t *remote) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    memcpy(&to.sin_addr, remote, 4);
    union {
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr message = {
        .msg_name = &to,
        .msg_namelen = sizeof(to),
        .msg_iov = vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = IPPROTO_IP;
    item->cmsg_type = IP_PKTINFO;
    item->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    struct in_pktinfo info = {0};
    memcpy(&info.ipi_spec_dst, local, 4);
    memcpy(CMSG_DATA(item), &info, sizeof(info));
    return sendmsg(descriptor, &message, MSG_DONTWAIT);
}

static ssize_t send_v6(int descriptor, struct iovec *vector, const uint8_t *local, const uint8_t *remote) {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6};
    memcpy(&to.sin6_addr, remote, 16);
    union {
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr message = {
        .msg_name = &to,
        .msg_namelen = sizeof(to),
        .msg_iov = vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = IPPROTO_IPV6;
    item->cmsg_type = IPV6_PKTINFO;
    item->cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo));
    struct in6_pktinfo info = {0};
    memcpy(&info.ipi6_addr, local, 16);
    memcpy(CMSG_DATA(item), &info, sizeof(info));
    return sendmsg(descriptor, &message, MSG_DONTWAIT);
}

ssize_t CNetlink_raw_udp_send(int descriptor, int family, const uint8_t *packet, size_t length, const uint8_t *local,
                              const uint8_t *remote) {
    struct iovec vector = {.iov_base = (void *)packet, .iov_len = length};
    ssize_t sent = family == 4 ? send_v4(descriptor, &vector, local, remote)
                               : send_v6(descriptor, &vector, local, remote);
    return sent < 0 ? -errno : sent;
}

static int probe_family(int domain, const struct sockaddr *address, socklen_t length) {
    int descriptor = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return errno == EAFNOSUPPORT ? 0 : -errno; // a kernel without IPv6 has nothing to collide with
    int on = 1;
    int failed = domain == AF_INET6 ? setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) : 0;
    if (!failed) failed = bind(descriptor, address, length);
    int error = failed ? errno : 0;
    close(descriptor);
    return -error;
}

int CNetlink_udp_port_probe(uint16_t port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int result = probe_family(AF_INET, (const struct sockaddr *)&v4, sizeof(v4));
    if (result != 0) return result;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
    result = probe_family(AF_INET6, (const struct sockaddr *)&v6, sizeof(v6));
    return result == -EADDRNOTAVAIL ? 0 : result; // IPv6 switched off by sysctl
}
