"""The names of the glTF extensions that this package reads, repairs or writes."""

__all__ = [
    "BASISU",
    "DRACO",
    "EXT_MESHOPT",
    "IGNORED",
    "INSTANCING",
    "KHR_MESHOPT",
    "LIGHTS",
    "POINTER",
    "VARIANTS",
    "VISIBILITY",
    "WEBP",
]

BASISU = "KHR_texture_basisu"
DRACO = "KHR_draco_mesh_compression"
EXT_MESHOPT = "EXT_meshopt_compression"
INSTANCING = "EXT_mesh_gpu_instancing"
KHR_MESHOPT = "KHR_meshopt_compression"
IGNORED = frozenset(
    {
        "EXT_mesh_features",
        "EXT_structural_metadata",
        "KHR_materials_variants",
        "KHR_node_hoverability",
        "KHR_node_selectability",
        "KHR_xmp_json_ld",
    }
)
"""Extensions that add only invisible data or alternatives to the default.

Even if a document requires them, they change nothing.
"""
LIGHTS = "KHR_lights_punctual"
POINTER = "KHR_animation_pointer"
VARIANTS = "KHR_materials_variants"
VISIBILITY = "KHR_node_visibility"
WEBP = "EXT_texture_webp"
