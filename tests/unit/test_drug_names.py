"""The spelling key and the steps of resolution: the vectors of drug-safety.md 2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import drug_names
from contracts.drug_names import (
    MatchStatus,
    Name,
    Names,
    fold,
    key,
    resolve,
    resolve_item,
    similarity,
    suggest,
)

KEYS = {
    "warfarina sódica": "varfarin",
    "ácido acetilsalicílico": "asetilsalisilA",
    "cloreto de potássio": "chloride potassium",
    "brometo de tiotrópio": "tiotropI",
    "cetoconazol": "setoconasol",
    "interferón beta-1a": "1a bet interferon",
}
EQUAL = """
losartan = losartán potásico = LOSARTANA POTASSICA
amlodipine besylate = amlodipino = besilato de anlodipino
spironolactone = espironolactona
ketoconazole = cetoconazol
maraviroc = maraviroque
ustekinumab = ustequinumabe
bupropion = bupropión = cloridrato de bupropiona
clavulanic acid = clavulanato de potássio
morphine sulfate = sulfato de morfina penta-hidratada
lithium carbonate = carbonato de litio
gemfibrozil = genfibrozila
etoposide = etoposídeo
streptokinase = estreptoquinasa
lysine acetylsalicylate = ácido acetilsalicílico
trihexyphenidyl = tri-hexifenidilo
benzathine benzylpenicillin = benzilpenicilina benzatina
eltrombopag = eltrombopague
valproic acid = sodium valproate = ácido valproico
"""
DIFFERENT = """
escitalopram/citalopram esomeprazole/omeprazole esketamine/ketamine levocetirizine/cetirizine
dexketoprofen/ketoprofen eslicarbazepine/carbamazepine prednisone/prednisolone quinine/quinidine
chlorpromazine/chlorpropamide penicillin/penicillamine thiamine/thiamazole epinephrine/ephedrine
tretinoin/isotretinoin ciclosporin/cycloserine sulfadiazine/sulfasalazine
tenofovir_alafenamide/tenofovir_disoproxil potassium_chloride/sodium_chloride
calcium_carbonate/lithium_carbonate magnesium_hydroxide/magnesium_sulfate calcium_gluconate/calcium_carbonate
vitamin_A/vitamin_E vitamin_B1/vitamin_B12 coagulation_factor_VII/coagulation_factor_VIII
interferon_alfa-2a/interferon_beta-1a folic_acid/folinic_acid salicylic_acid/acetylsalicylic_acid
"""
WARFARIN = Name("warfarin", ("warfarin",))
ASPIRIN = Name("acetylsalicylic acid", ("acetylsalicylic-acid",))
TABLE = Names.of(
    [
        WARFARIN,
        Name("varfarina", ("warfarin",)),
        ASPIRIN,
        Name("aspirin", ("acetylsalicylic-acid",), "alias"),
        Name("AAS", ("acetylsalicylic-acid",), "abbreviation"),
        Name("amoxicillin", ("amoxicillin",)),
        Name("clavulanic acid", ("clavulanic-acid",)),
        Name("vitamina E", ("tocopherol",), "alias"),
        Name("co-trimoxazole", ("sulfamethoxazole", "trimethoprim"), "combination"),
        Name("Marevan", ("warfarin",), "brand", "BR"),
        Name("Confusol", ("warfarin",), "brand", "BR"),
        Name("Confusol", ("amoxicillin",), "brand", "BR"),
    ]
)


@pytest.mark.parametrize(("text", "expected"), KEYS.items())
def test_the_key_is_the_specified_one(text, expected):
    assert key(text) == expected


@pytest.mark.parametrize("line", EQUAL.strip().splitlines())
def test_one_substance_has_one_key_in_every_language(line):
    assert len({key(name.strip()) for name in line.split("=")}) == 1


@pytest.mark.parametrize("pair", DIFFERENT.split())
def test_two_substances_never_share_a_key(pair):
    a, b = (name.replace("_", " ") for name in pair.split("/"))

    assert key(a) != key(b)


def test_folding_takes_case_accents_and_ligatures_and_nothing_else():
    assert fold("  ÁCIDO  Œstradiol-ß ") == "acido oestradiol-ss"


def test_the_beginning_es_is_cut_before_p_and_t_alone():
    assert [key(name) for name in ("estreptomicina", "espironolactona", "escitalopram", "esomeprazol")] == [
        "streptomisin",
        "spironolacton",
        "esitalopram",
        "esomeprasol",
    ]


def test_roman_numerals_are_no_runs_of_letters():
    assert [key(f"factor {number}") for number in ("viii", "xiii", "xxii")] == [
        "factor viii",
        "factor xiii",
        "factor xxii",
    ]


def test_an_inn_in_any_case_and_salt_is_exact_and_an_alias_a_synonym():
    statuses = {text: resolve(text, "BR", TABLE).status for text in ("WARFARINA SÓDICA", "Aspirin", "aas")}

    assert statuses == {
        "WARFARINA SÓDICA": MatchStatus.EXACT,
        "Aspirin": MatchStatus.SYNONYM,
        "aas": MatchStatus.SYNONYM,
    }


def test_strength_form_and_route_are_removed_and_told():
    found = resolve("Varfarina sódica 5 mg comprimidos via oral", "BR", TABLE)

    assert (found.ingredients, found.removed) == (("warfarin",), ("5 mg", "comprimidos", "via oral"))
    assert found.rows == ("inn:warfarin=warfarin",)


@pytest.mark.parametrize(
    "text",
    [
        "amoxicillin 875 mg/clavulanic acid 125 mg",
        "amoxicilina + ácido clavulânico 250 mg/62,5 mg/5 ml pó para suspensão oral",
        "amoxicilina e clavulanato de potássio 500/125 mg",
        "amoxicilina con ácido clavulánico",
    ],
)
def test_a_combination_is_split_and_each_part_resolved(text):
    found = resolve(text, "ES", TABLE)

    assert (found.ingredients, found.status) == (("amoxicillin", "clavulanic-acid"), MatchStatus.EXACT)


def test_the_name_of_a_combination_gives_all_its_ingredients():
    found = resolve("Cotrimoxazole 480 mg", "ES", TABLE)

    assert (found.ingredients, found.status) == (("sulfamethoxazole", "trimethoprim"), MatchStatus.SYNONYM)


def test_a_letter_of_a_vitamin_is_no_separator():
    assert resolve("Vitamina E 400 UI cápsulas", "BR", TABLE).ingredients == ("tocopherol",)


def test_a_brand_counts_in_its_own_country_alone():
    assert resolve("Marevan 5mg", "BR", TABLE).ingredients == ("warfarin",)
    assert resolve("Marevan 5mg", "ES", TABLE).ingredients == ()


def test_a_brand_that_stands_for_two_ingredients_is_unresolved():
    assert resolve("Confusol", "BR", TABLE).status is MatchStatus.UNMATCHED


def test_of_a_combination_understood_in_part_the_part_is_kept_with_its_share():
    found = resolve("amoxicilina + zzxqy", "ES", TABLE)

    assert (found.ingredients, found.status, found.score) == (("amoxicillin",), MatchStatus.PROBABLE, 0.5)
    assert found.unresolved == ("zzxqy",)


def test_a_misspelling_is_a_probable_guess_and_resolves_nothing():
    found = resolve("amoxixillin 500 mg", "ES", TABLE)

    assert (found.ingredients, found.status, found.assumed) == ((), MatchStatus.PROBABLE, "amoxicillin")
    assert found.suggestions[0].ingredient == "amoxicillin"


def test_between_lookalikes_nothing_is_guessed():
    rows = [Name("prednisone", ("prednisone",)), Name("prednisolone", ("prednisolone",))]
    warned = Names.of(rows, [frozenset(("prednisone", "prednisolone"))])

    assert resolve("prednisoloney", "ES", Names.of(rows)).assumed == "prednisolone"
    assert resolve("prednisoloney", "ES", warned).assumed is None


def test_nonsense_is_unmatched():
    found = resolve("qwxyz 5 mg", "ES", TABLE)

    assert (found.status, found.score, found.suggestions) == (MatchStatus.UNMATCHED, None, ())


def test_a_link_wins_and_a_name_that_disagrees_is_checked_as_well():
    found = resolve_item(
        linked=("warfarin",), active_ingredient="aspirin", medication_name=None, country="BR", names=TABLE
    )

    assert (found.status, found.names_disagree) == (MatchStatus.LINKED, True)
    assert found.ingredients == ("warfarin", "acetylsalicylic-acid")


def test_without_a_link_the_active_ingredient_is_asked_before_the_name():
    found = resolve_item(
        linked=(), active_ingredient="warfarin", medication_name="aspirin", country="BR", names=TABLE
    )

    assert found.ingredients == ("warfarin",)


def test_similarity_is_that_of_pg_trgm():
    # SELECT similarity('word', 'two words') is 0.36363637 in PostgreSQL.
    assert round(similarity("word", "two words"), 6) == round(4 / 11, 6)
    assert similarity("Ácido", "acido") == 1.0
    assert similarity("", "") == 0.0


def test_a_name_that_is_written_alike_in_three_languages_resembles_no_more_for_it():
    thrice = Names.of(
        [Name("Losartan", ("losartan",)), Name("losartán", ("losartan",)), Name("losartan", ("losartan",))]
    )

    assert [s.similarity for s in suggest("losartox", thrice)] == [
        round(similarity("losartox", "losartan"), 4)
    ]


def test_at_most_five_ingredients_are_suggested_the_best_first():
    many = Names.of(Name(f"amoxicillin{n}", (f"amoxicillin-{n}",)) for n in range(9))

    found = suggest("amoxicillin", many)

    assert len(found) == drug_names.SUGGESTIONS_MAX
    assert [s.similarity for s in found] == sorted((s.similarity for s in found), reverse=True)


def test_a_text_without_end_costs_no_more_than_the_limit():
    assert len(fold("a" * 10_000)) == drug_names.TEXT_CHARACTERS_MAX
    assert resolve("1" * 5_000 + " mg", "BR", TABLE).status is MatchStatus.UNMATCHED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Paracetamol 500 mg tablets", ("500mg",)),
        ("0,5 g", ("500mg",)),
        ("0.575 g", ("575mg",)),
        ("875/125 mg", ("875/125mg",)),
        ("0.5g / 5 ml", ("500mg/5ml",)),
        ("50 µg", ("50mcg",)),
        ("100 IU", ("100ui",)),
        ("1.000 mg", ("1.000mg",)),  # One, or a thousand: nobody decides.
        ("2.5 mg + 10 mg", ("2.5mg", "10mg")),
        ("1 comprimido", ()),
    ],
)
def test_one_strength_is_spelled_in_one_way(text, found):
    assert drug_names.strengths(text) == found


def test_a_product_and_its_order_have_their_bare_name_in_common():
    assert drug_names.bare("Dipirona 575 mg cápsulas") == drug_names.bare("DIPIRONA") == "dipirona"


@given(st.text(max_size=60))
def test_resolving_looks_up_what_it_says_it_will(text):
    asked = []

    class Watched(dict):
        def get(self, name, default=None):
            asked.append(name)
            return default

    resolve(text, "BR", Names(by_folded=Watched(), by_key={}, brands={}))

    assert set(asked) <= drug_names.looked_up(text)
