enum NetlinkSocketPlaceholder {}
