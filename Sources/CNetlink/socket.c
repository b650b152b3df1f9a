#define _GNU_SOURCE
#include "CNetlink.h"

#include <fcntl.h>
#include <limits.h>
#include <libmnl/libmnl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* libmnl's own type, under a name that does not make Swift import libmnl's header. */
static struct mnl_socket *mnl(const CNetlink_Socket *socket) { return (struct mnl_socket *)socket; }

struct opening {
    const char *namespacePath;
    int bus, receiveTimeoutSeconds, receiveBufferBytes;
    const uint32_t *groups;
    size_t groupCount;
    const char *filePath;
    int fileFlags;
    CNetlink_Socket *socket;
    int descriptor, error;
};

static int enter(const char *namespacePath) {
    int namespace = open(namespacePath, O_RDONLY | O_CLOEXEC);
    if (namespace < 0) return errno;
    int error = setns(namespace, CLONE_NEWNET) < 0 ? errno : 0;
    close(namespace);
    return error;
}

/* Runs `body` here, or in the namespace on a thread that ends with it: a socket stays where it was opened, and no thread
 * of the caller's is ever in a foreign namespace. */
static void run(void *(*body)(void *), struct opening *opening) {
    if (opening->namespacePath == NULL) {
        body(opening);
        return;
    }
    pthread_t thread;
    /* Not stored at once: by then the thread may have stored an error of its own. */
    int error = pthread_create(&thread, NULL, body, opening);
    if (error == 0)
        pthread_join(thread, NULL);
    else
        opening->error = error;
}

static void *openSocket(void *argument) {
    struct opening *opening = argument;
    if (opening->namespacePath != NULL && (opening->error = enter(opening->namespacePath)) != 0) return NULL;
    struct mnl_socket *socket = mnl_socket_open2(opening->bus, SOCK_CLOEXEC);
    if (socket == NULL) {
        opening->error = errno;
        return NULL;
    }
    int on = 1;
    struct timeval limit = {.tv_sec = opening->receiveTimeoutSeconds};
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0
        || setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) {
        opening->error = errno;
        mnl_socket_close(socket);
        return NULL;
    }
    /* Kernels before 4.12, 4.20 and 4.3 lack these: then errors come without text, dumps come unfiltered, and errors
     * repeat the whole request. All of it is handled by the reader, so a failure here is none. */
    (void)mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof on);
    (void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    (void)mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof on);
    opening->socket = (CNetlink_Socket *)socket;
    return NULL;
}

CNetlink_Socket *CNetlink_open(int bus, const char *namespacePath, int receiveTimeoutSeconds, int *error) {
    struct opening opening = {
        .namespacePath = namespacePath, .bus = bus, .receiveTimeoutSeconds = receiveTimeoutSeconds};
    run(openSocket, &opening);
    *error = opening.error;
    return opening.socket;
}

void CNetlink_close(CNetlink_Socket *socket) { mnl_socket_close(mnl(socket)); }

int CNetlink_sendParts(CNetlink_Socket *socket, const struct iovec *parts, size_t partCount) {
    /* libmnl sends one buffer; a request of many kilobytes would have to be copied to stand behind its header. */
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr message = {.msg_name = &kernel,
                             .msg_namelen = sizeof kernel,
                             .msg_iov = (struct iovec *)parts,
                             .msg_iovlen = partCount};
    size_t count = 0;
    for (size_t index = 0; index < partCount; index++) count += parts[index].iov_len;
    int isGrown = 0;
    while (sendmsg(mnl_socket_get_fd(mnl(socket)), &message, 0) < 0) {
        if (errno == EINTR) continue;
        if (errno != EMSGSIZE || isGrown || count > INT_MAX / 4) return errno;
        /* The kernel wants the datagram within the send buffer, and doubles what it is told. */
        int size = (int)count;
        int descriptor = mnl_socket_get_fd(mnl(socket));
        if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0
            && setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0)
            return EMSGSIZE;
        isGrown = 1;
    }
    return 0;
}

int CNetlink_send(CNetlink_Socket *socket, const void *bytes, size_t count) {
    struct iovec whole = {.iov_base = (void *)bytes, .iov_len = count};
    return CNetlink_sendParts(socket, &whole, 1);
}

ptrdiff_t CNetlink_peek(CNetlink_Socket *socket) {
    ssize_t size;
    do {
        /* Nothing is copied: only the size is asked for. */
        size = recv(mnl_socket_get_fd(mnl(socket)), NULL, 0, MSG_PEEK | MSG_TRUNC);
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

void CNetlink_wipe(void *bytes, size_t count) {
    /* As explicit_bzero(3), which stands on pages of the C library that nothing else in a short program needs. */
    memset(bytes, 0, count);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

ptrdiff_t CNetlink_receive(CNetlink_Socket *socket, void *buffer, size_t count) {
    return receive(mnl_socket_get_fd(mnl(socket)), buffer, count, 0);
}

static void *openMonitor(void *argument) {
    struct opening *opening = argument;
    if (opening->namespacePath != NULL && (opening->error = enter(opening->namespacePath)) != 0) return NULL;
    struct mnl_socket *socket = mnl_socket_open2(opening->bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket == NULL) {
        opening->error = errno;
        return NULL;
    }
    int size = opening->receiveBufferBytes, result = 0;
    if (size > 0) result = setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (result == 0) result = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID);
    for (size_t index = 0; index < opening->groupCount && result == 0; index++) {
        uint32_t group = opening->groups[index];
        result = mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
    }
    /* A descriptor, unlike libmnl's object, may be handed between threads. */
    if (result == 0) result = fcntl(mnl_socket_get_fd(socket), F_DUPFD_CLOEXEC, 0);
    if (result < 0) opening->error = errno;
    opening->descriptor = result;
    mnl_socket_close(socket);
    return NULL;
}

int CNetlink_openMonitor(int bus, const char *namespacePath, const uint32_t *groups, size_t count,
                         int receiveBufferBytes) {
    struct opening opening = {.namespacePath = namespacePath,
                              .bus = bus,
                              .groups = groups,
                              .groupCount = count,
                              .receiveBufferBytes = receiveBufferBytes};
    run(openMonitor, &opening);
    return opening.error != 0 ? -opening.error : opening.descriptor;
}

static void *openFile(void *argument) {
    struct opening *opening = argument;
    if (opening->namespacePath != NULL && (opening->error = enter(opening->namespacePath)) != 0) return NULL;
    opening->descriptor = open(opening->filePath, opening->fileFlags | O_CLOEXEC);
    if (opening->descriptor < 0) opening->error = errno;
    return NULL;
}

ptrdiff_t CNetlink_readFile(const char *path, const char *namespacePath, void *buffer, size_t count) {
    struct opening opening = {.namespacePath = namespacePath, .filePath = path, .fileFlags = O_RDONLY};
    run(openFile, &opening);
    if (opening.error != 0) return -opening.error;
    ssize_t size = read(opening.descriptor, buffer, count);
    int error = errno;
    close(opening.descriptor);
    return size < 0 ? -error : size;
}

int CNetlink_writeFile(const char *path, const char *namespacePath, const void *bytes, size_t count) {
    struct opening opening = {.namespacePath = namespacePath, .filePath = path, .fileFlags = O_WRONLY | O_TRUNC};
    run(openFile, &opening);
    if (opening.error != 0) return opening.error;
    /* A setting is parsed whole with each write. */
    ssize_t size = write(opening.descriptor, bytes, count);
    int error = size < 0 ? errno : (size_t)size == count ? 0 : EIO;
    close(opening.descriptor);
    return error;
}

ptrdiff_t CNetlink_receiveEvent(int fileDescriptor, void *buffer, size_t count) {
    return receive(fileDescriptor, buffer, count, MSG_DONTWAIT);
}

void CNetlink_closeMonitor(int fileDescriptor) { close(fileDescriptor); }

const char *CNetlink_errorText(int error) { return strerrordesc_np(error); }
