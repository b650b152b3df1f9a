enum MapCompilerPlaceholder {}
