#define _GNU_SOURCE
#include "CNetlink.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* libmnl's own type, under a name that does not make Swift import libmnl's header. */
static struct mnl_socket *mnl(const CNetlink_Socket *socket) { return (struct mnl_socket *)socket; }

CNetlink_Socket *CNetlink_open(int bus, int receiveTimeoutSeconds, int *error) {
    struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
    if (socket == NULL) {
        *error = errno;
        return NULL;
    }
    int on = 1;
    struct timeval limit = {.tv_sec = receiveTimeoutSeconds};
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0
        || setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) {
        *error = errno;
        mnl_socket_close(socket);
        return NULL;
    }
    /* Kernels before 4.12 and 4.20 lack these two: then errors come without text, and dumps come unfiltered. Both are
     * handled by the reader, so a failure here is none. */
    (void)mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof on);
    (void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    return (CNetlink_Socket *)socket;
}

void CNetlink_close(CNetlink_Socket *socket) { mnl_socket_close(mnl(socket)); }

int CNetlink_send(CNetlink_Socket *socket, const void *bytes, size_t count) {
    ssize_t sent;
    do {
        sent = mnl_socket_sendto(mnl(socket), bytes, count);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

ptrdiff_t CNetlink_peek(CNetlink_Socket *socket, void *buffer, size_t count) {
    ssize_t size;
    do {
        size = recv(mnl_socket_get_fd(mnl(socket)), buffer, count, MSG_PEEK | MSG_TRUNC);
    } while (size < 0 && errno == EINTR);
    return size < 0 ? -errno : size;
}

static ptrdiff_t receive(int fileDescriptor, void *buffer, size_t count, int flags) {
    struct sockaddr_nl sender = {0};
    struct iovec vector = {.iov_base = buffer, .iov_len = count};
    struct msghdr message = {
        .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &vector, .msg_iovlen = 1};
    ssize_t size;
    do {
        size = recvmsg(fileDescriptor, &message, flags);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return -errno;
    if (message.msg_flags & MSG_TRUNC) return -ENOSPC;
    /* Any process may send to our port; only port 0 is the kernel. libmnl's receive does not tell the sender. */
    if (message.msg_namelen != sizeof sender || sender.nl_pid != 0) return -ESRCH;
    return size;
}

ptrdiff_t CNetlink_receive(CNetlink_Socket *socket, void *buffer, size_t count) {
    return receive(mnl_socket_get_fd(mnl(socket)), buffer, count, 0);
}

int CNetlink_openMonitor(int bus, const uint32_t *groups, size_t count) {
    struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket == NULL) return -errno;
    int result = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID);
    for (size_t index = 0; index < count && result == 0; index++) {
        uint32_t group = groups[index];
        result = mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
    }
    /* A descriptor, unlike libmnl's object, may be handed between threads. */
    if (result == 0) result = fcntl(mnl_socket_get_fd(socket), F_DUPFD_CLOEXEC, 0);
    int error = errno;
    mnl_socket_close(socket);
    return result < 0 ? -error : result;
}

ptrdiff_t CNetlink_receiveEvent(int fileDescriptor, void *buffer, size_t count) {
    return receive(fileDescriptor, buffer, count, MSG_DONTWAIT);
}

void CNetlink_closeMonitor(int fileDescriptor) { close(fileDescriptor); }

const char *CNetlink_errorText(int error) { return strerrordesc_np(error); }
