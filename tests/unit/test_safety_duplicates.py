"""The same treatment twice: the table of drug-safety.md 7.1."""

import pytest

from services.safety_check.domain import Item, Knowledge, Order, Tables, check
from services.safety_check.domain.frequencies import as_needed

KNOWLEDGE = Knowledge(Tables.read())


def duplicates(a, b, **of_a):
    order = Order("BR", (Item("i1", 1, a, **of_a), Item("i2", 2, b)))
    return [
        (f.severity.name, f.rule_id)
        for f in check(order, KNOWLEDGE).findings
        if f.interaction_type == "duplicate_therapy"
    ]


def test_one_ingredient_in_two_items_is_major_also_inside_a_combination():
    assert duplicates("paracetamol", "paracetamol + codeína") == [("major", "d1:paracetamol")]


def test_other_ingredients_of_one_class_are_moderate():
    assert duplicates("loratadina", "desloratadina") == [("moderate", "d2:R06AX")]


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        ("omeprazole", "pantoprazole", "d2:A02BC"),
        ("simvastatin", "atorvastatin", "d2:C10AA"),
        ("enalapril", "ramipril", "d2:C09AA"),
        ("losartan", "valsartan", "d2:C09CA"),
    ],
)
def test_some_classes_are_never_given_twice(a, b, rule):
    assert duplicates(a, b) == [("major", rule)]


@pytest.mark.parametrize(
    ("a", "b"),
    [("insulin glargine", "insulin aspart"), ("lamotrigine", "topiramate"), ("zidovudine", "lamivudine")],
)
def test_classes_that_are_given_together_on_purpose_are_no_duplicates(a, b):
    assert duplicates(a, b) == []


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        ("liraglutide", "sitagliptin", "d3:dpp4-glp1"),
        ("sitagliptin", "liraglutide", "d3:dpp4-glp1"),
        ("diazepam", "zolpidem", "d3:benzo-zdrug"),
        ("metamizole", "ibuprofen", "d3:nsaid-nsaid"),
    ],
)
def test_two_classes_of_one_action_are_major_in_either_order(a, b, rule):
    assert duplicates(a, b) == [("major", rule)]


def _all(a, b):
    return check(Order("BR", (Item("i1", 1, a), Item("i2", 2, b))), KNOWLEDGE).findings


def test_a_duplicate_that_an_interaction_says_as_gravely_is_said_once():
    found = _all("ibuprofen", "ketoprofen")

    assert [f.interaction_type for f in found] == ["pharmacodynamic"]


def test_an_opioid_taken_as_needed_beside_another_is_minor():
    assert duplicates("morphine", "oxycodone") == [("major", "d2:N02AA")]
    assert duplicates("morphine", "oxycodone", as_needed=True) == [("minor", "d2:N02AA")]


@pytest.mark.parametrize(
    "said", ["as needed", "SOS", "se necessário", "1 comprimido si precisa", "a demanda"]
)
def test_taken_as_needed_is_understood_in_three_languages(said):
    assert as_needed(said)
    assert not as_needed("8/8h", None, "necesario siempre")


def test_a_cream_and_a_tablet_of_one_class_are_no_duplicates():
    items = (Item("i1", 1, "clotrimazole", route="topical"), Item("i2", 2, "fluconazole", route="oral"))

    assert check(Order("BR", items), KNOWLEDGE).findings == ()


NEVER_TWICE = ["N05BA", "N05CD", "N02AA", "N06AB", "C10AA", "A02BC", "C09AA", "C09CA", "B01AA", "B01AF"]
TOGETHER_ON_PURPOSE = ["A10A", "N03A", "J05A", "R03", "J07", "L01", "J04", "A11", "A12", "B05"]


def _of_level_4(prefix):
    codes = [(prefix + "AA01"[len(prefix) - 3 :])[:5] + number for number in ("01", "02")]
    a, b = (KNOWLEDGE.therapies.kinds(code, (code,)) for code in codes)
    therapy = KNOWLEDGE.therapies.same(a, b, as_needed=False)
    return therapy.severity.name if therapy else "none"


def test_each_class_of_the_table_has_the_severity_that_the_table_gives_it():
    said = {prefix: _of_level_4(prefix) for prefix in (*NEVER_TWICE, *TOGETHER_ON_PURPOSE, "R06AX")}

    assert said == dict.fromkeys(NEVER_TWICE, "major") | dict.fromkeys(TOGETHER_ON_PURPOSE, "none") | {
        "R06AX": "moderate"
    }


@pytest.mark.parametrize(
    ("a", "b"),
    [("C09AA02", "C09CA01"), ("B01AF01", "B01AA03"), ("N05BA01", "N05CF02"), ("A10BJ02", "A10BH01")],
)
def test_each_pair_of_actions_of_the_table_is_major(a, b):
    held = [KNOWLEDGE.therapies.kinds(code, (code,)) for code in (a, b)]

    assert KNOWLEDGE.therapies.same(*held, as_needed=False).severity.name == "major"
