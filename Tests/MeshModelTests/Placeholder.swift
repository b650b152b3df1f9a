enum MeshModelTestsPlaceholder {}
