"""What must hold for every prescription (drug-safety.md 12), whatever is on it."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.drug_names import SUGGESTED_FROM, key, resolve, similarity, suggest
from services.safety_check.domain import Allergy, Item, Knowledge, Order, Severity, Tables, check

TABLES = Tables.read()
KNOWLEDGE = Knowledge(TABLES)
# Half of them from the middle of many rules: random pairs of all ingredients would hardly ever meet one.
_BUSY = """
warfarin acetylsalicylic-acid amiodarone simvastatin clarithromycin ketoconazole ibuprofen enalapril
spironolactone morphine diazepam sildenafil isosorbide-dinitrate methotrexate fluoxetine phenelzine
carbamazepine losartan hydrochlorothiazide amoxicillin clavulanic-acid rifampicin digoxin
lithium-carbonate tramadol
"""
BUSY = _BUSY.split()
INGREDIENTS = st.one_of(st.sampled_from(BUSY), st.sampled_from([i.id for i in TABLES.ingredients]))
NONSENSE = "xqzvw kjhgfd"
INTERACTIONS = ("pharmacodynamic", "pharmacokinetic", "unspecified")
EACH = settings(max_examples=120, deadline=None)


def _name(ingredient, language="en"):
    return getattr(KNOWLEDGE.ingredients[ingredient], f"name_{language}")


def _order(ingredients, language="en", route=None):
    items = (Item(f"i{n}", n, _name(one, language), route=route) for n, one in enumerate(ingredients, 1))
    return Order("ES", tuple(items))


def _worst(verdict):
    """By type and ingredients, the highest severity: what a doctor is told, whichever items it is about."""
    worst = {}
    for finding in verdict.findings:
        told = (finding.interaction_type, finding.ingredients)
        worst[told] = max(worst.get(told, Severity.none), finding.severity)
    return worst


orders = st.lists(INGREDIENTS, min_size=1, max_size=6, unique=True)


@EACH
@given(INGREDIENTS, INGREDIENTS)
def test_pairs_are_symmetric(a, b):
    assert _worst(check(_order([a, b]), KNOWLEDGE)) == _worst(check(_order([b, a]), KNOWLEDGE))


@EACH
@given(orders.flatmap(lambda chosen: st.tuples(st.just(chosen), st.permutations(chosen))))
def test_the_order_of_items_never_matters(both):
    one, other = (check(_order(chosen), KNOWLEDGE) for chosen in both)

    assert (_worst(one), one.state, one.coverage) == (_worst(other), other.state, other.coverage)


@EACH
@given(orders, INGREDIENTS)
def test_adding_an_item_never_removes_or_lowers_a_finding(chosen, another):
    before = _worst(check(_order(chosen), KNOWLEDGE))
    after = _worst(check(_order([*chosen, another]), KNOWLEDGE))

    assert {
        told: after.get(told, Severity.none) >= severity for told, severity in before.items()
    } == dict.fromkeys(before, True)


@EACH
@given(orders, st.sampled_from(["es", "pt"]))
def test_the_verdict_does_not_depend_on_language(chosen, language):
    english, other = (check(_order(chosen, spoken), KNOWLEDGE) for spoken in ("en", language))

    assert [replace(f, suggestions=(), text={}) for f in english.findings] == [
        replace(f, suggestions=(), text={}) for f in other.findings
    ]
    assert (english.state, english.coverage) == (other.state, other.coverage)


@EACH
@given(orders, st.data())
def test_a_name_replaced_by_nonsense_never_gives_none_known(chosen, data):
    order = _order(chosen)
    lost = data.draw(st.integers(0, len(chosen) - 1))
    items = list(order.items)
    items[lost] = replace(items[lost], medication_name=NONSENSE)

    verdict = check(replace(order, items=tuple(items)), KNOWLEDGE)

    assert verdict.state != "none_known"
    assert any(gap.check == "interaction" and items[lost].id in gap.item_ids for gap in verdict.not_evaluated)


@EACH
@given(orders)
def test_there_is_one_finding_for_each_pair_and_mechanism(chosen):
    verdict = check(_order(chosen), KNOWLEDGE)

    told = [
        (f.interaction_type, f.ingredients, f.item_ids)
        for f in verdict.findings
        if f.interaction_type in INTERACTIONS
    ]
    assert len(told) == len(set(told))


@EACH
@given(orders, st.sampled_from(["oral", "via tópica", "intravenosa", "colirio oftálmico", "subcutánea"]))
def test_knowing_a_route_never_adds_a_finding(chosen, route):
    unknown = check(_order(chosen), KNOWLEDGE)
    known = check(_order(chosen, route=route), KNOWLEDGE)

    assert set(_worst(known)) <= set(_worst(unknown))


@EACH
@given(orders, st.sampled_from([str.upper, str.title, lambda name: f"{name} 10 mg tablets oral"]))
def test_case_strength_and_form_do_not_change_the_verdict(chosen, written):
    plain = _order(chosen)
    items = tuple(replace(item, medication_name=written(item.medication_name)) for item in plain.items)

    assert _worst(check(replace(plain, items=items), KNOWLEDGE)) == _worst(check(plain, KNOWLEDGE))


@EACH
@given(INGREDIENTS, st.sampled_from(["en", "es", "pt"]))
def test_a_name_and_what_is_spelled_alike_reach_one_ingredient(ingredient, language):
    name = _name(ingredient, language)

    owners = {row.ingredients for row in KNOWLEDGE.names.by_key[key(name)]}
    assert (ingredient,) in owners
    assert len(owners) > 1 or resolve(name.upper(), "ES", KNOWLEDGE.names).ingredients == (ingredient,)


@settings(max_examples=30, deadline=None)
@given(INGREDIENTS, st.integers(0, 12), st.sampled_from("xqae"))
def test_suggestions_miss_no_name_that_is_similar_enough(ingredient, place, letter):
    name = _name(ingredient)
    text = name[:place] + letter + name[place + 1 :]

    similar = {
        row.ingredients[0]
        for folded, row in KNOWLEDGE.names.by_folded.items()
        if row.kind in ("inn", "alias") and similarity(folded, text) >= SUGGESTED_FROM
    }
    found = {suggestion.ingredient for suggestion in suggest(text, KNOWLEDGE.names)}
    assert found == similar if len(similar) <= 5 else found < similar


def test_a_check_is_the_same_on_a_version_made_from_scratch():
    again = Knowledge(Tables.read())
    order = _order(BUSY)

    assert check(order, again) == check(order, KNOWLEDGE)


ALLERGIES = st.lists(
    st.builds(
        Allergy,
        st.one_of(INGREDIENTS.map(_name), st.sampled_from(["penicillins", "AINE", "J01D", "latex"])),
        st.sampled_from(["mild", "moderate", "severe", "unknown"]),
        st.sampled_from(["", "DRESS", "rash"]),
    ),
    max_size=3,
)


@EACH
@given(orders, ALLERGIES, ALLERGIES)
def test_recording_another_allergy_never_removes_or_lowers_a_finding(chosen, recorded, more):
    order = replace(_order(chosen), allergies=tuple(recorded))
    before = _worst(check(order, KNOWLEDGE))
    after = _worst(check(replace(order, allergies=(*recorded, *more)), KNOWLEDGE))

    assert all(after.get(told, Severity.none) >= severity for told, severity in before.items())


@EACH
@given(orders, ALLERGIES)
def test_every_item_and_every_allergy_is_either_evaluated_or_told_to_be_not(chosen, recorded):
    verdict = check(replace(_order(chosen), allergies=tuple(recorded)), KNOWLEDGE)

    covered = verdict.coverage["allergy"]
    assert covered.evaluated + covered.not_evaluated == len(chosen) * len(recorded)
    assert bool(covered.not_evaluated) == any(gap.check == "allergy" for gap in verdict.not_evaluated)
