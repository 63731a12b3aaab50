"""What the text models see of a comment: plain words and pairs of them, without whatever could name a person.

Here: from text to n-grams. Not here: which n-grams a model knows (`training.py`), what they say (`model.py`).

Never seen: e-mail and web addresses, anything with a digit, what stands behind a title ("Dr Keller"), and a
word that begins with a capital inside a sentence, which in English is mostly a name. The same function serves
training and scoring.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

LONGEST_NGRAM = 2

_ADDRESS = re.compile(r"\S*(?:@|://|www\.)\S*")
_SHORT_TITLE = re.compile(r"\b(dr|prof|mr|mrs|ms)\.", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?:;\n]+")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_TITLES = frozenset(
    {"dr", "doctor", "prof", "professor", "mr", "mrs", "ms", "miss", "sir", "nurse", "sister", "matron"}
)


def tokens(text: str) -> list[str]:
    """Return the words of a comment in lower case; a word that could name somebody is an empty one.

    Args:
        text: the comment as it was written.
    """
    found: list[str] = []
    plain = _ADDRESS.sub(" 0 ", unicodedata.normalize("NFKC", text).replace("’", "'"))
    plain = _SHORT_TITLE.sub(r"\1", plain)
    letters = [letter for letter in plain if letter.isalpha()]
    shouted = sum(letter.isupper() for letter in letters) > len(letters) / 2
    for sentence in _SENTENCE.split(plain):
        words = _TOKEN.findall(sentence)
        for at, word in enumerate(words):
            capital = at > 0 and word[0].isupper() and not shouted and word.split("'")[0] != "I"
            titled = at > 0 and words[at - 1].lower() in _TITLES and (capital or shouted)
            digits = any(letter.isdigit() for letter in word)
            found.append("" if capital or titled or digits else word.lower())
        found.append("")
    return found[:-1]


def ngrams(text: str) -> list[str]:
    """Return the words of a comment and the pairs of words that follow each other, with repeats."""
    return list(_ngrams(tokens(text)))


def _ngrams(words: Sequence[str]) -> Iterator[str]:
    for first in range(len(words)):
        for length in range(1, LONGEST_NGRAM + 1):
            piece = words[first : first + length]
            if len(piece) == length and all(piece):
                yield " ".join(piece)
