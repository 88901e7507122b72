"""A demonstration that you can run: a training job that outlives the connection that watches it."""
