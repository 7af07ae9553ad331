"""glTF Render Server: photorealistic images, exact depth and exact labels of glTF scenes, over HTTP.

A request passes through these steps in one direction, and each step knows only the next one::

    form -> Frame -> Dispatcher -> Renderer.render -> arrays -> encode -> response

Only ``gltf_render_server.blender`` imports bpy; everything else runs, and is tested, without Blender.
"""

__version__ = "0.1.0"
