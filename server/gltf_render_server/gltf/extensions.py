"""Names of the glTF extensions that this package itself reads, repairs or writes."""

__all__ = ["BASISU", "DRACO", "INSTANCING", "LIGHTS", "VISIBILITY", "WEBP"]

BASISU = "KHR_texture_basisu"
DRACO = "KHR_draco_mesh_compression"
INSTANCING = "EXT_mesh_gpu_instancing"
LIGHTS = "KHR_lights_punctual"
VISIBILITY = "KHR_node_visibility"
WEBP = "EXT_texture_webp"
