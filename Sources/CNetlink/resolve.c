#include "CNetlink.h"

#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/socket.h>

/* libnl has error numbers of its own; we keep the kernel's. */
static int errnoOf(int libnlError) {
    switch (-libnlError) {
    case NLE_OBJ_NOTFOUND: return ENOENT;
    case NLE_PERM: return EPERM;
    case NLE_NOACCESS: return EACCES;
    case NLE_NOMEM: return ENOMEM;
    case NLE_INVAL: return EINVAL;
    case NLE_AGAIN: return EAGAIN;
    case NLE_BUSY: return EBUSY;
    case NLE_NODEV: return ENODEV;
    case NLE_AF_NOSUPPORT: return EAFNOSUPPORT;
    case NLE_PROTO_MISMATCH: return EPROTONOSUPPORT;
    case NLE_OPNOTSUPP: return EOPNOTSUPP;
    default: return EIO;
    }
}

/* Runs one resolution on a socket of its own: libnl keeps sequence state that must not mix with ours. */
static int resolve(const char *family, const char *group) {
    struct nl_sock *socket = nl_socket_alloc();
    if (socket == NULL) return -ENOMEM;
    int result = genl_connect(socket);
    if (result == 0) {
        result = group == NULL ? genl_ctrl_resolve(socket, family) : genl_ctrl_resolve_grp(socket, family, group);
    }
    nl_socket_free(socket);
    return result < 0 ? -errnoOf(result) : result;
}

int CNetlink_resolveFamily(const char *name) { return resolve(name, NULL); }

int CNetlink_resolveGroup(const char *family, const char *group) { return resolve(family, group); }
