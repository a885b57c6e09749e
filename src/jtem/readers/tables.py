"""Tables of text as people have them: delimiters, decimal commas, encodings, marks of missing values and of inequality.

:func:`read_rows` turns a file into rows of text, :func:`number` and :func:`inequality` one field into a number. Every
reader of tables uses these three, so that a table that one takes is taken by all.
"""

from __future__ import annotations

import csv
import datetime
import importlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jtem.errors import InputError, suggest

MISSING_WORDS = (
    *("", "-", "--", "---", ".", "..", "*", "?", "nan", "na", "n/a", "n.a.", "n.d.", "nd", "nm", "ns", "null", "none"),
    *(
        "#n/a",
        "nodata",
        "no data",
        "missing",
        "not measured",
        "inactive",
        "not active",
        "discontinued",
        "destroyed",
        "no visit",
    ),
)
"""Fields that say that nothing was measured, in lower case."""
MISSING_NUMBER = re.compile(r"-(999|9999|99999|6999|7999)(\.9*|\.0*)?")
DELIMITERS = (";", "\t", "|", ",")
_PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?"
_NUMBER = re.compile(_PLAIN)
_MARKED = re.compile(
    rf"(?P<sign>[<>]?=?|~)\s*(?P<number>{_PLAIN})\s*(?P<mark>\+|\*+|[a-zA-Z]|[†‡§#^?]|\([a-zA-Z0-9*]\))?"
)
_COMMA = re.compile(r"(?P<head>[<>~]?=?\s*[+-]?\d+),(?P<tail>\d+)(?P<rest>\s*(?:[eE][+-]?\d+)?\s*[*+a-zA-Z]*)")


class Row(dict[str, str]):
    """One row of a table: column -> text; ``line`` is its line in the file, from 1."""

    line = 0


def read_text(path: Path | str) -> str:
    """The text of a table in UTF-8, UTF-16 (with its mark) or the Western code page of spreadsheets.

    The first sheet of an ``.xlsx`` file where openpyxl is installed. Raises ``InputError`` where the file is absent or no
    text.
    """
    path = Path(path)
    if path.suffix.lower() in (".xls", ".xlsx", ".ods") and path.exists():
        return _sheet(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: file not found; check the name and the data folder") from None
    except OSError as error:
        raise InputError(f"{path}: table cannot be read ({error}); give a comma-separated text file") from None
    return decode(data, str(path))


def _sheet(path: Path) -> str:
    """The first sheet of a workbook as comma-separated text."""
    try:
        openpyxl = importlib.import_module("openpyxl")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True) if path.suffix.lower() == ".xlsx" else None
    except ImportError:
        book = None
    except Exception as error:
        raise InputError(f"{path}: workbook cannot be read ({error}); save the sheet as CSV") from None
    if book is None:
        raise InputError(
            f"{path}: a spreadsheet, expected text; save the sheet as CSV (or as .xlsx and install openpyxl)"
        )
    text = io.StringIO()
    writer = csv.writer(text)
    for values in book.worksheets[0].iter_rows(values_only=True):
        writer.writerow(["" if value is None else value for value in values])
    return text.getvalue()


def decode(data: bytes, where: str) -> str:
    """Bytes of a table as text; see :func:`read_text`."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252", "latin-1")
        if b"\0" in data:
            raise InputError(f"{where}: table cannot be read (no text); give a comma-separated text file")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{where}: table cannot be read (unknown encoding); save it as UTF-8")


def cells_of(lines: Iterable[str], delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line of each row, from 1, and its fields; raises ``InputError`` where a quotation mark has no end."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise InputError(
            f"{where}: row that ends in line {reader.line_num}: {error}; is a quotation mark not closed?"
        ) from None


def read_rows(
    path: Path | str, needed: Sequence[str] = (), known: Sequence[str] | None = None, *, header: str = ""
) -> list[Row]:
    """Rows of a table with one header line; lines that start with ``#`` are left out.

    The delimiter (comma, semicolon, tab, bar, else blanks) is the one that splits the header; decimal commas become points.
    Names of columns are compared without regard to case and come as ``needed`` and ``known`` spell them. ``header``: a
    word of the header line; what stands above it is left out. Raises ``InputError`` for an unreadable or empty table,
    missing ``needed`` columns, repeated columns, rows with more fields than the header and, where ``known`` is given,
    unknown columns.
    """
    return rows_of(read_text(path), str(path), needed, known, header=header)


def rows_of(
    text: str, where: str, needed: Sequence[str] = (), known: Sequence[str] | None = None, *, header: str = ""
) -> list[Row]:
    """Rows of the text of a table: see :func:`read_rows`."""
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip(" \t,;|") and not line.lstrip().startswith("#")
    ]
    if header:
        first = next((k for k, (_, line) in enumerate(lines) if header.lower() in line.lower()), None)
        if first is None:
            raise InputError(f"{where}: no header line with '{header}'; check the table")
        lines = lines[first:]
    if not lines:
        raise InputError(f"{where}: table is empty; give one row an observation")
    if len(lines[0][1].split()) > 1 and not any(sign in lines[0][1] for sign in DELIMITERS):
        lines = [(number, "\t".join(line.split())) for number, line in lines]  # columns of blanks
    delimiter = max(DELIMITERS, key=lambda sign: len(next(cells_of([lines[0][1]], sign, where))[1]))
    spelled = {name.lower(): name for name in (*(known or ()), *needed)}
    names, nameless, rows = [], [], []
    for number_of_line, fields in cells_of((line for _, line in lines), delimiter, where):
        at = lines[number_of_line - 1][0]
        if not names:
            names = [spelled.get(name.strip().lower(), name.strip()) for name in fields]
            while names and not names[-1]:
                names.pop()
            names = [name if name.strip("# ") else f"column {k}" for k, name in enumerate(names, start=1)]
            nameless = [f"column {k}" for k, name in enumerate(fields, start=1) if not name.strip("# ")]
            _check_names(names, where, needed, None if known is None else (*known, *nameless))
            continue
        texts = [field.replace("\u2212", "-").replace("\xa0", " ").strip() for field in fields]
        if len(texts) > len(names) and any(texts[len(names) :]):
            remedy = "decimal commas?" if delimiter == "," else "quote fields that hold the delimiter"
            raise InputError(
                f"{where}: line {at} has {len(texts)} fields, the header {len(names)}; correct the line ({remedy})"
            )
        row = Row(zip(names, texts + [""] * (len(names) - len(texts)), strict=False))
        row.line = at
        rows.append(row)
    if not rows:
        raise InputError(f"{where}: table is empty; give one row an observation")
    for name in nameless if known is not None else ():
        if any(row.get(name) for row in rows):
            raise InputError(f"{where}: {name} has no name in the header; name it or take it out")
    _decimal_commas(rows)
    return rows


def _check_names(names: Sequence[str], where: str, needed: Sequence[str], known: Sequence[str] | None) -> None:
    for name in needed:
        if name not in names:
            raise InputError(f"{where}: column '{name}' is missing; {suggest(name, names) if any(names) else 'add it'}")
    for k, name in enumerate(names):
        if name and name in names[:k]:
            raise InputError(f"{where}: column '{name}' is there twice; keep one")
        if known is not None and name not in known:
            raise InputError(f"{where}: unknown column '{name}'; {suggest(name, known)}")


def _decimal_commas(rows: Sequence[Row]) -> None:
    """Commas of numbers become points, in place, where a number of the table shows that they are decimal ("12,5").

    A number such as "1,234" alone shows nothing and stays, so that :func:`number` refuses it.
    """
    found = {
        name: [match for row in rows if (match := _COMMA.fullmatch(row[name]))]
        for name in rows[0]
        if any("," in row[name] for row in rows)
    }
    decimal = any(
        len(match["tail"]) != 3 or re.fullmatch(r"\D*0+", match["head"]) or len(re.sub(r"\D", "", match["head"])) > 3
        for matches in found.values()
        for match in matches
    )
    if not decimal:
        return
    for name, matches in found.items():
        others = [row[name] for row in rows if "," in row[name] and not _COMMA.fullmatch(row[name])]
        if matches and not others:
            for row in rows:
                if match := _COMMA.fullmatch(row[name]):
                    row[name] = f"{match['head']}.{match['tail']}{match['rest']}"


def is_missing(text: str) -> bool:
    """Whether a field says that nothing was measured: a word of :data:`MISSING_WORDS` or -999, -9999 and the like."""
    text = text.strip()
    return text.lower() in MISSING_WORDS or bool(MISSING_NUMBER.fullmatch(text))


def number(text: str, where: str) -> float:
    """A number, NaN where the field is missing (:func:`is_missing`); raises ``InputError`` for anything else."""
    text = text.strip()
    if is_missing(text):
        return float("nan")
    if _NUMBER.fullmatch(text):
        value = float(text.lower().replace("d", "e"))
        if abs(value) < 1e30:
            return value
    remedy = (
        "write it with a decimal point and without thousands" if "," in text else "correct it or leave the field empty"
    )
    raise InputError(f"{where}: {text!r} is not a number; {remedy}")


def inequality(text: str, where: str) -> tuple[float, str]:
    """Number and flag of entries such as ``">120"``, ``"<45"``, ``"120+"``, ``"63**"``; flags are those of ``censored``.

    A mark that is not understood (``*``, a letter, a dagger, ``~``, parentheses around the number) gives "?": the value is
    kept and says so. Raises ``InputError`` with the text as it stands for anything else.
    """
    plain = text.strip().replace("≥", ">=").replace("≤", "<=")
    if is_missing(plain):
        return float("nan"), ""
    inner = re.fullmatch(rf"[(\[]\s*({_PLAIN})\s*[)\]]", plain)
    found = _MARKED.fullmatch(inner[1] if inner else plain)
    if found is None:
        remedy = "write it with a decimal point" if "," in plain else "correct it or leave the field empty"
        raise InputError(f"{where}: {text.strip()!r} is not a number; {remedy}")
    value, sign, mark = number(found["number"], where), found["sign"][:1], found["mark"]
    if sign in ("<", ">"):
        return value, sign
    if mark == "+":
        return value, ">"
    return value, "?" if mark or inner or sign == "~" else ""


def degrees(text: str, where: str) -> float:
    """Degrees north or east of a coordinate such as ``68.6``, ``149.6 W``, ``68°37'N``, ``68 37 30 N``.

    NaN where it is missing. Raises ``InputError``.
    """
    if is_missing(text):
        return float("nan")
    found = re.fullmatch(r"([+-]?[\d.,\s°º'\"′″’”]+?)\s*([NSEWnsew]?)", text.strip())
    parts = re.findall(r"[+-]?\d+(?:[.,]\d+)?", found[1]) if found else []
    if not 1 <= len(parts) <= 3 or (len(parts) > 1 and found and "," in found[1]):
        raise InputError(f"{where}: {text!r} is no coordinate; give decimal degrees")
    numbers = [float(part.replace(",", ".")) for part in parts]
    if any(not 0 <= minute < 60 for minute in numbers[1:]):
        raise InputError(f"{where}: {text!r} is no coordinate; give decimal degrees")
    size = sum(abs(value) / 60.0**k for k, value in enumerate(numbers))
    south_or_west = parts[0].startswith("-") != (bool(found) and found[2].upper() in ("S", "W"))
    return -size if south_or_west else size


DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y-%m", "%d.%m.%Y")


def date(text: str, where: str) -> tuple[float, float, float]:
    """Year, month and day of a date, see :func:`day`; the day is NaN where the text has none."""
    found = day(text, where)
    return float(found.year), float(found.month), float("nan") if len(text.strip()) == 7 else float(found.day)


def day(text: str, where: str) -> datetime.datetime:
    """The day of a date: YYYY-MM-DD (a time may follow), YYYY/MM/DD, YYYYMMDD, YYYY-MM or DD.MM.YYYY.

    Dates with slashes that begin with day or month are refused, as nobody can tell which. Raises ``InputError``.
    """
    first = re.split(r"[T ]", text.strip())[0]
    for form in DATES:
        try:
            return datetime.datetime.strptime(first, form)
        except ValueError:
            continue
    raise InputError(f"{where}: date {text.strip()!r} cannot be told; write YYYY-MM-DD")


def places_of(rows: Iterable[Mapping[str, str]], columns: Mapping[str, str], where: Path | str) -> dict[str, dict]:
    """Places of a table by site; ``columns``: field -> column. Raises ``InputError`` where a site moves."""
    found: dict[str, dict] = {}
    for item in rows:
        place = {field: number(item[column], f"{where}: {column}") for field, column in columns.items()}
        known = found.setdefault(item["site"], place)
        for field in ("latitude", "longitude"):
            if abs(known[field] - place[field]) > 1e-3:
                raise InputError(
                    f"{where}: site '{item['site']}' has {field} {known[field]:g} and {place[field]:g}; give one"
                )
    return found
