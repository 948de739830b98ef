"""Concepts of entities: the component `craft_linker`, and the knowledge bases that it reads.

From a Doc to its ids, one module a step: `entities` (the words of each entity), `names` (their keys),
`knowledge_base` (names by key) and `candidates` (concepts by name, with scores), `document` (what the text
says elsewhere, by its `abbreviations` and other mentions), `ties`, `entities` again (ids are written), and
`craft_linker`, which puts them together; `source` is where its knowledge base is.

From files to a knowledge base: `ontologies` and `mentions` (reading), `staging` and `builder` (writing), and
`filling`, which puts them together for `nlp.initialize`. `schema` is what both sides share.
"""
