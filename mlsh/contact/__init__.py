"""First contact with a machine: from an address and a password to a box that a key opens, and what follows from it."""
