#ifndef CNETLINK_RAW_UDP_H
#define CNETLINK_RAW_UDP_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Raw sockets that see the STUN messages on WireGuard's own UDP port. They are C because the socket filter, the
// packet-info control messages (CMSG_* macros) and `struct in6_pktinfo` (_GNU_SOURCE) cannot be reached from Swift.
// Every function returns -errno on failure.

// Opens a non-blocking raw UDP socket of family 4 or 6 that receives only datagrams to `port` whose payload carries
// the STUN magic cookie. `mark` becomes SO_MARK of what is sent; 0: none. Returns the descriptor.
int CNetlink_raw_udp_open(int family, uint16_t port, uint32_t mark);

// Reads one packet. Family 4: the whole IP packet; `local` and `remote` stay as they are. Family 6: the UDP header and
// payload, `local` and `remote` (16 bytes each) are filled. Returns the number of bytes, -EAGAIN if there is none.
ssize_t CNetlink_raw_udp_receive(int descriptor, int family, uint8_t *buffer, size_t capacity, uint8_t *local,
                                 uint8_t *remote);

// Sends one UDP header with payload from `local` to `remote` (4 or 16 bytes each, by family). The kernel writes the IP
// header and, for family 6, the checksum. Returns the number of bytes.
ssize_t CNetlink_raw_udp_send(int descriptor, int family, const uint8_t *packet, size_t length, const uint8_t *local,
                              const uint8_t *remote);

// Binds a UDP socket to `port` on every address and closes it again. Returns 0 if the port is free, -EADDRINUSE if not.
int CNetlink_udp_port_probe(uint16_t port);

// SO_PEERCRED's `struct ucred`, which Glibc declares only with _GNU_SOURCE.
struct CNetlink_credentials {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};
#endif
