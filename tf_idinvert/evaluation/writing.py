"""Write the output folder: tables.md, tables.json, figures, and one page with all results."""
from __future__ import annotations

import json
from pathlib import Path

from tf_idinvert.evaluation import tables
from tf_idinvert.files import atomic, images, report


def write(folder, title, about, results, claims=None, claims_table=None):
    """Write the results so far; every file is written atomically.

    Args:
        folder: existing folder.
        title: heading.
        about: {label: text}, and 'notes', a list of lines.
        results: {name of the part: dict with 'numbers', 'tables' (list of Table) and 'figures' (list of (file,
            caption)), or {'missing': reason}}.
        claims: result of `claims.decide`; None: no claims.
        claims_table: the claims as a Table; None: no claims.
    Raises:
        OSError: the folder cannot be written.
    """
    folder, notes = Path(folder), about["notes"]
    summary = {label: text for label, text in about.items() if label != "notes"}
    missing = [f"{name}: {part['missing']}" for name, part in results.items() if "missing" in part]
    done = {name: part for name, part in results.items() if "missing" not in part}
    text = [f"# {title}", "", *(f"- {label}: {value}" for label, value in summary.items()),
            *(f"- {note}" for note in [*notes, *(f"Not measured: {each}" for each in missing)]), "",
            *([tables.markdown(claims_table)] if claims_table else [])]
    for part in done.values():
        text += [tables.markdown(each) for each in part["tables"]]
        text += [f"![{caption}](figures/{file})\n" for file, caption in part["figures"]]
    atomic.write_text(folder / "tables.md", "\n".join(text))
    atomic.write_text(folder / "tables.json", json.dumps(tables.plain({
        "about": about, **({"claims": claims} if claims_table else {}), "missing": missing,
        "parts": {name: {"numbers": part["numbers"], "tables": [vars(each) for each in part["tables"]]}
                  for name, part in done.items()}}), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    report.write_sections(folder / "index.html", title, list(_sections(folder, claims_table, done)), summary=summary,
                          notes=[*notes, *(f"Not measured: {each}" for each in missing)], viz_size=0)


def _sections(folder, claims_table, done):
    """Yield the sections of the page; figures are read one at a time."""
    for part in [{"tables": [claims_table] if claims_table else [], "figures": []}, *done.values()]:
        for table in part["tables"]:
            yield report.Section(table.columns, tables.html_rows(table), table.title, table.text)
        if part["figures"]:
            yield report.Section(["figure", "picture"], _figures(folder, part["figures"]))


def _figures(folder, figures):
    for file, caption in figures:
        yield [caption, report.Picture(images.read(folder / "figures" / file), href=f"figures/{file}")]
