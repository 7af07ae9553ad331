"""Shows a dataset to a person: `previewing` before it is made, and `inspecting` afterwards.

Pillow draws the pictures here (`overlay`, `sheet`), and the browser draws those in the page of `inspecting`.
Both draw the objects that `objects` finds in a view.
"""
