"""What the models see of a comment, and what they never see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.clinic.feedback_text.words import ngrams, tokens


@pytest.mark.parametrize(
    "text",
    [
        "I saw Dr. Quillfeather today",
        "I saw dr Quillfeather today",
        "my neighbour Quillfeather was there",
        "I SAW DR QUILLFEATHER TODAY",
        "write to quillfeather@mail.example please",
        "see https://mail.example/quillfeather please",
        "call quillfeather7 please",
        "It was Mrs. Quillfeather's fault",
    ],
)
def test_what_could_name_a_person_is_not_seen(text):
    assert not [word for word in tokens(text) if "quillfeather" in word]


def test_a_word_that_is_not_seen_keeps_its_neighbours_apart():
    assert ngrams("asked Quillfeather twice") == ["asked", "twice"]
    assert ngrams("The end. Then more") == ["the", "the end", "end", "then", "then more", "more"]


def test_a_comment_in_capitals_is_read_like_any_other():
    assert tokens("THE SOUND WAS BAD") == tokens("The sound was bad")


def test_an_apostrophe_of_a_printer_is_one_of_a_typewriter():
    assert tokens("It didn’t work") == tokens("It didn't work") == ["it", "didn't", "work"]


@given(st.text(max_size=200))
def test_any_text_gives_words_without_digits_and_pairs_of_them(text):
    assert not [word for word in tokens(text) if any(letter.isdigit() for letter in word)]
    assert all(1 <= len(ngram.split(" ")) <= 2 for ngram in ngrams(text))
