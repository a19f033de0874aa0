"""`clawr apis`: lists all published APIs."""

from typing import Final

from cli.options import DirectoryOptions, JsonOption, TargetOptions, examples, option_groups

EXAMPLES: Final = examples("clawr apis", "clawr apis --local --json")


@option_groups
def apis(
    *,
    directory: DirectoryOptions,
    target: TargetOptions,
    as_json: JsonOption = False,
) -> None:
    """List the published APIs: slug, price, plan, category, hosts and script.

    The list contains the records in TENANT_KV. It does not contain the records in the dispatcher's
    TENANT_DIRECTORY_JSON variable.
    """
    from cli.output import Output
    from cli.publish.listing import list_apis

    with directory.open(target.find()) as store:
        list_apis(store, Output(as_json=as_json))
