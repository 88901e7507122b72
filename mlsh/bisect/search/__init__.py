"""The search, without git, boxes or terminals: observations in, what to ask next out."""
