"""One generation: request, plan, cache look-up, image files and result."""
