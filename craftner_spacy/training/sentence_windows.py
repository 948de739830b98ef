"""The corpus reader `craftner_spacy.SentenceWindows.v1`: runs of sentences as training examples."""

import logging
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from spacy.language import Language
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from .corpus import find_docbins

logger = logging.getLogger(__name__)


class SentenceWindows:
    """Corpus reader: each Example is a run of consecutive sentences of one document.

    Sentences are added to a window until the next one would exceed `max_tokens`. Windows do not overlap. A
    sentence that is longer than `max_tokens` is a window of its own: it is neither cut nor left out. A window
    never ends inside an entity, even where a sentence does. White space at the start and end of a window is
    left out, and so are windows that are only white space. Where a document has no sentence starts, spaCy's
    `Sentencizer` sets them.
    """

    def __init__(
        self,
        path: str | Path | None,
        max_tokens: int = 0,
        augmenter: Callable[[Language, Example], Iterator[Example]] | None = None,
    ) -> None:
        """Check the settings. No file is read yet.

        path (str | Path | None): a ``.spacy`` file, or a folder with such files at any depth.
        max_tokens (int): the most tokens in a window, white space not counted; 0: one sentence for each
            window.
        augmenter (Callable | None): called with the pipeline and each Example; yields the Examples to be used
            instead.
        RAISES: ValueError if `path` is None, or `max_tokens` is not a whole number from 0; FileNotFoundError
            if there is no such file, or no ``.spacy`` file in the folder.
        """
        if path is None:
            raise ValueError("path = None: allowed are a .spacy file or a folder with such files")
        if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 0:
            raise ValueError(f"max_tokens = {max_tokens!r}: allowed are whole numbers from 0")
        self.files = find_docbins(path)
        self.max_tokens = max_tokens
        self.augmenter = augmenter

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the files.

        nlp (Language): its tokenizer makes the predicted Docs, its vocabulary the reference Docs.
        YIELDS (Example): predicted is ``nlp.make_doc`` of the window's text; reference has the window's
            tokens, entities (adjacent ones stay separate), missing tags, sentence starts and user data.
        """
        for file in self.files:
            n_without = 0
            for doc in DocBin().from_disk(file).get_docs(nlp.vocab):
                if len(doc) and not doc.has_annotation("SENT_START"):
                    n_without += 1
                    Sentencizer()(doc)
                # Made once for each document: by default, as_doc converts the whole document to an array for
                # each window. as_doc changes the rows of its window only, which no other window shares.
                attributes = list(doc._get_array_attrs())
                array = doc.to_array(attributes)
                for window in sentence_windows(doc, self.max_tokens):
                    reference = window.as_doc(  # type: ignore[call-arg]  # spaCy's stub lacks two arguments
                        copy_user_data=True, array_head=attributes, array=array
                    )
                    example = Example(nlp.make_doc(reference.text), reference)
                    if self.augmenter is None:
                        yield example
                    else:
                        yield from self.augmenter(nlp, example)
            if n_without:
                logger.warning(
                    "%s: %d documents have no sentence starts; they were set by punctuation", file, n_without
                )


def sentence_windows(doc: Doc, max_tokens: int) -> list[Span]:
    """Group the sentences of a Doc into windows; `SentenceWindows` has the rules.

    doc (Doc): with sentence starts.
    max_tokens (int): the most tokens in a window, white space not counted; 0: one sentence for each window.
    RETURNS (list[Span]): the windows in order, without white space at either end.

    >>> from spacy.vocab import Vocab
    >>> doc = Doc(Vocab(), words=list("aabccc"), sent_starts=[True, False, True, True, False, False])
    >>> [window.text for window in sentence_windows(doc, 3)]
    ['a a b', 'c c c']
    """
    if not len(doc):
        return []
    borders = [sent.start for sent in doc.sents if sent.start == 0 or doc[sent.start].ent_iob_ != "I"]
    windows: list[tuple[int, int]] = []
    room = 0
    for start, end in pairwise([*borders, len(doc)]):
        count = sum(not token.text.isspace() for token in doc[start:end])
        if windows and count <= room:
            windows[-1] = (windows[-1][0], end)
            room -= count
        else:
            windows.append((start, end))
            room = max_tokens - count
    trimmed = (_trim(doc, start, end) for start, end in windows)
    return [window for window in trimmed if len(window)]


def _trim(doc: Doc, start: int, end: int) -> Span:
    """The tokens from `start` to `end` without white space at either end."""
    while start < end and doc[start].text.isspace():
        start += 1
    while start < end and doc[end - 1].text.isspace():
        end -= 1
    return doc[start:end]
