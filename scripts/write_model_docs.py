"""Write the tables of docs/reference/models.*.md from the catalogue, the formats and the proposals.

The text between `<!-- NAME -->` and `<!-- / -->` is replaced; the rest is written by hand. A test holds the
documents to it. Run it after a change of framelens/models: python scripts/write_model_docs.py
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from framelens.core.domain import Language  # noqa: E402
from framelens.core.units import gib_text  # noqa: E402
from framelens.i18n import in_language, language, t  # noqa: E402
from framelens.models.catalogue import built_in  # noqa: E402
from framelens.models.formats import NUMBER_FORMATS, NumberFormat  # noqa: E402
from framelens.models.memory import MemoryEstimate  # noqa: E402
from framelens.models.placement import GpuCard, Proposal, propose_for_cpu  # noqa: E402
from framelens.models.serving_plan import Plan  # noqa: E402
from framelens.plugins.models.formatting import format_cells, parameters_text  # noqa: E402

DOCUMENTS: dict[Language, Path] = {
    "en": REPOSITORY / "docs" / "reference" / "models.en.md",
    "zh": REPOSITORY / "docs" / "reference" / "models.zh.md",
}
_MACHINES = (
    ("24 GB", GpuCard(24)), ("16 GB", GpuCard(16)), ("12 GB", GpuCard(12)), ("11 GB (RTX 2080 Ti)", GpuCard(11, 7.5)),
    ("8 GB", GpuCard(8)), ("CPU, 32 GB", 32.0), ("CPU, 16 GB", 16.0), ("CPU, 8 GB", 8.0),
)  # fmt: skip


def written(text: str, spoken: Language) -> str:
    """Return `text` with its tables regenerated in this language."""
    with in_language(spoken):
        tables = {"catalogue": _catalogue(), "fit": _fit(), "formats": _formats()}

    def replaced(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n{tables[found[1]]}\n<!-- / -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- / -->", replaced, text, flags=re.DOTALL)


def _table(names: list[str], rows: list[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _names(*names: str) -> list[str]:
    return [t(f"models.column_{name}") for name in names]


def _catalogue() -> str:
    rows = []
    for entry in built_in().by_id.values():
        shape = entry.shape
        weights = MemoryEstimate.of(shape, Plan()).bytes_of("text_weights", "vision_weights")
        cells = [f"`{entry.id}`", parameters_text(shape), t(f"models.{_sight(entry.sees)}")]
        cells += [t(f"models.format.{NumberFormat.of(shape).key}.name"), gib_text(weights)]
        cells += [f"{shape.text.max_positions:,}", entry.licence, entry.about[language()]]
        rows.append(cells)
    columns = _names("model", "parameters", "sees", "format", "weights", "context", "licence", "about")
    return _table(columns, rows)


def _sight(sees: bool) -> str:
    return "sees" if sees else "blind"


def _fit() -> str:
    entries = tuple(built_in().by_id.values())
    rows = []
    for name, machine in _MACHINES:
        best = (
            Proposal.for_cards(machine, entries) if isinstance(machine, GpuCard) else propose_for_cpu(machine, entries)
        )[0]
        rows.append([name, f"`{best.entry.id}`", gib_text(best.sum.card_bytes), str(best.frames), _settings(best)])
    return _table(_names("here", "model", "needs", "frames", "how"), rows)


def _settings(best: Proposal) -> str:
    more = "".join(f", `{name}={value}`" for name, value in best.environment.items())
    return f"`{json.dumps(dict(best.config))}`{more}"


def _formats() -> str:
    columns = _names("format", "bits", "seven", "capability", "full", "cpu", "how", "about")
    rows = [list(format_cells(one)) for one in NUMBER_FORMATS]
    return _table(columns, [[*row[:6], f"`{row[6]}`" if row[6] != "–" else "–", row[7]] for row in rows])


if __name__ == "__main__":
    for spoken, path in DOCUMENTS.items():
        path.write_text(written(path.read_text(encoding="utf-8"), spoken), encoding="utf-8")
