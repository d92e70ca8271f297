"""Plan of a model on machines with graphics cards: how it is divided, how many copies run, and the reasons.

Tensor parallelism divides every layer and exchanges results within each, so it stays inside a machine. Pipeline
parallelism divides the layers into stages and passes on activations only, so it crosses machines. Whole copies
exchange nothing; as many run as fit, since FrameLens has many requests to divide among them. Memory is estimated by
`framelens.models`: this module only chooses between its proposals.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from framelens import ConfigError, EngineError, Notice
from framelens.plugin.models import Catalogue, CatalogueEntry, GpuCard, MemoryEstimate, Plan, Proposal, Shape
from framelens.plugin.texts import GIB, gib_text

_MAX_NODES = 1000
_MAX_CARDS = 64  # of a machine
_MOST_NODES_TRIED = 64
"""Machines up to which a refusal looks for a number that would do."""
_USUAL_LENGTH = 8192  # tokens, as in framelens.config.DEFAULT_VLLM_CONFIG
_LEAST_AT_ONCE = 2
_MOST_AT_ONCE = 64
"""Most requests that an engine computes at once."""
_LEAST_LENGTH = 4096  # tokens; the shortest length that is proposed
_GPUS = re.compile(r"(?:(\d{1,4})\s*[x×*]\s*)?(\d{1,4})", re.IGNORECASE)


@dataclass(frozen=True)
class ClusterHardware:
    """`nodes` machines with `cards` cards like `card` each."""

    nodes: int
    cards: int
    card: GpuCard

    @property
    def total_cards(self) -> int:
        """Return the number of all cards."""
        return self.nodes * self.cards


@dataclass(frozen=True)
class ClusterLayout:
    """Division of a model among machines.

    Attributes:
        tensor: Cards of a machine among which each layer is divided.
        pipeline: Stages of a copy.
        nodes: Machines of a copy.
        copies: Whole copies.
        idle: Cards that no copy uses.
    """

    tensor: int
    pipeline: int
    nodes: int
    copies: int
    idle: int


@dataclass(frozen=True)
class ClusterPlan:
    """A model with settings that fit the machines, and why they were chosen.

    Attributes:
        entry: The model.
        model_path: Folder of the model, the same on every machine.
        proposal: Settings of each copy, with its memory.
        requests: Requests of the planned length that the cache of each copy holds.
        reasons: Explanations, each a line.
    """

    hardware: ClusterHardware
    entry: CatalogueEntry
    model_path: str
    layout: ClusterLayout
    proposal: Proposal
    requests: float
    reasons: tuple[Notice, ...]

    @property
    def copies_each(self) -> int:
        """Return the copies on each machine; 0 where a copy needs several machines."""
        return self.layout.copies // self.hardware.nodes if self.layout.nodes == 1 else 0

    @property
    def has_servers_apart(self) -> bool:
        """Return whether every copy needs a server of its own.

        vLLM's data parallelism gives independent copies of dense models alone: it divides the experts of a mixture
        among all ranks.
        """
        return self.copies_each > 1 and self.entry.shape.text.experts > 0


def parse_gpus(text: str, card: GpuCard) -> ClusterHardware:
    """Parse machines × cards, such as "2x8"; "8" is one machine.

    Raises:
        ConfigError: It is something else, or a number is out of range.
    """
    match = _GPUS.fullmatch(text.strip())
    nodes, cards = (int(match[1] or 1), int(match[2])) if match else (0, 0)
    if not (1 <= nodes <= _MAX_NODES and 1 <= cards <= _MAX_CARDS):
        raise ConfigError("cluster_gpus", given=text, nodes=_MAX_NODES, cards=_MAX_CARDS)
    return ClusterHardware(nodes, cards, card)


def plan_cluster(
    hardware: ClusterHardware,
    model: str,
    catalogue: Catalogue,
    *,
    tensor_parallel: int | None = None,
    copies: int | None = None,
) -> ClusterPlan:
    """Plan a model on these machines.

    Args:
        hardware: The machines.
        model: A name as for `Catalogue.find`, or a folder.
        catalogue: The known models.
        tensor_parallel: The tensor parallel size to use; None chooses one.
        copies: The number of copies; None takes as many as fit.

    Raises:
        ModelNotFound: The model is unknown.
        ConfigError: The tensor parallel size doesn't divide the machine's cards or the model, or the machines can't be
            divided among so many copies.
        EngineError: The model doesn't fit, or vLLM doesn't run it.
    """
    entry, match = catalogue.find_entry(model)
    if entry.engine != "vllm":
        raise EngineError("cluster_engine", model=entry.id)
    if tensor_parallel is not None:
        _check_tensor_parallel(entry, hardware, tensor_parallel)
    layouts = _all_layouts(hardware, entry, tensor_parallel, copies)
    chosen = _choose(layouts, entry, hardware.card)
    if chosen is None:
        raise _does_not_fit(hardware, entry, catalogue, tensor_parallel)
    layout, proposal = chosen
    proposal = _with_requests(proposal)
    requests = proposal.sum.cache_tokens(proposal.budget_bytes) / proposal.plan.max_model_len
    named = replace(entry, id=match.entry.id) if match is not None else entry
    draft = ClusterPlan(hardware, named, _folder(model, named), layout, proposal, requests, ())
    return replace(draft, reasons=tuple(_reasons(draft)))


def _folder(model: str, entry: CatalogueEntry) -> str:
    """Return the path of the model on every machine: the given folder, else a folder named like the model."""
    is_path = model.startswith(("/", ".", "~")) or model.count("/") > 1
    if not is_path:
        return str(PurePosixPath("/models", entry.name))
    return model.removesuffix("/config.json").rstrip("/")


# ---- the choice ------------------------------------------------------------------------------------------------------


def _check_tensor_parallel(entry: CatalogueEntry, hardware: ClusterHardware, size: int) -> None:
    sizes = entry.shape.tensor_sizes(hardware.cards)
    possible = ", ".join(str(each) for each in sizes if hardware.cards % each == 0)
    if size < 1 or hardware.cards % size:
        raise ConfigError("cluster_tensor_cards", size=size, cards=hardware.cards, possible=possible)
    if size not in sizes:
        text, cache = entry.shape.text, entry.shape.text.cache
        raise ConfigError(
            "cluster_tensor_heads", model=entry.id, size=size, heads=text.heads, kv_heads=cache.heads,
            possible=possible,
        )  # fmt: skip


def _all_layouts(
    hardware: ClusterHardware, entry: CatalogueEntry, tensor: int | None, copies: int | None
) -> list[ClusterLayout]:
    """List the layouts to choose from, and refuse a number of copies that no layout has."""
    layouts = list(_layouts(hardware, entry.shape, tensor))
    if copies is None:
        return layouts
    possible = sorted({layout.copies for layout in layouts})
    if copies not in possible:
        values = {"copies": copies, "machines": f"{hardware.nodes} × {hardware.cards}"}
        raise ConfigError("cluster_copies", model=entry.id, possible=", ".join(map(str, possible)), **values)
    return [layout for layout in layouts if layout.copies == copies]


def _choose(
    layouts: Sequence[ClusterLayout], entry: CatalogueEntry, card: GpuCard
) -> tuple[ClusterLayout, Proposal] | None:
    """Choose the first layout in which the model fits well, else the first in which it fits at all.

    A conversion to fewer bits comes last: it changes the answers.
    """
    fitting = [
        (layout, proposal)
        for layout in layouts
        for proposal in Proposal.divided(entry, card, tensor_parallel=layout.tensor, pipeline_parallel=layout.pipeline)
    ]
    as_stored = [pair for pair in fitting if "quantization" not in pair[1].config]
    for candidates in (filter(_fits_well, as_stored), as_stored, filter(_fits_well, fitting), fitting):
        if chosen := next(iter(candidates), None):
            return chosen
    return None


def _fits_well(candidate: tuple[ClusterLayout, Proposal]) -> bool:
    """Return whether two requests of the usual length fit with CUDA graphs."""
    _, proposal = candidate
    usual = min(_USUAL_LENGTH, proposal.entry.shape.text.max_positions or _USUAL_LENGTH)
    return proposal.plan.max_model_len >= usual and proposal.concurrency >= _LEAST_AT_ONCE and not proposal.plan.eager


def _layouts(hardware: ClusterHardware, shape: Shape, tensor: int | None) -> Iterator[ClusterLayout]:
    """Yield the possible layouts: most copies first, copies within a machine before those that span several."""
    sizes = [tensor] if tensor else shape.tensor_sizes(hardware.cards)
    within = []
    for size in sizes:
        for stages in range(1, hardware.cards // size + 1):
            if stages <= shape.text.layers:
                each = hardware.cards // (size * stages)
                idle = (hardware.cards - each * size * stages) * hardware.nodes
                within.append(ClusterLayout(size, stages, 1, each * hardware.nodes, idle))
    yield from sorted(within, key=lambda layout: (-layout.copies, layout.pipeline, layout.idle))
    whole = max(size for size in sizes if hardware.cards % size == 0)
    across = [_across(hardware, whole, nodes) for nodes in range(2, hardware.nodes + 1)]
    possible = [layout for layout in across if layout.pipeline <= shape.text.layers]
    yield from sorted(possible, key=lambda layout: (-layout.copies, layout.idle))


def _across(hardware: ClusterHardware, tensor: int, nodes: int) -> ClusterLayout:
    """Return the layout of copies that span `nodes` machines each."""
    copies = hardware.nodes // nodes
    idle = (hardware.nodes - copies * nodes) * hardware.cards
    return ClusterLayout(tensor, nodes * hardware.cards // tensor, nodes, copies, idle)


def _does_not_fit(
    hardware: ClusterHardware, entry: CatalogueEntry, catalogue: Catalogue, tensor: int | None
) -> EngineError:
    """Build the refusal: what is missing on each card, a number of machines that would do, another model."""
    shape, card = entry.shape, hardware.card
    whole = tensor or max(size for size in shape.tensor_sizes(hardware.cards) if hardware.cards % size == 0)
    stages = min(shape.text.layers, hardware.nodes * hardware.cards // whole)
    smallest = Plan(
        max_model_len=min(_LEAST_LENGTH, shape.text.max_positions or _LEAST_LENGTH), max_num_seqs=8, eager=True,
        tensor_parallel=whole, pipeline_parallel=stages,
    )  # fmt: skip
    enough = None
    for nodes in range(hardware.nodes + 1, _MOST_NODES_TRIED + 1):
        pipeline = nodes * hardware.cards // whole
        if pipeline > shape.text.layers:
            break
        if Proposal.divided(entry, card, tensor_parallel=whole, pipeline_parallel=pipeline):
            enough = nodes
            break
    others = Proposal.for_cards(card, catalogue.by_id.values(), cards=hardware.total_cards)
    other = next(
        (
            proposal.entry.id
            for proposal in others
            if proposal.entry.id != entry.id
            and _choose(list(_layouts(hardware, proposal.entry.shape, None)), proposal.entry, card)
        ),
        "–",
    )
    values = {
        "model": entry.id,
        "machines": f"{hardware.nodes} × {hardware.cards}",
        "needed": gib_text(MemoryEstimate.of(shape, smallest).card_bytes),
        "usable": gib_text(card.memory_gib * GIB * GpuCard.USABLE),
        "other": other,
    }
    if enough:
        return EngineError("cluster_too_small", enough=f"{enough}x{hardware.cards}", **values)
    return EngineError("cluster_never_fits", **values)


def _with_requests(proposal: Proposal) -> Proposal:
    """Let the engine compute as many requests at once as its cache holds, up to the limit of FrameLens.

    A proposal for a single user's machine allows eight, since room for more costs memory.
    """
    requests = min(_MOST_AT_ONCE, int(proposal.concurrency))
    if requests <= proposal.plan.max_num_seqs:
        return proposal
    plan = replace(proposal.plan, max_num_seqs=requests)
    sum_ = MemoryEstimate.of(proposal.entry.shape, plan)
    if sum_.cache_tokens(proposal.budget_bytes) < _LEAST_AT_ONCE * plan.max_model_len:
        return proposal
    return replace(proposal, plan=plan, sum=sum_, config={**proposal.config, "max_num_seqs": requests})


# ---- the reasons -----------------------------------------------------------------------------------------------------


def _reasons(plan: ClusterPlan) -> Iterator[Notice]:
    shape, layout, proposal = plan.entry.shape, plan.layout, plan.proposal
    text, card, sum_ = shape.text, plan.hardware.card, proposal.sum
    weights = sum(term.total_bytes for term in sum_.terms if term.key in ("text_weights", "vision_weights"))
    yield Notice("cluster_memory", {
        "model": plan.entry.id, "weights": gib_text(weights), "needed": gib_text(sum_.card_bytes),
        "usable": gib_text(card.memory_gib * GIB * GpuCard.USABLE),
    }, "info")  # fmt: skip
    heads, kv_heads = text.heads, text.cache.heads
    if layout.tensor == 1 and layout.pipeline == 1:
        yield Notice("cluster_one_card", {}, "info")
    elif layout.tensor > 1:
        key = "cluster_tensor_repeats" if kv_heads % layout.tensor and not text.cache.latent else "cluster_tensor"
        yield Notice(key, {"size": layout.tensor, "heads": heads, "kv_heads": kv_heads}, "info")
    in_machine = min(plan.hardware.cards, layout.tensor * layout.pipeline)
    if layout.tensor < in_machine:
        values = {"size": layout.tensor, "cards": in_machine, "heads": heads}
        yield Notice("cluster_tensor_limited", values, "info")
    if layout.pipeline > 1:
        most = -(-text.layers // layout.pipeline)
        values = {"stages": layout.pipeline, "nodes": layout.nodes, "layers": text.layers, "each": most}
        yield Notice("cluster_pipeline" if layout.nodes > 1 else "cluster_pipeline_within", values, "info")
    if layout.copies > 1:
        yield Notice(
            "cluster_copies_apart" if plan.has_servers_apart else "cluster_copies", {"n": layout.copies}, "info"
        )
    if layout.idle:
        yield Notice("cluster_idle", {"n": layout.idle}, "warning")
    if "quantization" in proposal.config:
        yield Notice("cluster_converted", {"format": str(proposal.config["quantization"])}, "warning")
    if proposal.plan.eager:
        yield Notice("cluster_eager", {}, "warning")
    length = f"{proposal.plan.max_model_len:,}"
    requests = int(plan.requests) if plan.requests >= 1 else 1
    yield Notice("cluster_requests", {"length": length, "n": requests, "most": proposal.plan.max_num_seqs}, "info")
    yield Notice("cluster_with_ray" if layout.nodes > 1 else "cluster_without_ray", {}, "info")
