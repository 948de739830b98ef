"""Concepts of entities: the component `craft_linker`, and the knowledge bases that it reads.

The flow, one module a step: `names` (keys), `abbreviations`, `knowledge_base` and `candidates` (concepts by
key), `document` (what a text says elsewhere), `ties`, `craft_linker`. Files are made by `ontologies` and
`mentions` (reading), `staging` and `builder` (writing).
"""
