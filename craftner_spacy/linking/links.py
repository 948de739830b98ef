"""Addresses of concepts."""

import re
from collections.abc import Mapping

KB_URL_TEMPLATE = "https://bioregistry.io/{}"
"""For displaCy's option ``kb_url_template``: a page that leads on by the CURIE put into it."""

_OBO = "http://purl.obolibrary.org/obo/{prefix}_{local}"
URL_TEMPLATES: Mapping[str, str] = {
    "CHEBI": "https://www.ebi.ac.uk/chebi/searchId.do?chebiId=CHEBI:{local}",
    "CL": _OBO,
    "GO": "https://amigo.geneontology.org/amigo/term/GO:{local}",
    "NCBIGene": "https://www.ncbi.nlm.nih.gov/gene/{local}",
    "NCBITaxon": "https://www.ncbi.nlm.nih.gov/Taxonomy/Browser/wwwtax.cgi?id={local}",
    "PR": _OBO,
    "SO": _OBO,
}
"""Address by the CURIE's prefix."""

_CURIE = re.compile(r"([A-Za-z][\w.-]*):([\w.-]+)", flags=re.ASCII)


def concept_url(id: str, templates: Mapping[str, str] = URL_TEMPLATES) -> str | None:
    """The address of a concept's page.

    id (str): the concept's id.
    templates (Mapping[str, str]): by prefix an address with ``{prefix}`` and ``{local}`` in it.
    RETURNS (str | None): None if the id is no CURIE, or its prefix has no address.

    >>> concept_url("CL:0000540")
    'http://purl.obolibrary.org/obo/CL_0000540'
    >>> concept_url("Q42") is None
    True
    """
    match = _CURIE.fullmatch(id)
    if match is None or match[1] not in templates:
        return None
    return templates[match[1]].format(prefix=match[1], local=match[2])
