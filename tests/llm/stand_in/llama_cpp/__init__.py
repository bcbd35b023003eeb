"""Stands in for llama-cpp-python: a token is a byte, and words in a prompt or in the file make the process fail.

With ``LLAMA_PROCESSES`` in the environment, the file of that name gets a line with the number of each process that has
loaded a model, and a word when one begins to compute for ever.
"""

import os
import signal
import sys
import time
from pathlib import Path

_PATCH = (
    '{"summary": "s", "model_py": "import torch\\n", "edits": null, "applied": [], "skipped": [], "predicted": null}'
)


def _note(line):
    if "LLAMA_PROCESSES" in os.environ:
        with Path(os.environ["LLAMA_PROCESSES"]).open("a") as processes:
            processes.write(f"{line}\n")


class Llama:
    def __init__(self, model_path, n_ctx, **_options):
        content = Path(model_path).read_bytes()
        if b"broken" in content:
            raise ValueError(f"Failed to load model from file: {model_path}")
        if b"monster" in content:
            os.kill(os.getpid(), signal.SIGKILL)
        if n_ctx > 1:
            _note(str(os.getpid()))
        self._crashes = b"fragile" in content
        self._context = n_ctx
        self.metadata = {"general.architecture": "a", "a.context_length": "32768", "tokenizer.chat_template": "t"}
        self.n_tokens = 0

    def close(self):
        pass

    def reset(self):
        self.n_tokens = 0

    def n_ctx(self):
        return self._context

    def token_bos(self):
        return 1

    def token_eos(self):
        return 2

    def tokenize(self, text, add_bos, special):
        return list(text)

    def detokenize(self, tokens, special):
        return bytes(tokens)

    def eval(self, tokens):
        self.n_tokens += len(tokens)

    def create_completion(self, prompt, max_tokens, **_options):
        text = bytes(prompt).decode()
        if self._crashes or "SEGFAULT" in text:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "ABORT" in text:
            sys.stderr.write("\nggml.c:1: GGML_ASSERT(buffer) failed\n\n")
            os.abort()
        if "FOR EVER" in text:
            _note("computes")
            while True:
                time.sleep(1)
        if "NO MEMORY" in text:
            raise RuntimeError("llama_decode returned -3")
        self.n_tokens = len(prompt) + 2
        yield {"choices": [{"text": _PATCH[:9], "finish_reason": None}]}
        yield {"choices": [{"text": _PATCH[9:], "finish_reason": "stop"}]}


class LlamaGrammar:
    @staticmethod
    def from_string(text, verbose):
        return text
