#ifndef CNETLINK_H
#define CNETLINK_H

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "CNetlinkLoopbackUDP.h"
#include "CNetlinkRawICMP.h"
#include "CNetlinkRawUDP.h"

/* Each allowed IP may carry flags since kernel 6.16; Debian 12's header is older. An older kernel rejects them. */
enum {
    CNETLINK_WGALLOWEDIP_A_FLAGS = 4,
    CNETLINK_WGALLOWEDIP_F_REMOVE_ME = 1,
};

/* linux/if.h collides with glibc's net/if.h, so the flag is given here under our own prefix. */
enum { CNETLINK_IFF_UP = 0x1, CNETLINK_IFF_LOOPBACK = 0x8 };

/* linux/socket.h has the kernel's own numbers; AF_* of glibc are macros in a header of another module. */
enum { CNETLINK_AF_UNSPEC = 0, CNETLINK_AF_INET = 2, CNETLINK_AF_INET6 = 10 };

/* One netlink socket of libmnl. */
typedef struct CNetlink_Socket CNetlink_Socket;

/* Opens and binds a socket with NETLINK_EXT_ACK (errors with text) and NETLINK_GET_STRICT_CHK (dumps that honour
 * filters; kernel 4.20), and gives receiving a time limit, so that a lost reply is an error and not a hang.
 * namespacePath: the network namespace to open it in, such as /run/netns/blue; NULL: the calling thread's.
 * Returns NULL with the errno in *error. */
CNetlink_Socket *CNetlink_open(int bus, const char *namespacePath, int receiveTimeoutSeconds, int *error);
void CNetlink_close(CNetlink_Socket *socket);

/* Sends one datagram; the send buffer grows to a large one. Returns 0 or an errno; EMSGSIZE: larger than the limit of
 * net.core.wmem_max, without CAP_NET_ADMIN. */
int CNetlink_send(CNetlink_Socket *socket, const void *bytes, size_t count);
/* As CNetlink_send, of a datagram that stands in `count` pieces, at most IOV_MAX. */
int CNetlink_sendParts(CNetlink_Socket *socket, const struct iovec *parts, size_t count);

/* Size in bytes of the next datagram, which stays queued, or a negative errno. */
ptrdiff_t CNetlink_peek(CNetlink_Socket *socket);

/* Receives one datagram that the kernel itself sent. Returns its size or a negative errno; a datagram of another process
 * is -ESRCH, one larger than the buffer -ENOSPC. */
ptrdiff_t CNetlink_receive(CNetlink_Socket *socket, void *buffer, size_t count);

/* Overwrites memory that held keys. */
void CNetlink_wipe(void *bytes, size_t count);

/* A non-blocking descriptor that receives the events of the multicast groups (RTNLGRP_* or NFNLGRP_*), or a negative
 * errno. namespacePath as for CNetlink_open. receiveBufferBytes: as SO_RCVBUF takes it; 0: the system's default. */
int CNetlink_openMonitor(int bus, const char *namespacePath, const uint32_t *groups, size_t count,
                         int receiveBufferBytes);
/* As CNetlink_receive; -EAGAIN: nothing is queued, -ENOBUFS: events were lost. */
ptrdiff_t CNetlink_receiveEvent(int fileDescriptor, void *buffer, size_t count);
void CNetlink_closeMonitor(int fileDescriptor);

/* Reads up to count bytes of a file, or writes them to it in one go; the file of a setting is of the namespace, as for
 * CNetlink_open. Reading returns the size or a negative errno, writing 0 or an errno. */
ptrdiff_t CNetlink_readFile(const char *path, const char *namespacePath, void *buffer, size_t count);
int CNetlink_writeFile(const char *path, const char *namespacePath, const void *bytes, size_t count);

/* Message type of a generic netlink family, resolved by libnl-genl-3, or a negative errno; -ENOENT: the kernel has no such
 * family, even after it tried to load the module. */
int CNetlink_resolveFamily(const char *name);

/* Number of a family's multicast group, resolved by libnl-genl-3, or a negative errno. */
int CNetlink_resolveGroup(const char *family, const char *group);

/* Whether the kernel takes its clock for synchronised (adjtimex(2)): 1 or 0, or a negative errno. Here because Glibc's
 * Swift module leaves sys/timex.h out. */
int CNetlink_isClockSynchronised(void);

/* Gives the pages of the program's and its libraries' files back that were only read (madvise(2), MADV_DONTNEED): what a
 * start needs and nothing else. Whichever are used again come back from the page cache by themselves. */
void CNetlink_releaseProgramPages(void);

/* No huge pages for this process (prctl(2), PR_SET_THP_DISABLE): one for a thread's stack costs 2 MiB. 0, or a negative
 * errno. */
int CNetlink_disableHugePages(void);

/* The text of an errno. A shim because strerror is not thread-safe and Swift cannot see strerrordesc_np (_GNU_SOURCE);
 * NULL for a number that is none. */
const char *CNetlink_errorText(int error);

#endif
