"""Tokens of long text without a space: the same as spaCy's, and in linear time."""

import pickle
from random import Random

import pytest
import spacy
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab

from craftner_spacy.linear_tokenizer import MAX_CHUNK, MAX_WHOLE, LinearTokenizer
from craftner_spacy.pipelines import load_pipeline

CRAFT = {"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}}
PARTS = "- − / +/+ ( ) = _ , . : a β 1 's @ % … \" a@b.org 10.1234/ab ….. km °C. $ US$ 👩 x ko ′s ..".split()


@pytest.fixture(scope="module", params=["en", "craft"])
def tokenizers(request: pytest.FixtureRequest) -> tuple[Tokenizer, LinearTokenizer]:
    """spaCy's tokenizer and the linear one, with the same rules, but without exceptions."""
    rules = spacy.blank("en", config=CRAFT if request.param == "craft" else {}).tokenizer
    rules.rules = {}
    return rules_of(Tokenizer, rules), rules_of(LinearTokenizer, rules)


def rules_of(kind: type[Tokenizer], other: Tokenizer) -> Tokenizer:
    """A tokenizer with the rules of another."""
    searches = (other.prefix_search, other.suffix_search, other.infix_finditer, other.token_match)
    return kind(other.vocab, other.rules, *searches, other.url_match)


def tokens(doc: Doc) -> list[tuple[str, str, str]]:
    return [(token.text, token.whitespace_, token.norm_) for token in doc]


def test_tokens_are_those_of_spacy(tokenizers: tuple[Tokenizer, LinearTokenizer]) -> None:
    plain, linear = tokenizers
    random = Random(14)
    n_long = 0
    for _ in range(150):
        chunks = [
            "".join(random.choices(PARTS, k=random.randint(1, 120)))
            if random.random() < 0.5
            else random.choice(PARTS) * random.randint(1, 120)
            for _ in range(random.randint(1, 3))
        ]
        chunks = [chunk[:MAX_WHOLE] for chunk in chunks]
        text = random.choice([" ", "  ", "\n", " \t "]).join(chunks) + random.choice(["", " ", "\n", "  "])
        n_long += max(map(len, chunks)) > MAX_CHUNK
        assert tokens(linear(text)) == tokens(plain(text)), text
    assert n_long > 50


def test_exceptions_beside_long_text_stay() -> None:
    nlp = spacy.blank("en", config=CRAFT)
    doc = nlp(f" don't  {'(' * 200}can't  U.S. {'a' * 200} ")
    words = [" ", "do", "n't", " ", *"(" * 200, "ca", "n't", " ", "U.S.", "a" * 200]
    assert [token.text for token in doc] == words
    assert doc[2].norm_ == "not"
    assert doc.text == f" don't  {'(' * 200}can't  U.S. {'a' * 200} "
    for name in ("ENT_IOB", "SENT_START", "TAG", "DEP", "LEMMA", "MORPH", "POS"):
        assert not doc.has_annotation(name), name


@pytest.mark.parametrize(
    "unit", ["-", "−", "/", "+/+", "(", "=", "_", ",", "%", ":", "'s", "a:", "👩", "10.1234/-"]
)
def test_work_grows_as_the_text_does(unit: str, tokenizers: tuple[Tokenizer, LinearTokenizer]) -> None:
    _, linear = tokenizers
    searched = 0

    def count(rule: object) -> object:
        def call(text: str) -> object:
            nonlocal searched
            searched += len(text)
            return rule(text)  # type: ignore[operator]

        return call

    counting = LinearTokenizer(
        linear.vocab,
        {},
        count(linear.prefix_search),
        count(linear.suffix_search),
        linear.infix_finditer,
        count(linear.token_match) if linear.token_match else None,
        count(linear.url_match),
    )
    work = []
    for n in (4_000, 16_000):
        searched = 0
        assert counting((unit * n)[:n]).text == (unit * n)[:n]
        work.append(searched)
    # What is left to spaCy, and what is looked at whole, has a limit: a constant at most.
    assert work[1] <= 4 * work[0]
    assert work[1] <= 80 * 16_000 + 600_000


def test_a_tokenizer_without_rules_keeps_long_text_whole() -> None:
    plain = Tokenizer(Vocab())
    text = f"a {'-' * 200} b"
    assert tokens(LinearTokenizer.from_tokenizer(plain)(text)) == tokens(plain(text))


def test_many_dashes_are_as_many_tokens() -> None:
    nlp = spacy.blank("en", config=CRAFT)
    assert len(nlp.tokenizer("-" * 50_000)) == 50_000


def test_it_is_saved_loaded_and_pickled_as_the_tokenizer_of_spacy() -> None:
    nlp = spacy.blank("en", config=CRAFT)
    text = f"Sox9-/- {'-' * 300} mice"
    expected = tokens(nlp(text))
    again = spacy.blank("en", config=CRAFT).from_bytes(nlp.to_bytes())
    assert tokens(again(text)) == expected
    assert type(again.tokenizer) is LinearTokenizer
    assert tokens(pickle.loads(pickle.dumps(nlp.tokenizer))(text)) == expected


def test_pipelines_that_are_loaded_by_name_have_it(pipeline: str, tiny_model: str) -> None:
    loaded: list[Language] = [load_pipeline(str(pipeline)), load_pipeline(str(tiny_model))]
    for nlp in loaded:
        assert type(nlp.tokenizer) is LinearTokenizer
        assert nlp.tokenizer.rules == spacy.blank("en").tokenizer.rules
