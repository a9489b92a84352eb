"""A batch from one status to the next (contract.md 5.5), as values. `now` is Unix time in seconds."""

from __future__ import annotations

from msgspec.structs import replace

from moonbase.accounts.batch_index import Outcome, Record
from moonbase.contract.batches import LineError, LineErrors, RequestCounts


def checked(total: int, errors: list[LineError], now: int, record: Record) -> Record:
    """The input of a batch has so many requests, or these mistakes; then it has failed."""
    batch = record.batch
    if batch.status != "validating":
        return record
    if errors:
        return replace(record, batch=replace(batch, status="failed", failed_at=now, errors=LineErrors(data=errors)))
    counts = RequestCounts(total=total)
    return replace(record, batch=replace(batch, status="in_progress", in_progress_at=now, request_counts=counts))


def finalizing(outcome: Outcome, now: int, record: Record) -> Record:
    """Nothing more is asked of a batch."""
    if record.batch.status != "in_progress":
        return record
    return replace(record, outcome=outcome, batch=replace(record.batch, status="finalizing", finalizing_at=now))


def ended(output: bool, errors: bool, now: int, record: Record) -> Record:
    """The files of a batch are there: one of answers, one of errors, or neither."""
    batch = replace(
        record.batch,
        output_file_id=record.output_id if output else None,
        error_file_id=record.error_id if errors else None,
    )
    if batch.status == "cancelling":
        batch = replace(batch, status="cancelled", cancelled_at=now)
    elif record.outcome == "expired":
        batch = replace(batch, status="expired", expired_at=now)
    else:
        batch = replace(batch, status="completed", completed_at=now)
    return replace(record, batch=batch)
