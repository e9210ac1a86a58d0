"""The only room with autograd, hooks and devices."""
