"""Install a zip for the bpy package."""

import sys

import bpy

bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
if hasattr(bpy.types.Scene, "gltf_render_server"):
    print("INSTALLED")  # noqa: T201
