"""Jobs: one command, at a snapshot, on a box. All that a job is lives on its box; see docs/box-layout.md."""
