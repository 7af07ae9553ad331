"""What speaks HTTP: the application, what it makes of a request, and what a client sees of the answer."""
