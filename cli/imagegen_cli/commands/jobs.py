"""`imagegen jobs`, `job` and `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.client import Client
    from imagegen_cli.documents import Job


def list_jobs(
    status: options.Status = None,
    limit: options.Limit = None,
    cursor: options.Cursor = None,
    every_page: options.All = False,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """List your jobs, newest first."""
    from imagegen_cli.output import note, show
    from imagegen_cli.report import jobs_table
    from imagegen_cli.session import chosen_profile, session

    query = {"status": status, "limit": 100 if every_page and limit is None else limit, "cursor": cursor}
    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        listed, document = _pages(client, query, every_page)
    show(as_json, document, lambda: jobs_table(listed) if listed else "No jobs.")
    if document["cursor"]:
        note(as_json, f"There may be more: --cursor {document['cursor']}, or --all")


def show_job(
    job_id: options.JobId,
    wait: options.Wait = False,
    out: options.Out = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a job. With --out, wait for it and download its images."""
    from imagegen_cli.destination import destination
    from imagegen_cli.output import show
    from imagegen_cli.report import job_text
    from imagegen_cli.session import chosen_profile, session
    from imagegen_cli.work import finished, require_id, require_success, saved

    require_id(job_id, "job", "jobs")
    place = None if out is None else destination(out)
    waits = wait or place is not None
    chosen = chosen_profile(profile)
    with session(chosen, as_json, timeout, "Waiting" if waits else None) as (client, watch):
        answer = finished(client, job_id, watch, chosen, place) if waits else client.job(job_id)
        result = answer.value.result
        files = saved(client, result, place, chosen) if result and place else []
    document = answer.raw if place is None else {**answer.raw, "files": [str(path) for path in files]}
    show(as_json, document, lambda: job_text(answer.value, files))
    if waits:
        require_success(answer.value)


def cancel(
    job_id: options.JobId,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Cancel a job that is queued or running. It may be repeated."""
    from imagegen_cli.output import show
    from imagegen_cli.report import job_text
    from imagegen_cli.session import chosen_profile, session
    from imagegen_cli.work import require_id

    require_id(job_id, "job", "jobs")
    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        answer = client.cancel(job_id)
    show(as_json, answer.raw, lambda: job_text(answer.value, []))


def _pages(client: Client, query: dict[str, Any], every_page: bool) -> tuple[list[Job], dict[str, Any]]:
    """Return the jobs of the page, or of it and all that follow, and the same as one document."""
    answer = client.jobs(**query)
    pages = [answer]
    while every_page and answer.value.cursor:
        answer = client.jobs(**query | {"cursor": answer.value.cursor})
        pages.append(answer)
    document = {"jobs": [job for page in pages for job in page.raw["jobs"]], "cursor": answer.value.cursor}
    return [job for page in pages for job in page.value.jobs], document
