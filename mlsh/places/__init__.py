"""Go places: find files on this machine and on boxes, edit one where it is, and jump to a folder."""
