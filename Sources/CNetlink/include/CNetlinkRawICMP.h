#ifndef CNETLINK_RAW_ICMP_H
#define CNETLINK_RAW_ICMP_H
#include <stdint.h>

// A raw socket for ICMP echoes through one link. In C because the socket filter and SO_BINDTODEVICE's struct cannot be
// reached from Swift. CNetlink_raw_udp_send and CNetlink_raw_udp_receive send and read its messages: a raw socket takes its
// protocol from where it was opened.

// Opens a non-blocking raw ICMP (family 4) or ICMPv6 (family 6) socket that uses only the link called `link`, and receives
// only echo replies that carry `identifier`. Returns the descriptor or -errno; -ENODEV: there is no such link.
int CNetlink_raw_icmp_open(int family, const char *link, uint16_t identifier);
#endif
