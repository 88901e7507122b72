"""Dotfiles on any box: all of it in one folder there, behind one line in each file of the person's own."""
