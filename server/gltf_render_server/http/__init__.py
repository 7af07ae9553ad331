"""The HTTP interface: the application, its requests and its responses."""
