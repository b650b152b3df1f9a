enum NetlinkWireTestsPlaceholder {}
