enum MeshProtoTestsPlaceholder {}
