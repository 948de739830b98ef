"""Annotate with two processes that are spawned, from a script without the guard that this needs.

python tests/programs/unguarded.py PIPELINE SOURCE OUT
"""

import multiprocessing
import sys

from craftner_spacy.processing.annotate import annotate

multiprocessing.set_start_method("spawn", force=True)
annotate(sys.argv[2], sys.argv[3], sys.argv[1], n_process=2)
