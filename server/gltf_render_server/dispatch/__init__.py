"""Schedules renders on processes; independent of HTTP, glTF syntax and Blender."""
