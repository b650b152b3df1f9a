enum MeshProtoPlaceholder {}
