"""`flask doctor`: is this installation well? It works when the application cannot be built, since that is when it is needed.

Exit status 1 when anything fails. Nothing is changed, and no secret is shown.
"""

import click

from secureapi.cli.answers import Answers, answering, json_option
from secureapi.cli.diagnosis import Finding, State, failing, ok
from secureapi.cli.diagnosis.application import examine_application
from secureapi.cli.diagnosis.database import examine_database
from secureapi.cli.diagnosis.limits_store import examine_limits_store
from secureapi.cli.diagnosis.outbox import examine_outbox
from secureapi.cli.diagnosis.surroundings import examine_dotenv, examine_surroundings
from secureapi.cli.surroundings import application, dotenv_path, settings_here
from secureapi.core.errors import Refusal
from secureapi.settings import Settings, SettingsRefused

_WORST = (State.FAILING, State.WARNING, State.OK)


@click.command()
@json_option
@answering
def doctor(answers: Answers) -> None:
    """Examine settings, database, migrations, outbox, Redis, TLS, clocks, hosts, proxies and cookies, and say what to do."""
    findings = examine()
    worst = next(state for state in _WORST if any(finding.state == state for finding in findings))
    if answers.as_json:
        checks = [{"name": f.name, "status": f.state.value, "detail": f.says, "remedy": f.remedy} for f in findings]
        answers.give({"status": worst.value, "checks": checks})
    else:
        _tell(answers, findings)
    if worst is State.FAILING:
        raise click.exceptions.Exit(1)


def examine() -> list[Finding]:
    """Everything that can be looked at. What rests on something that fails is left out: it would only fail again."""
    findings = [examine_dotenv(dotenv_path())]
    try:
        settings = settings_here()
    except SettingsRefused as refused:
        return [*map(_of_fault, refused.faults), *findings]
    findings = [ok("settings", f"complete, for {settings.environment}"), *findings, *examine_surroundings(settings)]
    database = examine_database(settings)
    is_reached = database[0].state is not State.FAILING
    return [*findings, *database, *_examine_application(settings, is_reached=is_reached), *examine_limits_store(settings)]


def _of_fault(fault: str) -> Finding:
    """A fault of the settings; most of them end in their remedy."""
    says, _, remedy = fault.partition("; ")
    return failing("settings", says, f"{remedy[:1].upper()}{remedy[1:]}" if remedy else "See docs/settings.md. The rest is examined then.")


def _examine_application(settings: Settings, *, is_reached: bool) -> list[Finding]:
    try:
        with application(settings) as app:
            built = ok("application", "can be built")
            if not is_reached:
                return [built]
            tables, *others = examine_application(app, settings)
            return [built, tables, *others] if tables.remedy else [built, tables, *others, examine_outbox(settings)]
    except Refusal as refusal:
        return [failing("tables", f"cannot be read ({refusal.code})", "Run this again; if it stays, look into the database's log.")]
    except SettingsRefused as refused:
        # What only shows when the application is built: extensions that are named and cannot be used.
        return [failing("application", "; ".join(refused.faults), "Install what is missing, or leave its name out.")]
    except Exception as error:  # noqa: BLE001 - whatever it is, this command is there to say so
        remedy = "Run `flask routes` to see where; this is a defect of the code, not of the settings."
        return [failing("application", f"cannot be built ({type(error).__name__})", remedy)]


def _tell(answers: Answers, findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        answers.say(f"  {finding.state.value:<8} {finding.name:<{width}}  {finding.says}")
        if finding.remedy:
            answers.say(f"  {'':<8} {'':<{width}}  -> {finding.remedy}")
