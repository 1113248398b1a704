"""The words of documents and mails, in the languages that patients are addressed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from services.notification.domain.printed import Language, Status


@dataclass(frozen=True)
class Texts:
    """One language; a language that lacks a sentence does not type-check."""

    tag: str
    months: str
    day: str

    title: str
    patient: str
    prescriber: str
    born: str
    guardian: str
    licence: str
    registration: str
    confidential: str

    code: str
    show_code: str
    issued: str
    drawn_up: str
    valid_until: str
    diagnoses: str

    medicines: str
    posology: str
    quantity: str
    duration: str
    one_day: str
    days: str
    units: Mapping[str, str]
    no_substitution: str

    seal: str
    seal_says: str
    digest: str
    not_valid: str
    not_valid_says: str

    endings: Mapping[Status, tuple[str, str]]
    ended_on: str
    behind: str

    mail_subject: str
    mail_greeting: str
    mail_attached: str
    mail_code: str
    mail_valid_until: str
    mail_present: str
    mail_ended: str
    mail_private: str
    file_name: str

    otp_subject: str
    otp_asked: str
    otp_once: str
    otp_warning: str

    def on(self, moment: date) -> str:
        """A date as people write it."""
        return self.day.format(day=moment.day, month=self.months.split()[moment.month - 1], year=moment.year)

    def at(self, moment: datetime, time_zone: str) -> str:
        """A moment as the provider's wall clock shows it, with its distance from UTC."""
        local = moment.astimezone(ZoneInfo(time_zone))
        minutes = round((local.utcoffset() or local - local).total_seconds() / 60)
        sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
        return f"{self.on(local.date())}, {local:%H:%M} (UTC{sign}{hours:02}:{rest:02})"

    def amount(self, quantity: int, unit: str | None) -> str:
        """So many of a unit; one that is no slug of the catalogue stands as it was written."""
        one, _, several = self.units.get(unit or "", unit or "").partition("|")
        return f"{quantity} {one if quantity == 1 else several or one}".strip()

    def for_days(self, days: int) -> str:
        """A length of treatment."""
        return self.one_day if days == 1 else self.days.format(days=days)


SPANISH: Final = Texts(
    tag="es",
    months="enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    day="{day} de {month} de {year}",
    title="Receta médica electrónica",
    patient="Paciente",
    prescriber="Prescriptor",
    born="Fecha de nacimiento: {date}",
    guardian="Responsable: {name}",
    licence="N.º de colegiado: {number}",
    registration="Registro profesional: {number}",
    confidential="Confidencial",
    code="Código de la receta",
    show_code="Muestre este código o el QR en la farmacia. Quien lo tenga puede retirar los medicamentos.",
    issued="Emitida",
    drawn_up="Redactada",
    valid_until="Válida hasta",
    diagnoses="Diagnóstico",
    medicines="Medicamentos",
    posology="Cómo se toma",
    quantity="Cantidad",
    duration="Duración",
    one_day="1 día",
    days="{days} días",
    units=MappingProxyType(
        {
            "tablet": "comprimido|comprimidos",
            "capsule": "cápsula|cápsulas",
            "sachet": "sobre|sobres",
            "ampoule": "ampolla|ampollas",
            "vial": "vial|viales",
            "syringe": "jeringa|jeringas",
            "pen": "pluma|plumas",
            "inhaler": "inhalador|inhaladores",
            "puff": "inhalación|inhalaciones",
            "patch": "parche|parches",
            "suppository": "supositorio|supositorios",
            "drop": "gota|gotas",
            "bottle": "frasco|frascos",
            "tube": "tubo|tubos",
            "dose": "dosis|dosis",
            "unit": "unidad|unidades",
            "pack": "envase|envases",
        }
    ),
    no_substitution="No sustituir",
    seal="Sello electrónico",
    seal_says="El contenido de esta receta está sellado electrónicamente. La huella de abajo identifica el "
    "contenido sellado: si algo se altera, deja de coincidir.",
    digest="Huella del sello",
    not_valid="BORRADOR SIN VALIDEZ",
    not_valid_says="Este documento no está firmado. No es una receta y no se puede dispensar con él.",
    endings=MappingProxyType(
        {
            Status.VOIDED: (
                "Receta anulada",
                "El prescriptor anuló esta receta. No se puede dispensar nada con ella.",
            ),
            Status.EXPIRED: (
                "Receta caducada",
                "El plazo de validez de esta receta ha terminado. No se puede dispensar nada con ella.",
            ),
            Status.DISPENSED: (
                "Receta dispensada",
                "Todo lo prescrito en esta receta ya se ha dispensado. No queda nada por retirar.",
            ),
        }
    ),
    ended_on="Desde el {moment}",
    behind="Las páginas siguientes muestran la receta tal como se emitió y solo sirven de constancia.",
    mail_subject="Su receta electrónica …{ending}",
    mail_greeting="Hola, {name}:",
    mail_attached="Adjuntamos su receta electrónica de {provider}, prescrita por {prescriber}.",
    mail_code="Código: {code}",
    mail_valid_until="Válida hasta: {moment}",
    mail_present="Presente el documento o el código en la farmacia. No reenvíe este correo: quien tenga el "
    "código puede retirar sus medicamentos.",
    mail_ended="Atención: {title}. {says}",
    mail_private="Si este mensaje no es para usted, bórrelo. Es un envío automático; no lo responda.",
    file_name="receta",
    otp_subject="Su código de verificación",
    otp_asked="{pharmacy} necesita comprobar que es usted quien retira los medicamentos. Su código es:",
    otp_once="Sirve una sola vez. Válido hasta: {moment}",
    otp_warning="Dígalo solo en el mostrador de la farmacia. Si no está en ella, no se lo dé a nadie.",
)

PORTUGUESE: Final = Texts(
    tag="pt-BR",
    months="janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    day="{day} de {month} de {year}",
    title="Receita médica eletrônica",
    patient="Paciente",
    prescriber="Prescritor",
    born="Data de nascimento: {date}",
    guardian="Responsável: {name}",
    licence="Registro no conselho: {number}",
    registration="Inscrição profissional: {number}",
    confidential="Confidencial",
    code="Código da receita",
    show_code="Apresente este código ou o QR na farmácia. Quem o tiver pode retirar os medicamentos.",
    issued="Emitida em",
    drawn_up="Redigida em",
    valid_until="Válida até",
    diagnoses="Diagnóstico",
    medicines="Medicamentos",
    posology="Como usar",
    quantity="Quantidade",
    duration="Duração",
    one_day="1 dia",
    days="{days} dias",
    units=MappingProxyType(
        {
            "tablet": "comprimido|comprimidos",
            "capsule": "cápsula|cápsulas",
            "sachet": "sachê|sachês",
            "ampoule": "ampola|ampolas",
            "vial": "frasco-ampola|frascos-ampola",
            "syringe": "seringa|seringas",
            "pen": "caneta|canetas",
            "inhaler": "inalador|inaladores",
            "puff": "inalação|inalações",
            "patch": "adesivo|adesivos",
            "suppository": "supositório|supositórios",
            "drop": "gota|gotas",
            "bottle": "frasco|frascos",
            "tube": "bisnaga|bisnagas",
            "dose": "dose|doses",
            "unit": "unidade|unidades",
            "pack": "embalagem|embalagens",
        }
    ),
    no_substitution="Não substituir",
    seal="Selo eletrônico",
    seal_says="O conteúdo desta receita está selado eletronicamente. O resumo abaixo identifica o conteúdo "
    "selado: se algo for alterado, ele deixa de conferir.",
    digest="Resumo do selo",
    not_valid="RASCUNHO SEM VALIDADE",
    not_valid_says="Este documento não está assinado. Não é uma receita e nada pode ser dispensado com ele.",
    endings=MappingProxyType(
        {
            Status.VOIDED: (
                "Receita cancelada",
                "O prescritor cancelou esta receita. Nada pode ser dispensado com ela.",
            ),
            Status.EXPIRED: (
                "Receita vencida",
                "O prazo de validade desta receita terminou. Nada pode ser dispensado com ela.",
            ),
            Status.DISPENSED: (
                "Receita dispensada",
                "Tudo o que foi prescrito nesta receita já foi dispensado. Não há mais nada a retirar.",
            ),
        }
    ),
    ended_on="Desde {moment}",
    behind="As páginas seguintes mostram a receita como foi emitida e servem apenas de registro.",
    mail_subject="Sua receita eletrônica …{ending}",
    mail_greeting="Olá, {name}!",
    mail_attached="Segue em anexo sua receita eletrônica de {provider}, prescrita por {prescriber}.",
    mail_code="Código: {code}",
    mail_valid_until="Válida até: {moment}",
    mail_present="Apresente o documento ou o código na farmácia. Não encaminhe este e-mail: quem tiver o "
    "código pode retirar seus medicamentos.",
    mail_ended="Atenção: {title}. {says}",
    mail_private="Se esta mensagem não é para você, apague-a, por favor. Envio automático; não responda.",
    file_name="receita",
    otp_subject="Seu código de verificação",
    otp_asked="{pharmacy} precisa confirmar que é você quem retira os medicamentos. Seu código é:",
    otp_once="Serve uma única vez. Válido até: {moment}",
    otp_warning="Diga-o somente no balcão da farmácia. Se você não está nela, não o informe a ninguém.",
)

ENGLISH: Final = Texts(
    tag="en",
    months="January February March April May June July August September October November December",
    day="{day} {month} {year}",
    title="Electronic prescription",
    patient="Patient",
    prescriber="Prescriber",
    born="Date of birth: {date}",
    guardian="Guardian: {name}",
    licence="Medical licence: {number}",
    registration="Registration: {number}",
    confidential="Confidential",
    code="Prescription code",
    show_code="Show this code or the QR code at the pharmacy. Whoever has it can collect the medicines.",
    issued="Issued",
    drawn_up="Drawn up",
    valid_until="Valid until",
    diagnoses="Diagnosis",
    medicines="Medicines",
    posology="How to take it",
    quantity="Quantity",
    duration="Duration",
    one_day="1 day",
    days="{days} days",
    units=MappingProxyType(
        {
            "tablet": "tablet|tablets",
            "capsule": "capsule|capsules",
            "sachet": "sachet|sachets",
            "ampoule": "ampoule|ampoules",
            "vial": "vial|vials",
            "syringe": "syringe|syringes",
            "pen": "pen|pens",
            "inhaler": "inhaler|inhalers",
            "puff": "puff|puffs",
            "patch": "patch|patches",
            "suppository": "suppository|suppositories",
            "drop": "drop|drops",
            "bottle": "bottle|bottles",
            "tube": "tube|tubes",
            "dose": "dose|doses",
            "unit": "unit|units",
            "pack": "pack|packs",
        }
    ),
    no_substitution="Do not substitute",
    seal="Electronic seal",
    seal_says="The content of this prescription is sealed electronically. The digest below identifies the "
    "sealed content: if anything is altered, it no longer matches.",
    digest="Digest of the seal",
    not_valid="DRAFT, NOT VALID",
    not_valid_says="This document is not signed: it is no prescription and nothing can be dispensed on it.",
    endings=MappingProxyType(
        {
            Status.VOIDED: (
                "Prescription cancelled",
                "The prescriber has cancelled this prescription. Nothing can be dispensed on it.",
            ),
            Status.EXPIRED: (
                "Prescription expired",
                "This prescription is past its validity. Nothing can be dispensed on it.",
            ),
            Status.DISPENSED: (
                "Prescription dispensed",
                "Everything on this prescription has been dispensed. Nothing is left to collect.",
            ),
        }
    ),
    ended_on="Since {moment}",
    behind="The pages that follow show the prescription as it was issued, for the record only.",
    mail_subject="Your electronic prescription …{ending}",
    mail_greeting="Hello {name},",
    mail_attached="Attached is your electronic prescription from {provider}, prescribed by {prescriber}.",
    mail_code="Code: {code}",
    mail_valid_until="Valid until: {moment}",
    mail_present="Show the document or the code at the pharmacy. Do not forward this mail: whoever has the "
    "code can collect your medicines.",
    mail_ended="Please note: {title}. {says}",
    mail_private="If this message is not for you, please delete it. It is sent automatically; do not reply.",
    file_name="prescription",
    otp_subject="Your verification code",
    otp_asked="{pharmacy} needs to make sure that it is you who collects the medicines. Your code is:",
    otp_once="It works once. Valid until: {moment}",
    otp_warning="Tell it at the pharmacy's counter only. If you are not there, give it to nobody.",
)

TEXTS: Final[Mapping[Language, Texts]] = MappingProxyType(
    {Language.SPANISH: SPANISH, Language.PORTUGUESE: PORTUGUESE, Language.ENGLISH: ENGLISH}
)
