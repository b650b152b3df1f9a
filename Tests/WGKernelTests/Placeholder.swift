enum WGKernelTestsPlaceholder {}
