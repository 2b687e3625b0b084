"""Reviews keep tokens to themselves."""

from io import StringIO

from rich.console import Console

from krustlet.objects import TokenReview, TokenReviewSpec


def test_a_token_is_not_shown() -> None:
    review = TokenReview(spec=TokenReviewSpec(token="s3cret"))
    shown = StringIO()
    Console(file=shown).print(review)
    assert "s3cret" not in f"{review!r} {review} {shown.getvalue()}"
