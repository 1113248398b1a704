"""Between contracts and the domain: what is asked of a check, what it answers, what the catalogue tells."""

from datetime import datetime
from itertools import chain
from uuid import UUID

from contracts import values
from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueReleased
from contracts.drug_names import Name, fold, key
from contracts.prescription_events import ItemToCheck, SafetyCheckRequested
from contracts.safety_check_events import KnowledgeBaseUpdated, SafetyCheckCompleted
from services.safety_check.domain import (
    Allergy,
    Finding,
    Item,
    Knowledge,
    Order,
    OtherPrescription,
    Verdict,
)
from services.safety_check.domain.frequencies import as_needed
from services.safety_check.domain.products import CatalogueItem


def order(event: SafetyCheckRequested) -> Order:
    """What a check looks at."""
    return Order(
        country=event.country,
        items=tuple(map(_item, event.items)),
        others=tuple(
            OtherPrescription(str(other.prescription_id), tuple(map(_item, other.items)))
            for other in event.others
        ),
        allergies=tuple(
            Allergy(one.ingredient, one.severity, one.reaction or "") for one in event.facts.allergies
        ),
    )


def verdict(found: Verdict, event: SafetyCheckRequested, *, at: datetime) -> values.Verdict:
    """A verdict as it travels."""
    return values.Verdict(
        knowledge_base_version=found.knowledge_base_version,
        checked_at=at,
        content_version=event.content_version,
        state=found.state,
        findings=tuple(map(_finding, found.findings)),
        coverage={
            check: values.Coverage(
                evaluated=one.evaluated, not_evaluated=one.not_evaluated, recorded=one.recorded
            )
            for check, one in found.coverage.items()
        },
        not_evaluated=tuple(
            values.NotEvaluated(
                check=gap.check,
                item_ids=tuple(map(UUID, gap.item_ids)),
                reason=gap.reason,
                suggestions=gap.suggestions,
            )
            for gap in found.not_evaluated
        ),
    )


def completed(event: SafetyCheckRequested, found: values.Verdict) -> SafetyCheckCompleted:
    """The answer to one request, with the three versions that it was asked with."""
    return SafetyCheckCompleted(
        tenant_id=event.tenant_id,
        prescription_id=event.prescription_id,
        content_version=event.content_version,
        facts_version=event.facts_version,
        in_force_version=event.in_force_version,
        patient_id=event.facts.patient_id,
        verdict=found,
    )


def updated(version: str, *, at: datetime) -> KnowledgeBaseUpdated:
    return KnowledgeBaseUpdated(knowledge_base_version=version, updated_at=at)


def product(item: CatalogueItem, *, release: str, source: str) -> CatalogueProduct:
    """A product of a release; what it is written for is the search, and the resolution of items by link."""
    return CatalogueProduct(
        release=release,
        medication_id=item.medication_id,
        catalogue=source,
        product=values.Product(
            product_code=item.code,
            product_name=item.names["en"],
            names=dict(item.names),
            product_type=item.type,
            active_ingredients=tuple(
                values.ActiveIngredient(ingredient=one.ingredient, name=one.name, atc_code=one.atc_code)
                for one in item.substances
            ),
            strength=item.fields["strength"],
            presentation=item.fields["presentation"],
            dosage_unit=item.fields["dosage_unit"],
            route=item.fields["route"],
            pack_format=item.fields["pack_format"],
            national_code=item.fields["national_code"],
            controlled_schedule=item.fields["controlled_schedule"],
        ),
        electronic_allowed=item.electronic_allowed,
        manufacturer=item.fields["manufacturer"],
        marketed=item.marketed,
        synonyms=item.synonyms,
        substance=item.substance,
        tipo_produto=item.fields["tipo_produto"],
        classe_terapeutica=item.fields["classe_terapeutica"],
        codigo_ggrem=item.fields["codigo_ggrem"],
        pf_17=item.prices.get("pf_17"),
        pmc_17=item.prices.get("pmc_17"),
    )


def names(knowledge: Knowledge) -> tuple[Name, ...]:
    """Every name once for each of its meanings and countries, in one order, to be told in parts."""
    known = chain(knowledge.names.by_folded.values(), *knowledge.names.brands.values())
    return tuple(sorted(known, key=lambda name: (name.ingredients, name.country, name.text)))


def name(one: Name, knowledge: Knowledge, *, release: str) -> CatalogueName:
    """A name of an ingredient, or of several together, as it is searched and resolved by."""
    alone = one.ingredients[0] if len(one.ingredients) == 1 else None
    return CatalogueName(
        release=release,
        ingredient="+".join(one.ingredients),
        name=one.text,
        folded=fold(one.text),
        name_key=key(one.text) if one.kind in ("inn", "alias", "combination") else None,
        language=one.language or None,
        kind=one.kind,
        country=one.country or None,
        atc_codes=knowledge.ingredients[alone].atc if alone else (),
        display_name=" + ".join(map(knowledge.shown, one.ingredients)),
        lookalikes=knowledge.lookalikes(alone) if alone else (),
    )


def released(
    release: str, *, sequence: int, products: int, names: int, version: str, at: datetime
) -> CatalogueReleased:
    return CatalogueReleased(
        release=release,
        sequence=sequence,
        products=products,
        names=names,
        knowledge_base_version=version,
        released_at=at,
    )


def _item(item: ItemToCheck) -> Item:
    return Item(
        id=str(item.item_id),
        number=item.number,
        medication_name=item.medication_name,
        active_ingredient=item.active_ingredient,
        linked=item.linked_ingredients or (),
        atc_codes=item.atc_codes,
        route=item.route,
        as_needed=as_needed(item.frequency, item.posology),
    )


def _finding(found: Finding) -> values.Finding:
    first, second = (*found.drugs, None)[:2]
    return values.Finding(
        interaction_type=found.interaction_type,
        severity=values.Severity(found.severity.name),
        rule_id=found.rule_id,
        source=found.source,
        evidence=found.evidence,
        reference=found.reference or None,
        ingredients=found.ingredients,
        drug_a=first or "",
        drug_b=second,
        item_ids=tuple(map(UUID, found.item_ids)),
        other_prescription_id=UUID(found.other_prescription_id) if found.other_prescription_id else None,
        assumed=found.assumed,
        assumptions=found.assumptions,
        suggestions=found.suggestions,
        text={
            language: values.FindingText(description=text.description, recommendation=text.recommendation)
            for language, text in found.text.items()
        },
    )
