"""Sets of options that several commands take as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

Body = TypeVar("Body", bound=Callable[..., Coroutine[Any, Any, None]])


def with_options(argument: str, options: Mapping[str, Any], made: Callable[..., Any]) -> Callable[[Body], Body]:
    """Give a command body a set of options in place of its one `argument`, which gets what is `made` of them.

    `options` are annotations by name; one that is not typed is None. `made` takes them by name, and raises a usage
    error for what cannot be meant.
    """
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)
        for name, annotation in options.items()
    ]

    def give(body: Body) -> Body:
        @functools.wraps(body)
        async def run(call: Any, **values: Any) -> None:
            typed = {name: values.pop(name) for name in options}
            await body(call, **values, **{argument: made(**typed)})

        own = [each for each in inspect.signature(body, eval_str=True).parameters.values() if each.name != argument]
        keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own[1:]]
        vars(run)["__signature__"] = inspect.Signature([own[0], *keyword_only, *added])
        return run  # type: ignore[return-value]

    return give
