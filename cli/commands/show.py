"""`clawr show`: shows one API in full."""

from typing import Final

from cli.options import (
    DirectoryOptions,
    DispatcherOptions,
    JsonOption,
    SlugArgument,
    examples,
    option_groups,
)

EXAMPLES: Final = examples("clawr show airports", "clawr show airports --local --json")


@option_groups
def show(
    slug: SlugArgument,
    *,
    as_json: JsonOption = False,
    options: DispatcherOptions,
    directory: DirectoryOptions,
) -> None:
    """Show one API: URLs, prices, record, script, routes, columns, and what is wrong with it.

    If requests fail, it says why: a missing script, an exception, an exceeded limit, a setting or
    a facilitator that is missing. `clawr logs SLUG` has the details.
    """
    from cli.apis.show import show_api
    from cli.output import Output

    target = options.find()
    with directory.open(target) as store:
        show_api(store, target, slug, Output(as_json=as_json))
