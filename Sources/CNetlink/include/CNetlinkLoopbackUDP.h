#ifndef CNETLINK_LOOPBACK_UDP_H
#define CNETLINK_LOOPBACK_UDP_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// One UDP socket that stands for many peers: each has an IPv4 address of its own in 127/8. They are C because
// recvmmsg(2), sendmmsg(2) and the packet-info control messages cannot be reached from Swift.
// Every function returns -errno on failure.

// The most datagrams of one call.
#define CNETLINK_LOOPBACK_BATCH 64

// Opens a non-blocking socket that receives on every address of the loopback device, and on no other device. `*port` is
// the wanted port, 0: any; becomes the one that was bound. Buffers of `buffer_bytes` are asked for. Returns the descriptor.
int CNetlink_loopback_udp_open(uint16_t *port, int buffer_bytes);

// One datagram's place in the caller's buffer, and its addresses, IPv4 in host byte order.
struct CNetlink_loopback_datagram {
    uint32_t offset;
    uint32_t length;
    // The peer's address: where it was sent to, or shall come from.
    uint32_t local;
    uint32_t remote;
    uint16_t remote_port;
};

// Receives up to `count` (at most CNETLINK_LOOPBACK_BATCH) datagrams into consecutive slots of `slot_bytes` of `buffer`.
// A longer datagram is dropped and has length 0. Returns how many were received, -EAGAIN if there is none.
int CNetlink_loopback_udp_receive(int descriptor, uint8_t *buffer, uint32_t slot_bytes,
                                  struct CNetlink_loopback_datagram *datagrams, int count);

// Sends `count` (at most CNETLINK_LOOPBACK_BATCH) datagrams of `buffer`. Returns how many were sent: those behind a
// failed one, and -errno if it is the first, were not.
int CNetlink_loopback_udp_send(int descriptor, const uint8_t *buffer, const struct CNetlink_loopback_datagram *datagrams,
                               int count);
#endif
