"""What any process of the server needs to live and to end well."""
