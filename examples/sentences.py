#!/usr/bin/env python3
"""Classify sentences by a model that can forget: train, answer or say "out of scope", forget an intent or a sentence.

    PYTHONPATH=bindings/python DKVB_LIBRARY=build/release/lib/libdkvb.so python3 examples/sentences.py

A model takes rows of numbers, so some encoder must turn sentences into rows. The encoder may be any function that takes
a list of str and returns float32[n][columns], the same row for the same sentence every time. The function encode()
below needs no download and knows nothing but letters and words. For real use replace the function encode(), for
instance by one of the following two encoders of sentences:

    network = sentence_transformers.SentenceTransformer("all-MiniLM-L6-v2")
    def encode(sentences):
        return network.encode(sentences).astype(np.float32)

    network = tensorflow_hub.load("https://tfhub.dev/google/universal-sentence-encoder/4")
    def encode(sentences):
        return np.asarray(network(sentences), np.float32)

The encoder is frozen: forgetting changes the model, never the encoder, which still knows what it was trained on.
"""

import argparse
import itertools
import sys
import zlib

import numpy as np

import dkvb

COLUMNS = 256
INTENTS = {  # made-up sentences of each intent: every combination of the parts is a sentence
    "weather": (("will it rain", "is it going to snow", "how warm will it be", "do I need an umbrella"),
                ("in Oslo", "in Lima", "in Cairo", "in Kyoto", "in Quebec"), ("today", "tomorrow", "on Sunday", "next week")),
    "alarm": (("wake me up", "set an alarm", "ring the bell", "set a timer"),
              ("at seven", "at half past five", "at noon", "in ten minutes", "before sunrise"),
              ("please", "every day", "only once", "on workdays")),
    "music": (("play a song", "put on an album", "start the playlist", "let me hear a tune"),
              ("by the quartet", "by that singer", "of the eighties", "with violins", "without drums"),
              ("loudly", "in the kitchen", "on repeat", "for dancing")),
    "transfer": (("send money", "transfer fifty euros", "pay the rent", "move my savings"),
                 ("to my sister", "to the landlord", "to my other account", "to Anna", "to the plumber"),
                 ("from checking", "right now", "on the first", "with a note")),
    "card": (("I lost my card", "my card was stolen", "block my credit card", "the cash machine kept my card"),
             ("yesterday", "at the station", "abroad", "this morning", "on the bus"),
             ("what shall I do", "help me", "order a new one", "is my account safe")),
}
ELSEWHERE = ["who won the football match last night", "what is the square root of nine hundred", "tell me a joke about penguins",
             "how tall is the highest mountain of Mars", "translate good evening into Finnish", "did dinosaurs have feathers",
             "which vitamins are found in spinach", "when was the printing press invented", "my neighbour's dog barks too much",
             "name three rivers of Siberia"]


def encode(sentences):
    """Returns a row for each sentence, `float32[n][COLUMNS]`: counts of words and of runs of three letters, each
    counted in the column that its hash names."""
    rows = np.zeros((len(sentences), COLUMNS), np.float32)
    for row, sentence in zip(rows, sentences):
        words = sentence.lower().split()
        letters = f" {' '.join(words)} "
        for part in itertools.chain(words, (letters[i:i + 3] for i in range(len(letters) - 2))):
            number = zlib.crc32(part.encode("utf-8"))
            row[number % COLUMNS] += 1.0 if number >> 31 else -1.0
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def score(logits):
    """Score by which sentences are in scope: a row's largest logit, better than its largest probability
    (docs/experiments.md)."""
    return logits.max(axis=1)


class Assistant:
    """A model, its codeset, from which the model can forget, and the score below which a sentence is out of scope."""

    def __init__(self, sentences, intents, names):
        self.intents = sorted(set(intents))
        labels = [self.intents.index(intent) for intent in intents]
        # Each sentence has a name, by which a person can later ask to forget it; the codeset stores only hashes of
        # names. A quarter of the sentences is held out: a tenth would be too few to tell how many pairs to mask.
        self.model, self.codeset, report = dkvb.fit(encode(sentences), labels, ids=names, codeset=True, hold_out=0.25,
                                                    seed=1)
        self.model.class_names = self.intents
        print(f"trained on {report.rows} sentences; {report.held_out} held out, {report.held_out_accuracy:.3f} of them right")
        self.threshold = self.find_threshold()

    def find_threshold(self, share=0.02):
        """Returns the score that all but the fraction `share` of the held-out sentences reach."""
        # the codes of held-out rows name more keys than the top_k that predictions use
        codes = self.codeset.rows("held_out").codes[:, :, :self.model.info.top_k]
        return np.quantile(score(self.model.decode(np.ascontiguousarray(codes))), share)

    def answer(self, sentences):
        """Returns the name of the intent of each sentence, or None if the sentence is out of scope."""
        labels, logits = self.model.predict(encode(sentences), logits=True)
        inside = (labels >= 0) & (score(logits) >= self.threshold)  # label -1: the model gives no answer
        return [self.intents[label] if here else None for label, here in zip(labels, inside)]

    def forget_intent(self, intent):
        """Masks as few pairs as are needed for the model to no longer answer an intent; undo() can take this masking
        back."""
        plan = self.model.plan_forget(classes=[intent], codeset=self.codeset, reason="no longer offered")
        print(f"forget {intent}: {plan.info.pairs} of {plan.info.pairs_total} pairs, refused: {plan.refusal}")
        return self.model.apply(plan, self.codeset)

    def forget_sentence(self, name):
        """Trains the values again without one sentence: the new values are bit for bit those of a training without the
        sentence. The keys, which were placed on the forgotten sentence too, stay; keys="place" would place the keys
        again, given all other rows."""
        plan = self.model.plan_forget(ids=[name], codeset=self.codeset, strength="exact", keys="keep")
        return self.model.apply(plan, self.codeset)


def share(found, wanted):
    return sum(one == wanted for one in found) / len(found)


def claim(holds, what):
    if not holds:
        sys.exit(f"not so: {what}")
    print(f"  {what}")


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    said = [(intent, " ".join(parts)) for intent, lists in INTENTS.items() for parts in itertools.product(*lists)]
    order = np.random.default_rng(1).permutation(len(said))
    train, test = ([said[i] for i in part] for part in (order[60:], order[:60]))
    names = [f"chat-{number:04}" for number in range(len(train))]
    assistant = Assistant([s for _, s in train], [i for i, _ in train], names)

    right = sum(found == intent for found, (intent, _) in zip(assistant.answer([s for _, s in test]), test))
    claim(right >= 0.9 * len(test), f"{right} of {len(test)} new sentences are answered rightly")
    outside = share(assistant.answer(ELSEWHERE), None)
    claim(outside >= 0.9, f"{outside:.0%} of sentences about other things are out of scope")

    weather, others = ([(i, s) for i, s in test if (i == "weather") == of] for of in (True, False))
    assistant.forget_intent("weather")
    outside = share(assistant.answer([s for _, s in weather]), None)
    claim(outside >= 0.9, f"{outside:.0%} of sentences of the forgotten intent are out of scope now")
    kept = share([found == i for found, (i, _) in zip(assistant.answer([s for _, s in others]), others)], True)
    claim(kept >= 0.9, f"{kept:.0%} of the others are still answered rightly")

    assistant.forget_sentence("chat-0007")
    try:
        assistant.forget_sentence("chat-0007")
        claim(False, "a sentence that was forgotten is not there any more")
    except dkvb.NotFound as why:
        claim(True, f"chat-0007 is gone: {why}")
    for entry in assistant.model.journal:
        print(f"  {entry.id} {entry.kind:<7} {entry.strength:<9} {entry.pairs:>7} pairs  {entry.reason}")


if __name__ == "__main__":
    main()
