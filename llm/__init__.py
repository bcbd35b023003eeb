"""Edit requests, patches, and those who carry them out: LLM providers and the built-in executor."""
