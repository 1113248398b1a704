"""The tables that ship: complete, without contradictions, and refused when they contradict themselves."""

import csv
from dataclasses import replace

import pytest

from contracts.drug_names import fold, key
from services.safety_check.domain import DATA, Knowledge, KnowledgeRefused, Tables
from services.safety_check.domain.tables import contradictions
from services.safety_check.domain.texts import of_rule

TABLES = Tables.read()
KNOWLEDGE = Knowledge(TABLES)
ALIASES = """
paracetamol: acetaminophen, acetaminofén, acetaminofeno. salbutamol: albuterol.
pethidine: meperidine, meperidina.
rifampicin: rifampin. glibenclamide: glyburide. metamizole: dipyrone, dipirona, noramidopyrine.
acetylsalicylic-acid: aspirin, aspirina, AAS, ASA. epinephrine: adrenaline, adrenalina.
norepinephrine: noradrenaline, noradrenalina, levarterenol.
glyceryl-trinitrate: nitroglycerin, nitroglicerina, trinitrina.
suxamethonium: succinylcholine, succinilcolina.
chlorphenamine: chlorpheniramine, clorfeniramina. thiamazole: methimazole, metimazol.
levomepromazine: methotrimeprazine. phytomenadione: vitamin K1. furosemide: frusemide. lidocaine: lignocaine.
st-johns-wort: Hyperici herba, hypericum, St John's wort, hipérico, hierba de San Juan, erva-de-são-joão.
butylscopolamine: hyoscine butylbromide, butilescopolamina, butilbromuro de hioscina,
butilbrometo de escopolamina.
scopolamine: hyoscine, hioscina, escopolamina. amfepramone: diethylpropion, dietilpropiona.
valproic-acid: divalproex, divalproato, valproato semisódico. folinic-acid: leucovorin, leucovorina.
sulfafurazole: sulfisoxazole. acenocoumarol: acenocumarol. fluorouracil: 5-FU, fluoruracila.
hydroxycarbamide: hydroxyurea, hidroxiurea, hidroxiureia. methylthioninium: methylene blue, azul de metileno.
oxytocin: ocitocina. isoprenaline: isoproterenol. mesalazine: mesalamine, mesalamina, 5-ASA.
dicycloverine: dicyclomine, diciclomina. ergometrine: ergonovine. methylergometrine: methylergonovine.
norethisterone: norethindrone, noretindrona. ethinylestradiol: ethinyl estradiol.
conjugated-estrogens: estrógenos conjugados, estrogênios conjugados. levothyroxine: L-thyroxine, T4, tiroxina.
liothyronine: T3, triiodothyronine. phenobarbital: phenobarbitone. thiopental: thiopentone.
torasemide: torsemide.
bendroflumethiazide: bendrofluazide. dosulepin: dothiepin. alimemazine: trimeprazine. tetracaine: amethocaine.
somatropin: growth hormone, hormona de crecimiento, hormônio do crescimento.
epoetin-alfa: alfaepoetina, eritropoyetina, eritropoetina. interferon-beta-1a: betainterferona 1a.
dornase-alfa: alfadornase. sodium-oxybate: oxybate, GHB. sodium-bicarbonate: sodium hydrogen carbonate.
metronidazole: benzoilmetronidazol. retinol: vitamin A. thiamine: vitamin B1. pyridoxine: vitamin B6.
cyanocobalamin: vitamin B12. ascorbic-acid: vitamin C. colecalciferol: vitamin D3. tocopherol: vitamin E
"""
EXPECTED = [
    (ingredient.strip(), alias.strip())
    for line in ALIASES.replace("\n", " ").split(". ")
    for ingredient, names in [line.split(": ", 1)]
    for alias in names.split(", ")
]
MARKETS = """
metamizole bromopride carisoprodol cyclobenzaprine tizanidine bemiparin flunarizine triazolam lovastatin
ziprasidone
"""


def _resolved(text):
    from contracts.drug_names import resolve

    return resolve(text, "ES", KNOWLEDGE.names).ingredients


def _english():
    return {text for row in (*TABLES.facts, *TABLES.rules) for text in (row.description, row.recommendation)}


def test_the_shipped_tables_do_not_contradict_themselves():
    assert list(contradictions(TABLES)) == []


def test_every_code_of_the_facts_belongs_to_an_ingredient_or_a_combination():
    owned = {code for i in TABLES.ingredients for code in i.atc} | {c.code for c in TABLES.combinations}
    in_facts = {side for fact in TABLES.facts for side in (fact.a, fact.b)}

    assert [code for code in sorted(in_facts) if len(code) == 7 and code not in owned] == []
    assert [p for p in sorted(in_facts) if not any(code.startswith(p) for code in owned)] == []


def test_the_facts_are_all_there():
    assert len(TABLES.facts) == 4_208


@pytest.mark.parametrize(("ingredient", "alias"), EXPECTED)
def test_every_alias_of_the_start_list_resolves(ingredient, alias):
    assert _resolved(alias) == (ingredient,)


def test_the_name_of_co_trimoxazole_gives_both_its_ingredients():
    assert _resolved("cotrimoxazol") == ("sulfamethoxazole", "trimethoprim")
    assert _resolved("co-amoxiclav") == ("amoxicillin", "clavulanic-acid")


@pytest.mark.parametrize("ingredient", MARKETS.split())
def test_medicines_of_these_markets_are_known(ingredient):
    assert ingredient in KNOWLEDGE.ingredients


def test_every_ingredient_is_found_by_its_three_names():
    lost = [
        (ingredient.id, name)
        for ingredient in TABLES.ingredients
        for name in (ingredient.name_en, ingredient.name_es, ingredient.name_pt)
        if _resolved(name) != (ingredient.id,)
    ]

    assert lost == []


def test_equal_keys_reach_one_ingredient():
    clashes = {
        frozenset(name.ingredients[0] for name in rows)
        for rows in KNOWLEDGE.names.by_key.values()
        if len({name.ingredients for name in rows if name.kind != "combination"}) > 1
    }

    assert clashes == {frozenset({"calcium-pidolate", "magnesium-pidolate"})}


def test_two_rows_with_one_key_are_refused():
    other = replace(TABLES.ingredients[0], id="other", atc=())
    name = replace(TABLES.names[0], ingredient="other", name=TABLES.names[0].name + " sodium")

    problems = list(
        contradictions(replace(TABLES, ingredients=(*TABLES.ingredients, other), names=(*TABLES.names, name)))
    )

    assert problems == [f"key {key(name.name)!r}: {', '.join(sorted(('other', TABLES.names[0].ingredient)))}"]


def test_two_rows_with_one_atc_code_are_refused():
    twin = replace(next(i for i in TABLES.ingredients if i.atc), id="twin")

    assert f"ATC code {twin.atc[0]}: two ingredients" in list(
        contradictions(replace(TABLES, ingredients=(*TABLES.ingredients, twin)))
    )


def test_a_name_of_an_unknown_ingredient_is_refused():
    stray = replace(TABLES.names[0], ingredient="nobody", name="nobody at all")

    assert list(contradictions(replace(TABLES, names=(*TABLES.names, stray)))) == [
        "name nobody at all: unknown ingredient nobody or kind inn"
    ]


def test_one_folded_name_for_two_ingredients_is_refused():
    first, second = TABLES.ingredients[:2]
    thief = replace(TABLES.names[0], ingredient=second.id, name=first.name_en.upper(), kind="abbreviation")

    assert f"name {thief.name}: two ingredients" in list(
        contradictions(replace(TABLES, names=(*TABLES.names, thief)))
    )


def test_a_rule_without_a_source_or_twice_is_refused():
    rule = TABLES.rules[0]
    bare = replace(rule, id="bare", source="")

    problems = list(contradictions(replace(TABLES, rules=(*TABLES.rules, bare))))

    assert f"rule {rule.a} x {rule.b}: no source or no text" in problems
    assert any(problem.startswith("pair ") for problem in problems)


def test_a_directory_with_a_contradiction_is_refused_whole(tmp_path):
    for file in DATA.iterdir():
        if file.suffix in (".csv", ".txt"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "names.csv").open("a", newline="") as file:
        csv.writer(file).writerow(("warfarin", "aspirin", "en", "alias", ""))

    with pytest.raises(KnowledgeRefused, match="name aspirin: two ingredients"):
        Tables.read(tmp_path)


def test_names_that_differ_only_by_spelling_are_written_once():
    folded = [(n.ingredient, fold(n.name), n.country) for n in TABLES.names if n.kind != "inn"]

    assert len(folded) == len(set(folded))


def test_every_phrase_is_used_and_said_in_both_languages():
    assert sorted(set(TABLES.phrases) - _english()) == []
    assert [phrase for phrase, said in TABLES.phrases.items() if not all(said) or phrase in said] == []


def test_no_finding_speaks_english_to_who_reads_another_language():
    english = {
        text for row in (*TABLES.facts, *TABLES.rules) for text in (row.description, row.recommendation)
    }
    told = [
        text
        for row in (*TABLES.facts, *TABLES.rules)
        for language, text in of_rule(row, TABLES).items()
        if language != "en"
    ]

    assert [text for text in told if {text.description, text.recommendation} & english] == []
