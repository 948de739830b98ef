"""Print the words per second on abstracts of 1,500 words in all. Arguments: model, articles, precision."""

import sys
from pathlib import Path
from statistics import median

from contenders import ours
from texts import count_words, cut, read, take_words
from timing import timed

if __name__ == "__main__":
    model, articles, precision = sys.argv[1:]
    texts = list(take_words(cut(read(Path(articles)), "abstracts"), 1500))
    run = ours(Path(model), precision)
    run(texts)
    print(count_words(texts) / median(timed(run, texts) for _ in range(3)))
