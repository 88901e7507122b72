"""Recipes: commands that a person wants to find again, with parameters, in files of navi's format."""
