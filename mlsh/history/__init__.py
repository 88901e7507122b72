"""What was typed where, and how it ended: read from the shells of this machine and of boxes, kept in one database."""
