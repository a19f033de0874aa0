"""`clawr apis`: lists all live APIs."""

from typing import Final

from cli.options import DirectoryOptions, JsonOption, TargetOptions, examples, option_groups

EXAMPLES: Final = examples("clawr apis", "clawr apis --local --json")


@option_groups
def apis(
    *,
    as_json: JsonOption = False,
    target: TargetOptions,
    directory: DirectoryOptions,
) -> None:
    """List the live APIs: slug, price, plan, category, script and hosts.

    The records are those in TENANT_KV, which `clawr publish` writes, and those in the dispatcher's
    variable TENANT_DIRECTORY_JSON. Invalid records are listed with what is wrong with them.
    """
    from cli.apis.listing import list_apis
    from cli.output import Output

    with directory.open(target.find()) as store:
        list_apis(store, Output(as_json=as_json))
