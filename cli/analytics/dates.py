"""Parses days and times given as options, in UTC."""

from datetime import UTC, date, datetime, timedelta

from cli.errors import InputError


def read_day(text: str | None, now: datetime | None = None) -> str:
    """Return a UTC day as `YYYY-MM-DD`; `None` for yesterday.

    Raises:
        InputError: It is not a day.
    """
    if text is None:
        return f"{(now or datetime.now(UTC)) - timedelta(days=1):%Y-%m-%d}"
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise InputError(
            f"--day {text} is not a day.", "Use the form YYYY-MM-DD, such as 2026-11-22."
        ) from error


def read_moment(name: str, text: str) -> datetime:
    """Return a time in UTC; a day alone means its beginning.

    Args:
        name: The option's name, for the message.
        text: Such as `2026-11-22`, `2026-11-22T14:00Z` or `2026-11-22T15:00+01:00`; without a time
            zone, it is UTC.

    Raises:
        InputError: It is not a time.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{name} {text} is not a time.",
            "Use the form YYYY-MM-DD or YYYY-MM-DDTHH:MMZ, such as 2026-11-22T14:00Z.",
        ) from error
    return moment
