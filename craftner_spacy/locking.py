"""The lock around the loading of models."""

import os
import threading

LOADING = threading.RLock()
"""Held while a network is loaded or copied: transformers' `from_pretrained` sets and restores torch's default
dtype and patches of `torch.nn.Module`, and two calls at once leave them wrong for the whole process."""

if hasattr(os, "register_at_fork"):
    # A fork waits until the loading ends: the child would have a lock that no thread of it holds.
    os.register_at_fork(
        before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release
    )
