"""The measured table: every recipe and every comparison method, on every artist, by the same evaluation.

`artists` finds the drawings, `candidates` draws with a recipe or a rival, `row` measures one artist with one
candidate in a process of its own, `rows` keeps what was measured, `table` writes it down. The verb is
`fewshot recipes measure`. Imports the rest of `fewshot`; only the command line imports this.
"""
