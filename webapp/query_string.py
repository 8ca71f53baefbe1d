"""What stands behind the ``?`` of a call."""

from werkzeug.datastructures import MultiDict

from webapp.errors import ValidationFailed


def each_once(arguments: MultiDict[str, str], *but: str) -> dict[str, str]:
    """Return the parameters, ``but`` some; raises ``ValidationFailed`` where one is there twice."""
    given = {name: values for name, values in arguments.lists() if name not in but}
    twice = {name: ["Give it once."] for name, values in given.items() if len(values) > 1}
    if twice:
        raise ValidationFailed("a parameter is given more than once", twice)
    return {name: value for name, (value,) in given.items()}
