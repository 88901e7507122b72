"""Short names for what is typed often: one file for bash, zsh and fish, here and on every box."""
