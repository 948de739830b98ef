"""Annotated files into one file of another format, or into training data: `convert`. No model is needed."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy

from ..data.file_kinds import check_output
from ..data.formats import get_output_format
from .counted_records import CountedRecords
from .inputs import ReadPlan, check_inputs, make_shards
from .output_files import skipped_list, write_skipped, write_unfinished
from .settings import Settings
from .source_files import LeftOut, find_sources


@dataclass(frozen=True)
class Conversion:
    """What `convert` did.

    output (Path): the file that it wrote.
    records, entities (int): in the output.
    labels (dict[str, int]): the number of entities of each label, the most frequent first.
    skipped (int): records left out; they are listed in OUTPUT.skipped.jsonl.
    left_out (Sequence[LeftOut]): files of the folders among the inputs that were not read, and why.
    """

    output: Path
    records: int
    entities: int
    labels: dict[str, int]
    skipped: int
    left_out: Sequence[LeftOut] = ()


def convert(
    inputs: str | Path | Iterable[str | Path],
    output: str | Path,
    *,
    input_format: str | None = None,
    output_format: str | None = None,
    text_field: str = "text",
    id_field: str = "id",
    encoding: str | None = None,
    skip_errors: bool = False,
    no_text: bool = False,
    keep_names: bool = False,
    fields: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> Conversion:
    """Write annotated files as one file of another format.

    A ``.spacy`` file is training data: its tokens are split where entities begin and end, of entities that
    overlap the longest is in `doc.ents`, and sentences begin where the input says so, else by spaCy's rule
    for punctuation. Records without an id are named after their file and number.

    The arguments have the meaning of those of `annotate.annotate`.

    inputs (str | Path | Iterable[str | Path]): files, or folders of files of `input_format`.
    output (str | Path): the file to write; its folder is made if it is not there.
    text_field, id_field (str): the names of these fields in formats whose records have fields.
    RETURNS (Conversion): what was done.
    RAISES: ValueError for a bad record (unless `skip_errors`), a wrong argument, or an input that changes
        meanwhile; FileExistsError if the output exists (unless `overwrite`); OSError if a file cannot be read
        or written; ImportError if the library of a format is not installed.
    """
    out = Path(output)
    sources, left_out = find_sources(inputs, input_format, out)
    fmt = get_output_format(out, output_format)
    settings = Settings(
        output_format=fmt.name,
        make_ids=True,
        skip_errors=skip_errors,
        text_field=text_field,
        id_field=id_field,
        encoding=encoding,
        no_text=no_text,
        keep_names=keep_names,
        fields=fields,
    )
    options = settings.write_options._replace(training=fmt.name == "docbin")
    fmt.check_options(options)
    read = [source.path for source in sources]
    check_output(out, read, overwrite)
    check_output(skipped_list(out), read, overwrite=True)
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    # It makes tokens alone.
    nlp.max_length = sys.maxsize
    plan = ReadPlan(sources, settings, nlp.max_length, fmt.forbidden_id_chars, entities=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        checked = check_inputs(plan, Path(folder) / "ids.sqlite", progress)
        records = CountedRecords(
            lambda: chain.from_iterable(shard.records for shard in make_shards(plan, checked))
        )
        unfinished = Path(folder) / "output.tmp"
        write_unfinished(unfinished, out, fmt, records, nlp.make_doc, options)
        write_skipped(out, checked.skipped)
        unfinished.replace(out)
    labels = dict(records.labels.most_common())
    return Conversion(out, checked.n_records, records.entities, labels, len(checked.skipped), left_out)
