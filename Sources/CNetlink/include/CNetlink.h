#ifndef CNETLINK_H
#define CNETLINK_H
#include <linux/netlink.h>
#include "CNetlinkRawUDP.h"
#endif
