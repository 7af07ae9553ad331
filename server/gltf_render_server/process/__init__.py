"""The life of a process: memory, temporary files, logging, reloading and shutdown."""
