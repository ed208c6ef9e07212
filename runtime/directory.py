"""Names of staff for reports, from the reference data as it is known now."""

from collections.abc import Mapping, Sequence

from store.context import ContextStore


class StaffDirectory:
    """`dashboards.reports.catalogue.Directory` over the staff records."""

    def __init__(self, context: ContextStore) -> None:
        self._context = context

    def names(self, actor_ids: Sequence[str]) -> Mapping[str, str]:
        """First and last name by account id; an account that is not known is left out."""
        staff = self._context.frame("staff")
        wanted = set(actor_ids)
        columns = ("account_id", "first_name", "last_name")
        if staff.is_empty() or not set(columns) <= set(staff.columns):
            return {}
        rows = staff.select(columns).iter_rows()
        return {account: f"{first} {last}".strip() for account, first, last in rows if account in wanted}
