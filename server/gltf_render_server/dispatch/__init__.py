"""Which process renders what, and when; it knows no HTTP, no glTF syntax and no Blender."""
