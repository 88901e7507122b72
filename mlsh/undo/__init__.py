"""Take back what git did: undo, redo, save, rescue, revert."""
