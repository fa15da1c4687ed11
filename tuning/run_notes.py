"""The description of a compared model's run in MLflow, as markdown: what it is, how good, and whether to believe it."""

from __future__ import annotations

from tuning.result import BASELINE, HAND_MADE, ModelResult, SearchResult

_WHAT = {
    BASELINE: "The **pretrained baseline**: trained by others, only evaluated here.",
    HAND_MADE: "The **hand-made model**: one hidden layer and Adam's defaults, as one would write it without tuning.",
}


def model_note(model: ModelResult, result: SearchResult) -> str:
    """What a compared model is, how good on the test set, how it differs from the tuned one, and its loss."""
    numbers = model.evaluation
    tuned = f"The **tuned model**: trial {result.best_trial}, with the weights of its best epoch."
    paired = result.paired.get(model.name)
    sentences = [paired.sentence("the tuned model", model.name)] if paired else result.sentences()
    lines = [
        f"### {model.name}",
        _WHAT.get(model.kind, tuned),
        f"**Test set** ({numbers.n_examples} examples): {numbers.text()}.",
        *(f"**Is the difference real?** {sentence}." for sentence in sentences),
        *(f"**Can its loss be trusted?** {sentence}." for sentence in model.loss_sentences()),
        *([f"**Note:** {model.note}."] if model.note else []),
    ]
    return "\n\n".join(lines)
