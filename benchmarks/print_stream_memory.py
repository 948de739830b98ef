"""Print the resident memory in MB after so many abstracts. Arguments: model, articles, two numbers."""

import sys
from itertools import islice
from pathlib import Path

from texts import cut, read

from craftner_spacy.pipelines import load_pipeline

sys.path.insert(1, str(Path(__file__).parents[1] / "scripts" / "measure"))
from memory import read_memory

if __name__ == "__main__":
    model, articles, first, last = sys.argv[1:]
    texts = islice(cut(read(Path(articles)), "abstracts", forever=True), int(last))
    resident = [
        read_memory().resident
        for number, _ in enumerate(load_pipeline(model).pipe(texts), start=1)
        if number in (int(first), int(last))
    ]
    print(*resident)
