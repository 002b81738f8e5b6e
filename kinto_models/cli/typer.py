"""The usual options for commands of typer: the same as argparse's, from the same table. Needs the ``cli`` extra."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from kinto_models.cli.options import Option, usual
from kinto_models.errors import MissingExtraError

try:
    import typer
except ImportError as _missing:
    raise MissingExtraError('this needs typer: pip install "kinto-models[cli]"') from _missing

__all__ = ["with_options", "with_these"]

P = ParamSpec("P")
T = TypeVar("T")


def with_options(
    *, prefix: str = "", without: Collection[str] = (), **defaults: Any
) -> Callable[[Callable[Concatenate[Namespace, P], T]], Callable[..., T]]:
    """A decorator of a command: adds the usual options to its own, and hands them over as its first argument, a
    namespace for ``client_from()`` and ``setup_logging()``.

        @app.command()
        @with_options(bucket="blog")
        def export(args: Namespace, folder: Path) -> None:
            kinto = client_from(args)

    Parameters:
        prefix: as for ``add_options()``.
        without: as for ``add_options()``.
        defaults: as for ``add_options()``.

    Raises:
        TypeError: a name that no option has.
    """
    return with_these(usual(prefix=prefix, without=without, **defaults))


def with_these(options: Sequence[Option]) -> Callable[[Callable[Concatenate[Namespace, P], T]], Callable[..., T]]:
    """The same with any options."""
    added = {_parameter_name(option): option for option in options}

    def decorate(function: Callable[Concatenate[Namespace, P], T]) -> Callable[..., T]:
        call: Callable[..., T] = function  # typer calls by keywords

        @wraps(function)
        def command(**values: Any) -> T:
            args = _namespace(options, {name: values.pop(name) for name in added})
            return call(args, **values)

        signature = inspect.signature(function, eval_str=True)
        own = [each.replace(kind=each.KEYWORD_ONLY) for each in list(signature.parameters.values())[1:]]
        parameters = [*own, *(_parameter(name, option) for name, option in added.items())]
        vars(command)["__signature__"] = signature.replace(parameters=parameters)
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _parameter_name(option: Option) -> str:
    return option.flags[-1].removeprefix("--").replace("-", "_")


def _namespace(options: Sequence[Option], values: dict[str, Any]) -> Namespace:
    """The values under the names that argparse gives them. Of several switches the one that says most counts."""
    args = Namespace(**{option.name: None if option.metavar else option.fallback() for option in options})
    for option in options:
        value = values[_parameter_name(option)]
        if option.required and value is None:
            raise typer.BadParameter(f"missing: give it, or set {option.variable}", param_hint=option.flags[-1])
        if option.metavar:
            setattr(args, option.name, value)
        elif value:
            so_far = getattr(args, option.name)
            setattr(args, option.name, option.switch if so_far is None else min(so_far, option.switch))
    return args


def _parameter(name: str, option: Option) -> inspect.Parameter:
    panel = option.group.capitalize()
    kind: Any
    default: Any
    if option.metavar:
        info = typer.Option(
            *option.flags,
            metavar=option.metavar,
            parser=_reader(option),
            default_factory=option.fallback,
            show_default=False,
            help=option.described,
            rich_help_panel=panel,
        )
        kind, default = Annotated[Any, info], inspect.Parameter.empty
    else:
        info = typer.Option(*option.flags, show_default=False, help=option.described, rich_help_panel=panel)
        kind, default = Annotated[bool, info], False
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _reader(option: Option) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value  # a default
        try:
            return option.read(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return read
