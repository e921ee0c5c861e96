"""config."""
import click


@click.command()
def config() -> None:
    """config."""
