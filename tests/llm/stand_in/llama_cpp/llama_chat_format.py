"""The one class of it that is used."""

from types import SimpleNamespace


class Jinja2ChatFormatter:
    def __init__(self, template, eos_token, bos_token):
        pass

    def __call__(self, messages):
        return SimpleNamespace(prompt="".join(f"<{message['role']}>{message['content']}" for message in messages))
