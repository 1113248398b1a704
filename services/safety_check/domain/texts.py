"""What a rule's finding says in three languages."""

from collections.abc import Mapping
from types import MappingProxyType

from services.safety_check.domain.tables import RuleRow, Tables
from services.safety_check.domain.values import LANGUAGES, Text

Texts = Mapping[str, Text]


def of_rule(row: RuleRow, tables: Tables) -> Texts:
    """The rule's own words; where a translation lacks, what is true of its mechanism and severity."""
    description = tables.phrases.get(row.description)
    recommendation = tables.phrases.get(row.recommendation)
    texts = {"en": Text(row.description, row.recommendation)}
    for n, language in enumerate(LANGUAGES[1:]):
        general = tables.texts[f"{row.mechanism}.{row.severity}", language]
        texts[language] = Text(
            description[n] if description else general[0],
            recommendation[n] if recommendation else general[1],
        )
    return MappingProxyType(texts)


def named(text: str, tables: Tables) -> Texts:
    """A text of the texts table."""
    return MappingProxyType({language: Text(*tables.texts[text, language]) for language in LANGUAGES})
