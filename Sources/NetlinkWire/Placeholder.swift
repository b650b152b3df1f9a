enum NetlinkWirePlaceholder {}
