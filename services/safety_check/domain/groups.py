"""Groups of medicines: prefixes, codes and ingredients that one rule speaks of, less those excluded."""

from collections.abc import Iterable, Iterator

from services.safety_check.domain.tables import Group


def flat(groups: Iterable[Group]) -> Iterator[Group]:
    """Groups without groups inside them."""
    by_name = {group.name: group for group in groups}

    def members(name: str, seen: tuple[str, ...]) -> tuple[str, ...]:
        if name not in by_name or name in seen:
            return (name,)
        return tuple(m for one in by_name[name].include for m in members(one, (*seen, name)))

    for group in by_name.values():
        yield Group(group.name, members(group.name, ()), group.exclude)


def holds(group: Group, codes: tuple[str, ...], ingredient: str | None) -> bool:
    """Whether an ingredient is of the group, by its id or by one of these codes."""
    if ingredient and ingredient in group.exclude:
        return False
    if ingredient and ingredient in group.include:
        return True
    return any(code.startswith(group.include) and not code.startswith(group.exclude) for code in codes)


def spelled_out(name: str, include: Iterable[str], exclude: Iterable[str], known: Iterable[Group]) -> Group:
    """A nameless group of a row, whose members may be groups themselves."""
    by_name = {group.name: group for group in known}
    held = [by_name.get(member, Group(member, (member,), ())) for member in include]
    return Group(
        name,
        tuple(one for group in held for one in group.include),
        (*exclude, *(one for group in held for one in group.exclude)),
    )
