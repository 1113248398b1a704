"""What a check says of a prescription: interactions, duplicates, and what it could not answer."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from services.safety_check.domain import (
    Allergy,
    Coverage,
    Item,
    Knowledge,
    KnowledgeRefused,
    Order,
    OtherPrescription,
    Severity,
    Tables,
    check,
)

TABLES = Tables.read()
KNOWLEDGE = Knowledge(TABLES)
GOLDEN = list(csv.DictReader((Path(__file__).parent / "safety_golden_pairs.csv").open(encoding="utf-8")))
INTERACTIONS = ("pharmacodynamic", "pharmacokinetic", "unspecified")


def order(*names, country="BR", **more):
    return Order(country, tuple(Item(f"i{n}", n, name) for n, name in enumerate(names, 1)), **more)


def found(verdict, *types):
    return [
        (f.interaction_type, f.severity.name, f.rule_id)
        for f in verdict.findings
        if not types or f.interaction_type in types
    ]


def with_rules(*rows):
    return Knowledge(replace(TABLES, rules=(*TABLES.rules, *rows)))


def rule(id, a, b, severity, mechanism="pharmacokinetic"):
    return replace(TABLES.rules[0], id=id, a=a, b=b, severity=severity, mechanism=mechanism, decided=False)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['a']} + {row['b']}")
@pytest.mark.parametrize("language", ["", "_es", "_pt"])
def test_the_golden_pairs_stay_in_their_band_in_every_language(row, language):
    verdict = check(order(row["a" + language], row["b" + language]), KNOWLEDGE)

    worst = max(
        (f.severity for f in verdict.findings if f.interaction_type in INTERACTIONS), default=Severity.none
    )
    assert Severity[row["min_severity"]] <= worst <= Severity[row["max_severity"]]
    assert found(verdict, "unverified_medication") == []


@pytest.mark.parametrize("dose", ["100 mg", "81 mg", "500 mg", ""])
def test_warfarin_with_aspirin_is_critical_at_every_dose(dose):
    verdict = check(order("VARFARINA SODICA 5 mg", f"ASPIRINA {dose}"), KNOWLEDGE)

    finding = verdict.findings[0]
    assert (finding.rule_id, finding.severity.name) == ("f:acetylsalicylic-acid:warfarin", "critical")
    assert (finding.source, finding.interaction_type) == ("tier1_matrix", "pharmacodynamic")
    assert finding.drugs == ("VARFARINA", "ACIDO ACETILSALICILICO")
    assert finding.item_ids == ("i1", "i2")
    assert set(finding.text) == {"en", "es", "pt"}


@pytest.mark.parametrize(
    ("a", "b", "severity"),
    [
        ("tapentadol", "midazolam", "critical"),
        ("codeine", "clonazepam", "critical"),
        ("lodenafil", "isosorbide dinitrate", "contraindicated"),
        ("warfarin", "acenocoumarol", "critical"),
        ("varicella vaccine", "tocilizumab", "contraindicated"),
    ],
)
def test_decided_severities_hold_whatever_a_source_says(a, b, severity):
    assert check(order(a, b), KNOWLEDGE).findings[0].severity.name == severity


def test_a_more_specific_rule_lowers_what_a_general_one_says_down_to_none():
    statin = rule("general", "C10AA", "J02AC03", "critical")
    lowered = rule("special", "pravastatin", "voriconazole", "none")

    verdicts = [
        found(check(order(statin_name, "voriconazole"), with_rules(statin, lowered)), *INTERACTIONS)
        for statin_name in ("pravastatin", "fluvastatin")
    ]

    assert verdicts == [[], [("pharmacokinetic", "critical", "general")]]


def test_of_two_rules_of_one_rank_the_more_severe_counts_then_the_smaller_id():
    rules = [
        rule("b", "metamizole", "N03AX09", "moderate"),
        rule("c", "metamizole", "lamotrigine", "major"),
        rule("a", "N02BB02", "N03AX09", "major"),
    ]

    assert found(check(order("metamizole", "lamotrigine"), with_rules(*rules))) == [
        ("pharmacokinetic", "major", "a")
    ]


def test_each_mechanism_is_decided_apart():
    kinetic = rule("k", "metamizole", "lamotrigine", "minor")
    dynamic = rule("d", "N02BB", "N03AX", "major", "pharmacodynamic")

    assert found(check(order("metamizole", "lamotrigine"), with_rules(kinetic, dynamic))) == [
        ("pharmacodynamic", "major", "d"),
        ("pharmacokinetic", "minor", "k"),
    ]


def test_a_rule_of_a_class_with_itself_means_two_different_members():
    assert ("pharmacodynamic", "major", "f:M01AE:M01AE") in found(
        check(order("ibuprofen", "naproxen"), KNOWLEDGE)
    )
    assert found(check(order("ibuprofen", "ibuprofeno"), KNOWLEDGE)) == [
        ("duplicate_therapy", "major", "d1:ibuprofen")
    ]


def test_a_combination_counts_by_its_parts_and_by_its_own_code():
    whole = check(order("enalapril", "sacubitril e valsartana"), KNOWLEDGE)
    parts = check(order("enalapril", "valsartana"), KNOWLEDGE)

    assert any("sacubitril" in finding.ingredients for finding in whole.findings)
    assert not any("sacubitril" in finding.ingredients for finding in parts.findings)


def test_ingredients_inside_one_item_are_not_compared():
    linked = Item("i1", 1, "Warfarin with aspirin", linked=("warfarin", "acetylsalicylic-acid"))

    assert found(check(Order("ES", (linked,)), KNOWLEDGE)) == []


def test_the_same_ingredient_twice_is_found_inside_a_combination_too():
    verdict = check(order("losartana 50 mg", "losartana potássica + hidroclorotiazida"), KNOWLEDGE)

    assert ("duplicate_therapy", "major", "d1:losartan") in found(verdict)


def test_one_local_and_one_systemic_are_no_duplicate():
    cream = Item("i1", 1, "ketoconazole cream", route="topical")
    tablet = Item("i2", 2, "ketoconazole tablets", route="oral")
    unknown = replace(cream, route=None)

    assert found(check(Order("ES", (cream, tablet)), KNOWLEDGE)) == []
    assert found(check(Order("ES", (unknown, tablet)), KNOWLEDGE), "duplicate_therapy") == [
        ("duplicate_therapy", "major", "d1:ketoconazole")
    ]


def test_a_duplicate_is_left_out_where_an_interaction_of_the_items_is_as_severe():
    one = Item("i1", 1, linked=("warfarin",))
    two = Item("i2", 2, linked=("warfarin", "acetylsalicylic-acid"))

    assert found(check(Order("ES", (one, two)), KNOWLEDGE), "duplicate_therapy") == []


def test_items_are_compared_with_other_prescriptions_but_never_two_others_with_each_other():
    others = (
        OtherPrescription("p1", (Item("o1", 1, "warfarin"),)),
        OtherPrescription("p2", (Item("o2", 1, "sildenafil"), Item("o3", 2, "isosorbide dinitrate"))),
    )

    verdict = check(order("aspirina", others=others), KNOWLEDGE)

    assert [(f.rule_id, f.item_ids, f.other_prescription_id) for f in verdict.findings] == [
        ("f:acetylsalicylic-acid:warfarin", ("i1",), "p1")
    ]


def test_a_cream_does_not_interact_as_the_tablet_does():
    tablet = Item("i1", 1, "ketoconazole", route="via oral")
    cream = Item("i1", 1, "ketoconazole", route="tópica")
    statin = Item("i2", 2, "simvastatin")

    assert found(check(Order("ES", (tablet, statin)), KNOWLEDGE))[0][1] == "contraindicated"
    assert found(check(Order("ES", (cream, statin)), KNOWLEDGE)) == []


@pytest.mark.parametrize(
    ("name", "rule_id", "severity"),
    [
        ("qwxyz", "res:unresolved", "major"),
        ("amoxicilina + qwxyz", "res:partly_resolved", "major"),
        ("amoxixilina", "res:name_assumed", "moderate"),
    ],
)
def test_an_item_that_is_not_understood_says_so(name, rule_id, severity):
    verdict = check(order(name), KNOWLEDGE)

    assert found(verdict) == [("unverified_medication", severity, rule_id)]
    assert verdict.state == "finding"
    assert verdict.coverage["interaction"] == Coverage(0, 0)
    assert verdict.not_evaluated[0].check == "interaction"


def test_a_product_and_a_name_that_disagree_are_both_checked():
    item = Item("i1", 1, "Marevan", active_ingredient="aspirina", linked=("warfarin",))

    verdict = check(Order("BR", (item, Item("i2", 2, "omeprazol"))), KNOWLEDGE)

    assert ("unverified_medication", "moderate", "res:names_disagree") in found(verdict)


def test_what_is_found_under_a_guess_says_that_it_is_assumed():
    verdict = check(order("rivaroxabam", "warfarin", country="ES"), KNOWLEDGE)

    assert [(f.interaction_type, f.severity.name, f.assumed, f.assumptions) for f in verdict.findings] == [
        ("pharmacodynamic", "critical", True, ("name_assumed",)),
        ("unverified_medication", "moderate", True, ()),
    ]
    assert verdict.coverage["interaction"] == Coverage(0, 1)


def test_a_link_to_a_substance_of_no_table_resolves_nothing():
    item = Item("i1", 1, "qwxyz", linked=("unobtainium",))

    assert found(check(Order("ES", (item,)), KNOWLEDGE)) == [
        ("unverified_medication", "major", "res:unresolved")
    ]


def test_an_allergy_that_nobody_understands_is_not_evaluated_and_never_none_known():
    verdict = check(order("paracetamol", allergies=(Allergy("penicillin"), Allergy("latex"))), KNOWLEDGE)

    assert verdict.coverage["allergy"] == Coverage(1, 1, recorded=2)
    assert ("allergy", "allergen_unresolved", ("i1",)) in [
        (n.check, n.reason, n.item_ids) for n in verdict.not_evaluated
    ]
    assert verdict.state == "not_evaluated"


def test_without_recorded_allergies_nothing_is_missing_of_them():
    verdict = check(order("paracetamol"), KNOWLEDGE)

    assert verdict.coverage["allergy"] == Coverage(0, 0, recorded=0)
    assert "allergy" not in [n.check for n in verdict.not_evaluated]


def test_checks_without_a_table_say_that_they_were_not_made():
    verdict = check(order("paracetamol", "amoxicilina"), KNOWLEDGE)

    assert {(n.check, n.reason) for n in verdict.not_evaluated} == {
        ("contraindication", "list_missing"),
        ("controlled_substance", "list_missing"),
        ("dose", "no_maximum"),
    }
    assert verdict.coverage["duplicate_therapy"] == Coverage(1, 0)


def test_what_has_no_code_of_a_classification_has_no_class_to_be_given_twice_in():
    verdict = check(order("iodine", "paracetamol"), KNOWLEDGE)

    assert verdict.coverage["duplicate_therapy"] == Coverage(0, 1)
    assert ("duplicate_therapy", "list_incomplete", ("i1",)) in [
        (n.check, n.reason, n.item_ids) for n in verdict.not_evaluated
    ]


def test_an_ingredient_that_no_rule_was_written_for_is_not_evaluated():
    verdict = check(order("urea", "paracetamol"), KNOWLEDGE)

    assert verdict.coverage["interaction"] == Coverage(0, 1)
    assert ("interaction", "ingredient_not_reviewed", ("i1",)) in [
        (n.check, n.reason, n.item_ids) for n in verdict.not_evaluated
    ]


def test_what_another_prescription_holds_and_nobody_understood_is_a_gap():
    others = (OtherPrescription("p1", (Item("o1", 1, "qwxyz"),)),)

    verdict = check(order("paracetamol", others=others), KNOWLEDGE)

    assert verdict.coverage["interaction"] == Coverage(0, 1)
    assert ("interaction", "ingredient_unresolved", ("i1",)) in [
        (n.check, n.reason, n.item_ids) for n in verdict.not_evaluated
    ]


def test_a_product_known_only_by_the_code_of_its_combination_is_split():
    item = Item("i1", 1, "Enalaplus", atc_codes=("C09BA02",))

    verdict = check(Order("ES", (item, Item("i2", 2, "enalapril"))), KNOWLEDGE)

    assert ("duplicate_therapy", "major", "d1:enalapril") in found(verdict)


def test_findings_come_by_severity_then_type_then_ingredients():
    verdict = check(order("warfarin", "aspirina", "amiodarone", "qwxyz", "simvastatin"), KNOWLEDGE)

    places = [(-f.severity, f.interaction_type, f.ingredients) for f in verdict.findings]
    assert places == sorted(places)
    assert len(places) > 4


def test_two_rules_with_one_id_are_refused():
    with pytest.raises(KnowledgeRefused, match="f:acetylsalicylic-acid:warfarin"):
        with_rules(rule("f:acetylsalicylic-acid:warfarin", "metamizole", "lamotrigine", "minor"))
