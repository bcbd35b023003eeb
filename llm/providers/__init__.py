"""Providers of chat models, a module each; each imports its SDK when its client is built."""
