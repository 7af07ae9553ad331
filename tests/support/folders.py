"""What is in a folder."""

from pathlib import Path


def contents(path):
    """The bytes of each file below a folder, by its path; a folder without files is no difference."""
    files = (each for each in Path(path).rglob("*") if each.is_file())
    return {str(each.relative_to(path)): each.read_bytes() for each in files}
