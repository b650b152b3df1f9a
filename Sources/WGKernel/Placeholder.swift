enum WGKernelPlaceholder {}
