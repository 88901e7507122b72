"""Ask a person for a recipe's values: on stderr, with the choices that there are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from mlsh.cli.talk import paint, say

if TYPE_CHECKING:
    from mlsh.recipes.cheat import Recipe, Variable
    from mlsh.recipes.render import Value

_SHOWN = 20


class Asking:
    """The values of one recipe: those that were given, and those that are asked for."""

    def __init__(self, recipe: Recipe, given: Mapping[str, Value], last: Mapping[str, Value], asks: bool) -> None:
        """`asks` is whether a person can be asked; `last` are the values of last time, for the question alone."""
        from mlsh.recipes.render import is_secret

        self._recipe, self._last, self._asks = recipe, last, asks
        self.values: dict[str, Value] = dict(given)
        self.secret_values: dict[str, str] = {}
        """By the variable that each is in."""
        self._secrets: dict[str, str] = {}
        self._secret = frozenset(name for name in recipe.parameters if is_secret(recipe, name))
        self._on_the_way: set[str] = set()

    def run(self) -> None:
        """Have a value of each parameter. Raises UsageError where one is missing and nobody can be asked."""
        from mlsh.errors import UsageError

        missing = []
        for name in self._recipe.parameters:
            if name in self._secret:
                missing += [] if self._have_secret(name) else [name]
            elif name not in self.values:
                missing += [] if self._have(name) else [name]
        if missing:
            words = " ".join(f"{name}=…" for name in missing if name not in self._secret)
            from mlsh.recipes.render import secret_variable

            exports = " ".join(f"export {secret_variable(name)}=…" for name in missing if name in self._secret)
            hint = "; ".join(filter(None, (exports, f"mlsh recipe run {self._recipe.name} {words}" if words else "")))
            raise UsageError(f"{self._recipe.name} needs a value for {', '.join(missing)}", hint)

    def _have_secret(self, name: str) -> bool:
        from mlsh.recipes.render import secret_variable

        variable = secret_variable(name)
        if variable in self.secret_values:
            return True
        value = os.environ.get(variable)
        if value is None and self._asks:
            value = click.prompt(f"{name} (is not shown)", hide_input=True, err=True)
        if value is None:
            return False
        self.secret_values[variable] = self._secrets[name] = value
        return True

    def _have(self, name: str) -> bool:
        from mlsh.recipes.cheat import Hint

        hint = self._recipe.hints.get(name, Hint())
        if not self._asks:
            if hint.default is None:
                return False
            self.values[name] = hint.default
            return True
        offered = self._last.get(name)
        default = offered if isinstance(offered, str) else hint.default
        about = [hint.about] if hint.about else []
        about += [f"for instance {hint.example}"] if hint.example and default is None else []
        if about:
            click.echo(paint(f"{_plain(name)}: {_plain('; '.join(about))}", "dim", 2), err=True)
        variable = self._recipe.variables.get(name)
        lines = self._choices(variable) if variable else []
        if variable and lines:
            self.values[name] = self._choose(name, variable, lines, default)
        else:
            self.values[name] = _typed(name, default)
        return True

    def _choices(self, variable: Variable) -> list[str]:
        from mlsh.recipes import choices
        from mlsh.recipes.cheat import needs

        self._on_the_way.add(variable.name)
        for other in needs(variable, self._recipe.variables):
            # What this one's command needs is asked for first; one that needs itself gets no choices.
            if other in self._secret:
                self._have_secret(other)
            elif other not in self.values and other not in self._on_the_way:
                self._have(other)
        self._on_the_way.discard(variable.name)
        way = f"; each by way of: {variable.options.map}" if variable.options.map else ""
        click.echo(paint(f"{_plain(variable.name)}: from: {_plain(variable.command + way)}", "dim", 2), err=True)
        try:
            return choices.listed(variable, self.values, self._secrets)
        except choices.NoChoices as error:
            say(f"no choices: {error.what}")
            return []

    def _choose(self, name: str, variable: Variable, lines: list[str], default: str | None) -> Value:
        from mlsh.cli import recipe_fzf
        from mlsh.recipes import choices

        options = variable.options
        if len(lines) > _SHOWN and recipe_fzf.is_here():
            typed, chosen = recipe_fzf.choose(name, lines, default, options.multi)
            if chosen or (typed and not options.prevent_extra):
                return self._taken(variable, chosen) if chosen else typed
        shown = lines
        # With numbers among the choices, a number is a value and no place in the list.
        by_place = not any(choices.column(line, options).strip().isdigit() for line in lines)
        while True:
            for place, line in enumerate(shown[:_SHOWN], 1):
                click.echo(f"  {place:>3}  {_plain(line)}" if by_place else f"  {_plain(line)}", err=True)
            if len(shown) > _SHOWN:
                click.echo(paint(f"       {len(shown) - _SHOWN} more: type a part of one", "dim", 2), err=True)
            fallback = default if default is not None else choices.column(lines[0], options)
            typed = click.prompt(_plain(name), default=fallback, err=True, show_default=True)
            picked = self._picked(typed, shown, options, by_place)
            if picked is not None:
                return self._taken(variable, picked)
            near = [line for line in lines if typed.casefold() in line.casefold()]
            if len(near) > 1 and (len(near) < len(shown) or len(shown) > _SHOWN):
                shown = near
            elif not options.prevent_extra:
                return str(typed)
            else:
                say(f"it is one of these, and not {typed}")
                shown = near or lines

    def _taken(self, variable: Variable, picked: list[str]) -> Value:
        """The value that the chosen lines stand for."""
        from mlsh.recipes import choices

        options = variable.options
        taken = [choices.taken(line, options, self.values) for line in picked]
        return choices.words(taken, options) if options.multi or options.expand else taken[0]

    @staticmethod
    def _picked(typed: str, shown: list[str], options: object, by_place: bool) -> list[str] | None:
        from mlsh.recipes import choices
        from mlsh.recipes.cheat import Options

        assert isinstance(options, Options)  # noqa: S101

        def one(word: str) -> str | None:
            for line in shown:
                if word in {line, choices.column(line, options)}:
                    return line
            return shown[int(word) - 1] if by_place and word.isdigit() and 0 < int(word) <= len(shown) else None

        if (whole := one(typed)) is not None:
            return [whole]
        if not options.multi:
            return None
        several = [one(word) for word in typed.replace(",", " ").split()]
        return [line for line in several if line is not None] if several and None not in several else None


def _plain(text: str) -> str:
    from mlsh.shell.visible import printable

    return printable(text)


def _typed(name: str, default: str | None) -> str:
    # click asks again where nothing is typed; an empty default is an answer.
    return str(click.prompt(_plain(name), default=default, err=True, show_default=bool(default)))
