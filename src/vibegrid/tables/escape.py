"""Untrusted text (names, titles, questions) as text in LaTeX and in Markdown, never as markup."""

import re
import unicodedata

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    "–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``", "”": "''", "×": r"$\times$",
    "Δ": r"$\Delta$", "−": r"$-$", "→": r"$\to$", "≥": r"$\ge$", "≤": r"$\le$", "±": r"$\pm$", "\u00a0": "~",
}  # fmt: skip
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#~$|@]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_LINE_START = re.compile(r"^(\d*)([-+.)=])")


def one_line(text: str) -> str:
    """Without control and format characters (bidirectional marks too), white space made single spaces."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    kept = "".join(character for character in spaced if unicodedata.category(character) not in ("Cc", "Cf", "Cs"))
    return " ".join(kept.split())


def latex(text: str) -> str:
    """Text for LaTeX with pdfTeX and T1 fonts; a character that those lack is written as its code point."""
    return "".join(_LATEX.get(character) or _letter(character) for character in one_line(text))


def _letter(character: str) -> str:
    return character if ord(character) < 0x180 else rf"\texttt{{U+{ord(character):04X}}}"


def markdown(text: str) -> str:
    """Text for Markdown (GitHub's, tables included): HTML as entities, other markup behind a backslash.

    What makes a list or a rule at the start of a paragraph is escaped by `markdown_paragraph` only.
    """
    entities = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", entities)


def markdown_paragraph(text: str) -> str:
    """As `markdown`, for text that begins a line."""
    return _LINE_START.sub(r"\1\\\2", markdown(text))
