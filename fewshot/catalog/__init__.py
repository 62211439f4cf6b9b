"""The catalogue: a studio's styles in a database, their files under their hashes.

    from fewshot.catalog.adding import add
    from fewshot.catalog.changing import alias
    from fewshot.catalog.listing import ls, show
    from fewshot.catalog.store import Catalog
    from fewshot.home import run_folder

    catalog = Catalog()                      # or Catalog("postgresql://…", "s3://bucket/styles")
    add(catalog, run_folder("ink"))          # ink@1
    alias(catalog, "ink@1", "approved")
    show(catalog, "ink@approved")

`models` and `migrations` are the tables, `database` opens them, `roots` and `blobs` hold files, `store` is
both. Verbs: `adding`, `listing` and its `filters` (ls, show, log), `pictures` (search), `changing` (tag,
alias, consent, edit, rm), `bundle` (export, import) in the format of `bundle_file`, `upkeep` (verify, gc).
`contents` reads an adapter, `checkout` makes a folder of a version, `restated` one to pass on, `allowing`
says whether its artist agrees, `use` is what the rest of the toolkit asks. Imports `base_models`, `eval` and
what is light in `fewshot`; `fewshot.styles` and `fewshot.cli` import it, in functions.
"""
