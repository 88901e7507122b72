"""Look for what is not safe: secrets that got into files (`scan`), a careless machine (`doctor`). Only reads."""
