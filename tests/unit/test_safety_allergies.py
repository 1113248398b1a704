"""What a recorded allergy forbids: the table of drug-safety.md 7.2, row by row and in three languages."""

import pytest

from services.safety_check.domain import Allergy, Coverage, Item, Knowledge, Order, Severity, Tables, check

KNOWLEDGE = Knowledge(Tables.read())


def against(allergy, *items, **more):
    """The allergy findings of items, by the name of the item."""
    order = Order(
        "BR", tuple(Item(f"i{n}", n, name, **more) for n, name in enumerate(items, 1)), allergies=(allergy,)
    )
    found = [f for f in check(order, KNOWLEDGE).findings if f.interaction_type == "allergy"]
    return {items[int(f.item_ids[0][1:]) - 1]: f.severity.name for f in found}


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        ("severe", "contraindicated"),
        ("SEVERE", "contraindicated"),
        ("moderate", "critical"),
        ("unknown", "critical"),
        ("", "critical"),
        ("mild", "major"),
    ],
)
def test_the_recorded_severity_says_how_grave_the_ingredient_itself_is(severity, expected):
    assert against(Allergy("amoxicillin", severity), "amoxicillin") == {"amoxicillin": expected}


def test_a_salt_or_a_combination_of_the_ingredient_is_the_ingredient():
    items = ("AMOXICILINA TRIIDRATADA 500 mg", "amoxicilina + clavulanato de potássio")

    assert against(Allergy("amoxicilina", "severe"), *items) == dict.fromkeys(items, "contraindicated")


@pytest.mark.parametrize("name", ["penicillins", "penicilinas", "Penicilina", "PENICILLIN", "J01C"])
def test_a_class_or_a_prefix_means_each_of_its_members_in_every_language(name):
    assert against(Allergy(name, "moderate"), "ampicilina", "benzylpenicillin", "paracetamol") == {
        "ampicilina": "critical",
        "benzylpenicillin": "critical",
    }


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("cefalosporinas", "ceftriaxona"),
        ("sulfas", "sulfametoxazol"),
        ("AINE", "ibuprofeno"),
        ("contraste iodado", "ioexol"),
        ("macrólidos", "eritromicina"),
        ("quinolonas", "ciprofloxacino"),
        ("opioides", "morfina"),
    ],
)
def test_classes_have_names_in_the_languages_of_those_who_record_them(name, item):
    assert against(Allergy(name, "mild"), item) == {item: "major"}


@pytest.mark.parametrize(
    ("recorded", "item", "expected"),
    [
        ("benzylpenicillin", "oxacillin", "critical"),
        ("amoxicillin", "cefalexin", "critical"),
        ("ampicillin", "cefaclor", "critical"),
        ("cefadroxil", "amoxicillin", "critical"),
        ("cefprozil", "ampicillin", "critical"),
        ("ceftazidime", "aztreonam", "critical"),
        ("aztreonam", "ceftazidime", "critical"),
        ("amoxicillin", "ceftriaxone", "moderate"),
        ("penicillin", "cefalexin", "moderate"),
        ("amoxicillin", "cefazolin", "minor"),
        ("ibuprofen", "diclofenac", "critical"),
        ("acetylsalicylic acid", "ketoprofen", "critical"),
        ("ibuprofen", "acetylsalicylic acid", "critical"),
        ("ibuprofen", "metamizole", "critical"),
        ("ibuprofen", "celecoxib", "moderate"),
        ("sulfamethoxazole", "sulfasalazine", "critical"),
        ("sulfamethoxazole", "sulfadiazine", "critical"),
        ("omeprazole", "pantoprazole", "major"),
        ("simvastatin", "atorvastatin", "major"),
    ],
)
def test_what_crosses_from_one_medicine_to_another_is_as_grave_as_the_table_says(recorded, item, expected):
    assert against(Allergy(recorded), item) == {item: expected}


@pytest.mark.parametrize(
    ("recorded", "item"),
    [
        ("ibuprofen", "paracetamol"),
        ("sulfamethoxazole", "furosemide"),
        ("sulfas", "hydrochlorothiazide"),
        ("amoxicillin", "meropenem"),
        ("amoxicillin", "azithromycin"),
        ("omeprazole", "famotidine"),
    ],
)
def test_what_does_not_cross_is_not_alerted(recorded, item):
    assert against(Allergy(recorded, "severe"), item) == {}


@pytest.mark.parametrize(
    "reaction",
    [
        "DRESS",
        "SJS em 2019",
        "TEN",
        "síndrome de Stevens-Johnson",
        "Lyell",
        "necrólise epidérmica tóxica",
        "toxic epidermal necrolysis",
    ],
)
def test_a_skin_reaction_that_kills_forbids_every_beta_lactam_however_it_was_graded(reaction):
    assert against(Allergy("amoxicillin", "mild", reaction), "ceftriaxone", "amoxicillin") == {
        "ceftriaxone": "contraindicated",
        "amoxicillin": "contraindicated",
    }


def test_ten_minutes_are_no_toxic_epidermal_necrolysis():
    assert against(Allergy("amoxicillin", "mild", "rash after ten minutes"), "ceftriaxone") == {
        "ceftriaxone": "moderate"
    }


def test_an_allergen_without_meaning_is_still_found_by_its_name():
    assert against(Allergy("Zorgamicina"), "Zorgamicina 250 mg") == {"Zorgamicina 250 mg": "critical"}


def test_what_other_prescriptions_hold_is_not_reported_here():
    allergic = Order("BR", (Item("i1", 1, "paracetamol"),), allergies=(Allergy("amoxicillin"),))

    verdict = check(allergic, KNOWLEDGE)

    assert (verdict.findings, verdict.coverage["allergy"]) == ((), Coverage(1, 0, recorded=1))


def test_an_item_that_nobody_understood_is_a_gap_of_the_allergy_check():
    order = Order("BR", (Item("i1", 1, "qwxyz"),), allergies=(Allergy("amoxicillin"),))

    verdict = check(order, KNOWLEDGE)

    assert ("allergy", "ingredient_unresolved") in [(n.check, n.reason) for n in verdict.not_evaluated]
    assert verdict.coverage["allergy"] == Coverage(0, 1, recorded=1)


def test_a_finding_names_the_medicine_the_allergen_and_speaks_three_languages():
    order = Order("BR", (Item("i1", 1, "cefalexina"),), allergies=(Allergy("amoxicilina", "severe"),))

    (finding,) = (f for f in check(order, KNOWLEDGE).findings if f.interaction_type == "allergy")

    assert finding.drugs == ("CEFALEXINA", "AMOXICILINA")
    assert (finding.source, finding.rule_id) == ("allergy_registry", "allergy:aminopenicillin-r1")
    assert finding.ingredients == ("amoxicillin", "cefalexin")
    assert finding.severity is Severity.contraindicated
    assert set(finding.text) == {"en", "es", "pt"}
