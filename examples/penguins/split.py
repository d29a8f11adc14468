"""Write the example tables: the Adelie penguins of `palmerpenguins`, one file per season.

``pip install palmerpenguins && python split.py`` writes the files beside this one.
"""

import csv
from importlib.resources import files
from pathlib import Path

HERE = Path(__file__).parent
COLUMNS = ["island", "sex", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def main() -> None:
    """Keep every Adelie row as it is, missing values included, and leave out nothing else."""
    source = files("palmerpenguins") / "data" / "penguins.csv"
    with source.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["species"] == "Adelie"]
    for year in ("2007", "2008", "2009"):
        path = HERE / f"adelie-{year}.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for row in rows if row["year"] == year)


if __name__ == "__main__":
    main()
