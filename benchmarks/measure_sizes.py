"""Time per word by the length of a document, by the number of documents, and by the number of processes."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from contenders import Run
from spacy.language import Language
from spacy.tokens import Doc
from texts import count_words
from timing import interleaved, timed

from craftner_spacy.pipelines import load_pipeline

MAX_CHARACTERS = 100_000


def by_length(model: Path, text: str, longest: int, rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds per word for documents of 100, 1,000, ... characters, the median of the rounds.

    text (str): its first `MAX_CHARACTERS` are annotated, in documents of each length; longer documents repeat
        them.
    longest (int): the length of the longest document, in characters.
    RETURNS: by number of characters, 'alone' (one document at a time) and 'stream' (all through `nlp.pipe`).
    """
    nlp = load_pipeline(str(model))
    nlp.max_length = longest
    text = text[:MAX_CHARACTERS]
    lengths = [10**n for n in range(2, len(str(longest)))]
    ways: dict[str, Callable[[list[str]], Iterable[Doc]]] = {
        "alone": lambda texts: map(nlp, texts),
        "stream": nlp.pipe,
    }
    runs = {
        f"{length} {way}": _in_pieces(length, annotate)
        for length in lengths
        for way, annotate in ways.items()
    }
    seconds = interleaved(runs, [text], rounds)
    n_words = {length: count_words([text]) * max(1, length // len(text)) for length in lengths}
    return {
        str(length): {way: 1e6 * median(seconds[f"{length} {way}"]) / n_words[length] for way in ways}
        for length in lengths
    }


def _in_pieces(length: int, annotate: Callable[[list[str]], Iterable[Doc]]) -> Run:
    """A run that annotates its one text in pieces of this length. A shorter text is repeated."""

    def run(texts: Sequence[str]) -> int:
        repeated = texts[0] * max(1, length // len(texts[0]))
        pieces = [repeated[i : i + length] for i in range(0, len(repeated), length)]
        return sum(len(doc.ents) for doc in annotate(pieces))

    return run


def by_number(model: Path, texts: Sequence[str]) -> dict[str, float]:
    """Microseconds per word for streams of 1, 10, 100, ... texts, by that number."""
    nlp = load_pipeline(str(model))
    nlp(texts[0])
    microseconds = {}
    number = 1
    while number <= len(texts):
        # Short streams are repeated with other texts, until about 50 texts are annotated.
        streams = [texts[i : i + number] for i in range(0, max(number, min(50, len(texts))), number)]
        n_words = sum(map(count_words, streams))
        microseconds[str(number)] = 1e6 * sum(timed(list, nlp.pipe(stream)) for stream in streams) / n_words
        number *= 10
    return microseconds


def by_processes(model: Path, texts: Sequence[str], rounds: int) -> dict[str, float]:
    """Words per second with one process and with two, including the time to start them."""
    nlp = load_pipeline(str(model))
    nlp(texts[0])
    runs = {name: _piped(nlp, n_process) for name, n_process in (("one", 1), ("two", 2))}
    seconds = interleaved(runs, texts, rounds)
    n_words = count_words(texts)
    return {
        **{name: n_words / median(by_round) for name, by_round in seconds.items()},
        "times_as_fast": median(a / b for a, b in zip(seconds["one"], seconds["two"], strict=True)),
    }


def _piped(nlp: Language, n_process: int) -> Run:
    # By default, spaCy gives a process 1,000 texts at once.
    return lambda texts: sum(1 for _ in nlp.pipe(texts, n_process=n_process, batch_size=16))
