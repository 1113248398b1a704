"""The document that a patient carries to the pharmacy."""

from typing import Final

from services.notification.domain.printed import PrintedPrescription
from services.notification.domain.texts import TEXTS

BYTES_MAX: Final = 512 * 1024


class Unprintable(Exception):
    """The engine failed on this content, or the result is too large; the text is a type or a size."""


def make(printed: PrintedPrescription, *, verify_url: str | None = None) -> bytes:
    """The PDF of a prescription: the same bytes for the same content, a page in front when it has ended.

    `verify_url` has a place `{code}`; without one the QR code holds the prescription code itself.
    Raises Unprintable, so that whoever asked can be told.
    """
    try:
        content = _made(printed, verify_url)
    except Exception as error:
        # Engine and fonts fail on strangers' letters in ways they do not list, and quote them when they do.
        raise Unprintable(type(error).__name__) from None
    if len(content) > BYTES_MAX:
        raise Unprintable(f"{len(content)} bytes")
    return content


def load() -> None:
    """Have engine and fonts at hand, which takes a second or two: else the first who asks waits for them."""
    from services.notification.pdf import pages as pages
    from services.notification.pdf.sheet import Sheet

    Sheet()


def _made(printed: PrintedPrescription, verify_url: str | None) -> bytes:
    # Loaded beside the start, not by it: a service must be ready before it can print.
    from services.notification.pdf import pages
    from services.notification.pdf.sheet import Sheet

    texts = TEXTS[printed.language]
    sheet = Sheet()
    sheet.set_lang(texts.tag)
    sheet.set_title(f"{texts.title} {printed.code or ''}".strip())
    sheet.set_author(printed.provider_name)
    sheet.set_creator("Recepta")
    # The default is now; bytes and identity of the file would change with every making.
    sheet.set_creation_date(printed.issued_at or printed.drawn_up_at)
    qr_content = (verify_url or "{code}").format(code=printed.code) if printed.code else None
    laid = pages.laid_out(sheet, printed, texts, qr_content)
    if printed.ended:
        laid.insert(0, pages.notice(sheet, printed, texts))
    for number, page in enumerate(laid):
        if number:
            sheet.add_page()
        sheet.draw(page)
    return bytes(sheet.output())
