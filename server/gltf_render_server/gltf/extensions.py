"""Names of the glTF extensions that this package itself reads, repairs or writes."""

__all__ = [
    "BASISU",
    "DRACO",
    "EXT_MESHOPT",
    "INSTANCING",
    "KHR_MESHOPT",
    "LIGHTS",
    "POINTER",
    "VISIBILITY",
    "WEBP",
]

BASISU = "KHR_texture_basisu"
DRACO = "KHR_draco_mesh_compression"
EXT_MESHOPT = "EXT_meshopt_compression"
INSTANCING = "EXT_mesh_gpu_instancing"
KHR_MESHOPT = "KHR_meshopt_compression"
LIGHTS = "KHR_lights_punctual"
POINTER = "KHR_animation_pointer"
VISIBILITY = "KHR_node_visibility"
WEBP = "EXT_texture_webp"
