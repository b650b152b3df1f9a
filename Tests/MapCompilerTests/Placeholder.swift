enum MapCompilerTestsPlaceholder {}
