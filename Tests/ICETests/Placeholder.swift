enum ICETestsPlaceholder {}
