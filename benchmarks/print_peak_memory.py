"""Print the peak memory in MB after ten articles. Arguments: name of the contender, model, articles."""

import sys
from pathlib import Path

import contenders
from texts import read

sys.path.insert(1, str(Path(__file__).parents[1] / "scripts" / "measure"))
from memory import read_memory

if __name__ == "__main__":
    name, model, articles = sys.argv[1:]
    run = getattr(contenders, name)(Path(model))
    run(read(Path(articles))[:10])
    print(read_memory().peak)
