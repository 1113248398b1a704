"""What a frequency says of taking a medicine, in three languages."""

import re
from typing import Final

from contracts.drug_names import fold

_AS_NEEDED: Final = re.compile(
    r"\b(?:prn|sos|as needed|as required|if needed|when needed|if required|"
    r"si precisa|si es necesario|si lo necesita|si hay dolor|a demanda|en caso de|cuando precise|"
    r"se necessario|se precisar|se houver dor|se dor|em caso de|quando necessario|s/n)\b"
)


def as_needed(*texts: str | None) -> bool:
    """Whether it is taken when it is needed, not by the clock."""
    return any(_AS_NEEDED.search(fold(text)) for text in texts if text)
