#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
