#define _GNU_SOURCE
#include "CNetlinkRawICMP.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SNAP_LENGTH 0xffffu

static int attach_filter_v4(int descriptor, uint16_t identifier) {
    // The packet starts at the IP header, whose length (options included) goes to X.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0), // type
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4), // identifier
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, identifier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SNAP_LENGTH),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int attach_filter_v6(int descriptor, uint16_t identifier) {
    // The packet starts at the ICMPv6 header.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_ECHO_REPLY, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, identifier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SNAP_LENGTH),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int configure(int descriptor, int family, const char *link, uint16_t identifier) {
    int on = 1;
    // The filter first: what arrives before it would pass unseen.
    if ((family == 4 ? attach_filter_v4(descriptor, identifier) : attach_filter_v6(descriptor, identifier)) < 0) return -1;
    if (family == 6 && setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0) return -1;
    return setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, link, strlen(link) + 1);
}

int CNetlink_raw_icmp_open(int family, const char *link, uint16_t identifier) {
    int descriptor = socket(family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                            family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    if (descriptor < 0) return -errno;
    if (configure(descriptor, family, link, identifier) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    return -error;
}
