"""Shows a dataset to a person: `previewing` before it is made, and `inspecting` when it is there.

Pictures are drawn by Pillow here (`overlay`, `sheet`), and by the browser in the page of `inspecting`.
What is drawn is the same: `objects` tells what a view shows.
"""
