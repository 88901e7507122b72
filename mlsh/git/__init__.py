"""What mlsh does with git: snapshots of a folder, and packs of what a box lacks.

Plain `git` commands, side by side where they can be: importing GitPython takes longer (100 ms) than
everything that a launch does here.
"""
