"""Results of the search for medicines in this dialect (delphos-dialect 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.gateway.messages.delphos.words import Shown
from services.gateway.messages.products import Found, trade_name

METHOD: Final = "trigram+fulltext"
DIGITS: Final = 6


class Query(Shown):
    """The request with its defaults filled in."""

    query: str
    limit: int
    threshold: float
    tipo_produto: str | None
    classe_terapeutica: str | None
    atc_prefix: str | None


class Medication(Shown):
    """A product of the price list, and how well it fits."""

    medication_id: UUID
    codigo_ggrem: str | None
    substancia: str
    laboratorio: str | None
    produto: str
    apresentacao: str | None
    tipo_produto: str | None
    classe_terapeutica: str | None
    pf_17: float | None
    pmc_17: float | None
    vector_score: float
    bm25_score: float
    rrf_score: float
    trigram_score: float
    atc_codes: list[str]
    catalog: str


class SearchResult(Shown):
    """What was found, best first."""

    query: Query
    results: list[Medication]
    total_results: int
    search_method: str
    latency_ms: float
    cached_embedding: bool
    reranked: bool


def result(query: Mapping[str, Any], found: Sequence[Found], *, seconds: float) -> SearchResult:
    return SearchResult(
        query=Query.model_validate(query),
        results=[_medication(one) for one in found],
        total_results=len(found),
        search_method=METHOD,
        latency_ms=round(seconds * 1_000, 1),
        cached_embedding=False,
        reranked=False,
    )


def _medication(one: Found) -> Medication:
    record = one.record
    return Medication(
        medication_id=record.medication_id,
        codigo_ggrem=record.codigo_ggrem,
        substancia=one.substance,
        laboratorio=record.manufacturer,
        produto=trade_name(record),
        apresentacao=record.product.presentation,
        tipo_produto=record.tipo_produto,
        classe_terapeutica=record.classe_terapeutica,
        pf_17=_price(record.pf_17),
        pmc_17=_price(record.pmc_17),
        vector_score=0.0,
        bm25_score=round(one.text_score, DIGITS),
        rrf_score=one.fused_score,
        trigram_score=round(one.trigram_score, DIGITS),
        atc_codes=list(one.atc_codes),
        # A release is told with the knowledge base that its substances were resolved by.
        catalog=f"{record.catalogue} {record.release.partition('+')[0]}",
    )


def _price(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
