"""glTF Render Server: photographs, exact depth and exact labels of glTF scenes, over HTTP.

The way of a request is one direction, and each step knows only the next::

    form -> Frame -> Dispatcher -> Renderer.render -> arrays -> encode -> response

Only ``gltf_render_server.blender`` imports bpy; everything else runs, and is tested, without Blender.
"""

__version__ = "0.1.0"
